"""Mails that did not arrive: told in the trail once, shown to whom it concerns, and nothing is opened by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.actions import bounces
from app.actions.bounces import Lost
from app.actions.deliver import deliver
from app.actions.digests import BURST, HOLD
from app.domain.errors import Refused
from app.domain.events import Entry
from app.storage import outbox
from app.storage.outbox import OutboxRow
from app.trail import canonical
from tests.actions.attacks import trail
from tests.actions.test_mails import at
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, World
from tests.fixtures.smtp import SmtpSink
from tests.notify.test_bounces import report


@pytest.fixture
def sending(enrolled: World, smtp_sink: SmtpSink) -> World:
    """A world that delivers, and takes bounces."""
    at(enrolled, smtp_sink.port)
    enrolled.services = replace(enrolled.services, bounces_to="bounces@countersign.example")
    return enrolled


async def _delivered(world: World, sink: SmtpSink, to: str) -> str:
    """Deliver everything; the envelope sender of the first mail to somebody."""
    while await deliver(world.services):
        pass
    return next(each.sender for each in sink.deliveries if each.recipients == (to,))


async def _failed(world: World) -> list[Entry]:
    return [each for each in await trail(world) if each.type == "mail.failed"]


async def _rows(world: World, request: str) -> dict[str, OutboxRow]:
    async with world.services.database.read() as tx:
        return {row.payload["to"][0]: row for row in await outbox.about(tx, CODE, request)}


async def test_a_bounce_is_one_entry_and_shown_to_admins_and_on_the_request(
    sending: World, smtp_sink: SmtpSink
) -> None:
    world = sending
    filed = await world.file()
    sender = await _delivered(world, smtp_sink, LIBRARIAN)
    assert len({each.sender for each in smtp_sink.deliveries}) == len(smtp_sink.deliveries)
    assert await bounces.record(world.services, report(to=sender)) == "recorded"
    assert await bounces.record(world.services, report(to=sender)) == "known"
    (told,) = await _failed(world)
    row = (await _rows(world, filed.row.id))[LIBRARIAN]
    assert told.data == {
        "message_id": canonical.sha(row.payload["message_id"].encode()),
        "to": row.payload["people"],
        "permanent": True,
    }
    head = await world.visitor(HEAD)
    requests = ((filed.row.id, filed.row.number),)
    assert await bounces.lost(world.services, head) == [
        Lost(row.created_at, LIBRARIAN, told.data["to"][0], "Systems Librarian", "request", requests, row.error or "")
    ]
    assert "no such user" in (row.error or "")
    lost = await bounces.lost_of_requests(world.services, head)
    assert lost == {filed.row.id: {told.data["to"][0]: "Systems Librarian"}}
    world.skip(bounces.SHOWN)
    await world.sign_in(HEAD)
    assert await bounces.lost(world.services, await world.visitor(HEAD)) == []
    report_ = await world.verify(await world.bundle())
    assert (report_.exit_code, report_.findings) == (0, ())


async def test_a_refusal_of_the_peer_and_three_days_without_one_are_told_apart(
    sending: World, smtp_sink: SmtpSink
) -> None:
    world = sending
    await world.file()
    smtp_sink.refuse = "550 5.7.1 not here"
    await deliver(world.services)
    assert [each.data["permanent"] for each in await _failed(world)] == [True] * 3
    smtp_sink.refuse = "451 4.3.0 later"
    await world.file()
    for _ in range(60):
        await deliver(world.services)
        world.skip(timedelta(hours=3))
    assert [each.data["permanent"] for each in await _failed(world)] == [True] * 3 + [False] * 3


async def test_nobody_who_has_not_seen_a_mail_can_say_that_it_bounced(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    await world.file()
    sender = await _delivered(world, smtp_sink, LIBRARIAN)
    other = next(each.sender for each in smtp_sink.deliveries if each.recipients == (DEPUTY,))
    name, _, tag = sender.partition("@")[0].rpartition("-")
    crossed = f"{name}-{other.partition('@')[0].rpartition('-')[2]}@countersign.example"
    unknown = f"bounces+{'0' * 26}-{tag}@countersign.example"
    for to in (crossed, unknown):
        assert await bounces.record(world.services, report(to=to)) == "unknown"
    for raw in (b"", report(to=sender, action="delayed"), b"To: " + sender.encode() + b"\r\n\r\nI am away.\r\n"):
        assert await bounces.record(world.services, raw) == "no-bounce"
    assert await _failed(world) == []


async def test_a_digest_that_bounced_counts_for_each_of_its_requests(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    filed = [await world.file() for _ in range(BURST + 2)]
    world.skip(HOLD)
    await _delivered(world, smtp_sink, LIBRARIAN)
    digest = [each for each in smtp_sink.deliveries if each.recipients == (LIBRARIAN,)][-1]
    assert await bounces.record(world.services, report(to=digest.sender)) == "recorded"
    lost = await bounces.lost_of_requests(world.services, await world.visitor(HEAD))
    assert lost.keys() == {view.row.id for view in filed[BURST:]}


async def test_only_admins_see_addresses_and_nobody_those_of_another_institution(
    sending: World, smtp_sink: SmtpSink
) -> None:
    world = sending
    await world.file()
    sender = await _delivered(world, smtp_sink, LIBRARIAN)
    await bounces.record(world.services, report(to=sender))
    for email in (LIBRARIAN, AUDITOR):
        with pytest.raises(Refused, match="not-found"):
            await bounces.lost(world.services, await world.visitor(email))


async def test_without_a_bounce_address_mails_come_back_to_their_sender(enrolled: World, smtp_sink: SmtpSink) -> None:
    at(enrolled, smtp_sink.port)
    await enrolled.file()
    assert await _delivered(enrolled, smtp_sink, LIBRARIAN) == enrolled.services.mail_from
