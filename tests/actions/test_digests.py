"""Mails that come thick: the first few each by itself, the rest in one a reader, with a receipt for them all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage

import pytest

from app.actions.clock import sweep
from app.actions.deliver import deliver
from app.actions.digests import BURST, HOLD, SPAN
from app.actions.requests import withdraw
from app.audit.receipts import receipt_of
from app.domain.errors import Refused
from app.domain.events import Entry
from app.trail.checkpoint import Checkpoint
from tests.actions.attacks import trail
from tests.actions.test_mails import at
from tests.actions.worlds import World
from tests.fixtures.smtp import SmtpSink

APPROVERS = 3


@pytest.fixture
def sending(enrolled: World, smtp_sink: SmtpSink) -> World:
    """A world that delivers, and whose clock stands still."""
    at(enrolled, smtp_sink.port)
    enrolled.frozen = enrolled.now()
    enrolled.offset = timedelta()
    return enrolled


async def _sent(world: World, sink: SmtpSink) -> list[EmailMessage]:
    """What went out since, to approvers."""
    before = len(sink.deliveries)
    while await deliver(world.services):
        pass
    mails = [each.message for each in sink.deliveries[before:]]
    return [mail for mail in mails if "example.edu" in mail["To"]]


def _digests(mails: Sequence[EmailMessage]) -> list[EmailMessage]:
    return [mail for mail in mails if "notice" in mail["Subject"]]


async def _queued(world: World, request: str) -> list[Entry]:
    return [each for each in await trail(world) if each.type == "mail.queued" and each.data["about"] == request]


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_a_flood_is_a_few_mails_then_one_digest_a_reader_then_refused(
    sending: World, smtp_sink: SmtpSink
) -> None:
    world = sending
    world.services = replace(world.services, requests_per_hour=BURST + 4)
    filed = [await world.file() for _ in range(BURST + 4)]
    with pytest.raises(Refused, match="too-many-requests"):
        await world.file()
    single = await _sent(world, smtp_sink)
    assert (len(single), _digests(single)) == (BURST * APPROVERS, [])
    world.skip(HOLD)
    grouped = await _sent(world, smtp_sink)
    assert len(grouped) == len(_digests(grouped)) == APPROVERS
    assert {str(mail["To"]) for mail in grouped} == {str(mail["To"]) for mail in single}
    assert len({str(mail["Message-ID"]) for mail in grouped}) == APPROVERS
    for mail in grouped:
        assert str(mail["Subject"]).startswith("4 notices about access of ")
        for view in filed[BURST:]:
            assert f"\n{view.row.number}: " in _text(mail)
            assert view.check_code in _text(mail)
        assert not any(view.row.number in _text(mail) for view in filed[:BURST])
    told = {frozenset(each.data["message_id"] for each in await _queued(world, view.row.id)) for view in filed[BURST:]}
    assert len(told) == 1, "each request's event names the digest that told of it"
    last = max([each.index for view in filed for each in await _queued(world, view.row.id)])
    for each in smtp_sink.deliveries[-APPROVERS:]:
        assert Checkpoint.parse(receipt_of(each.content).decode().partition("\n\n")[0] + "\n").size > last
    world.people.clear()
    await world.sign_in("auditor@example.edu")
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_after_the_flood_each_mail_goes_by_itself_again(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    for _ in range(BURST + 1):
        await world.file()
    world.skip(SPAN + timedelta(seconds=1))
    await world.file()
    sent = await _sent(world, smtp_sink)
    assert (len(sent), len(_digests(sent))) == ((BURST + 2) * APPROVERS, APPROVERS)


async def test_what_comes_while_a_digest_is_on_its_way_begins_another(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    for _ in range(BURST + 1):
        await world.file()
    await _sent(world, smtp_sink)
    world.skip(HOLD)
    smtp_sink.refuse = "451 4.3.0 later"
    assert await _sent(world, smtp_sink) == []
    await world.file()
    smtp_sink.refuse = None
    world.skip(HOLD)
    again = _digests(await _sent(world, smtp_sink))
    assert (len(again), len({str(mail["Message-ID"]) for mail in again})) == (2 * APPROVERS, 2 * APPROVERS)
    assert all(str(mail["Subject"]).startswith("1 notice about ") for mail in again)


async def test_what_the_clock_tells_of_many_is_grouped_too(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    filed = [await world.file() for _ in range(BURST + 3)]
    world.skip(timedelta(minutes=241))
    while await sweep(world.services):
        pass
    world.skip(HOLD)
    reminded = [mail for mail in await _sent(world, smtp_sink) if "waits for" in _text(mail)]
    assert len(_digests(reminded)) == 2 * APPROVERS, "of the requests, and of their reminders"
    for view in filed:
        await withdraw(world.services, world.caller, view.row.id, "Solved otherwise.", None)
    world.skip(HOLD)
    withdrawn = _digests(await _sent(world, smtp_sink))
    assert len(withdrawn) == APPROVERS
    assert all("was taken back by" in _text(mail) and "Solved" not in _text(mail) for mail in withdrawn)


async def test_access_that_is_given_by_the_phase_is_grouped_for_approvers_and_addresses(
    sending: World, smtp_sink: SmtpSink
) -> None:
    world = sending
    for _ in range(BURST + 2):
        await world.file(environment="esploro-sandbox", escalated=False)
    world.skip(HOLD)
    sent = await _sent(world, smtp_sink)
    grouped = _digests(sent)
    assert len(grouped) == len({str(mail["To"]) for mail in sent})
    assert all(len(re.findall(r"^\d{4}-\d{4}: ", _text(mail), re.MULTILINE)) == 2 for mail in grouped)
