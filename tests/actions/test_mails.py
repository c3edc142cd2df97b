"""Mails: written with the change or not at all, delivered at least once, always the same, with a receipt that holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import httpx2
import pytest

from app.actions.checkpoints import verifier_keys
from app.actions.clock import sweep, tell_refusals
from app.actions.deliver import deliver
from app.actions.filing import create
from app.actions.once import Key, once
from app.actions.services import Services
from app.audit.receipts import receipt_of
from app.audit.verify import verify_bundle
from app.domain.errors import Refused, Unavailable
from app.notify.smtp import SmtpSettings
from app.storage import entries, outbox
from app.storage.outbox import OutboxRow
from app.trail import canonical
from app.trail.checkpoint import Checkpoint
from tests.actions.attacks import Watch, trail
from tests.actions.worlds import CODE, HEAD, TLS, Configure, World, another_institution
from tests.fixtures.smtp import Delivery, SmtpSink

OTHER = "02OTHER_INST"
_OTHER = another_institution(OTHER)


@pytest.fixture
def configure() -> Configure:
    """A second institution, which shares nothing with the first but this service."""
    return lambda text: text + _OTHER


@pytest.fixture
def sending(enrolled: World, smtp_sink: SmtpSink) -> World:
    """A world with somewhere to deliver to."""
    at(enrolled, smtp_sink.port)
    return enrolled


def at(world: World, port: int) -> None:
    world.services = replace(world.services, smtp=SmtpSettings("127.0.0.1", port, timeout_s=5))


async def waiting(world: World, request: str) -> list[OutboxRow]:
    async with world.services.database.read() as tx:
        return await outbox.about(tx, CODE, request)


def ids(deliveries: Sequence[Delivery]) -> list[str]:
    return sorted(str(each.message["Message-ID"]) for each in deliveries)


async def test_what_is_rolled_back_mails_nobody(enrolled: World) -> None:
    world = enrolled
    watch = await Watch.begin(world)

    async def act(services: Services) -> NoReturn:
        await create(services, world.caller, world.ask())
        raise RuntimeError("the process is killed here")

    with pytest.raises(RuntimeError, match="killed"):
        await once(world.services, world.client, Key("key", b"fingerprint"), act)
    assert await watch.told() == []


async def test_each_mail_that_the_trail_tells_of_waits_in_the_outbox(enrolled: World) -> None:
    world = enrolled
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    told = [each for each in await trail(world) if each.type == "mail.queued" and each.data["about"] == request]
    rows = await waiting(world, request)
    assert sorted(row.payload["index"] for row in rows) == sorted(each.index for each in told)
    digests = {row.payload["index"]: canonical.sha(row.payload["message_id"].encode()) for row in rows}
    assert digests == {each.index: each.data["message_id"] for each in told}


async def test_a_delivered_mail_is_a_receipt_for_what_the_trail_held_that_day(
    sending: World, smtp_sink: SmtpSink
) -> None:
    world = sending
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    while await deliver(world.services):
        pass
    rows = await waiting(world, request)
    assert ids(smtp_sink.deliveries) == sorted(row.payload["message_id"] for row in rows)
    assert {row.status for row in rows} == {"done"}
    async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
        jwks = (await client.get(f"{world.provider.issuer}/jwks")).json()
    bundle, vkeys = await world.bundle(), await verifier_keys(world.services, CODE)
    sizes = {row.payload["message_id"]: row.payload["index"] for row in rows}
    for each in smtp_sink.deliveries:
        note = receipt_of(each.content).decode()
        assert Checkpoint.parse(note.partition("\n\n")[0] + "\n").size > sizes[str(each.message["Message-ID"])]
    receipts = [each.content for each in smtp_sink.deliveries]
    report = verify_bundle(bundle, vkeys=vkeys, idp_jwks=[jwks], receipts=receipts, enrolment=world.codes[CODE])
    assert (report.exit_code, report.findings) == (0, ()), report.to_text()


async def test_a_mail_that_broke_off_comes_again_the_same(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    request = (await world.file()).row.id
    smtp_sink.drop = True
    await deliver(world.services)
    first = list(smtp_sink.deliveries)
    assert {row.status for row in await waiting(world, request)} == {"waiting"}
    await world.file()  # the trail goes on, the receipts do not
    smtp_sink.drop = False
    world.skip(timedelta(minutes=1))
    await deliver(world.services)
    again = [each for each in smtp_sink.deliveries[len(first) :] if ids([each])[0] in ids(first)]
    assert len(first) == len(again) == 3
    assert {each.content for each in again} == {each.content for each in first}
    assert {row.status for row in await waiting(world, request)} == {"done"}
    assert await deliver(world.services) == 0


async def test_while_nobody_takes_mails_people_still_decide(
    sending: World, smtp_sink: SmtpSink, free_port: int
) -> None:
    world = sending
    at(world, free_port)
    request = (await world.file()).row.id
    await deliver(world.services)
    rendered = {row.id: row.rendered for row in await waiting(world, request)}
    assert all(rendered.values())
    await world.approve(HEAD, request)
    at(world, smtp_sink.port)
    world.skip(timedelta(minutes=5))
    while await deliver(world.services):
        pass
    rows = await waiting(world, request)
    assert {row.status for row in rows} == {"done"}
    assert {row.id: row.rendered for row in rows if row.id in rendered} == rendered
    assert ids(smtp_sink.deliveries) == sorted(row.payload["message_id"] for row in rows)


@pytest.mark.parametrize("answer", ["550 5.1.1 nobody here", "451 4.3.0 later"])
async def test_a_mail_given_up_is_one_event(sending: World, smtp_sink: SmtpSink, answer: str) -> None:
    world = sending
    smtp_sink.refuse = answer
    request = (await world.file()).row.id
    for _ in range(100):
        await deliver(world.services)
        if {row.status for row in await waiting(world, request)} == {"failed"}:
            break
        world.skip(timedelta(hours=3))
    failed = [each.data["message_id"] for each in await trail(world) if each.type == "mail.failed"]
    assert sorted(failed) == sorted(
        canonical.sha(row.payload["message_id"].encode()) for row in await waiting(world, request)
    )
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_one_institution_whose_log_is_in_doubt_holds_back_no_other(sending: World, smtp_sink: SmtpSink) -> None:
    world = sending
    await world.file()
    await world.file(institution=OTHER, environment="alma-sandbox", escalated=False)
    for code, environment in ((CODE, "alma-production"), (OTHER, "alma-sandbox")) * 2:
        with pytest.raises(Refused):
            await world.file(institution=code, environment=environment, account="exl_api")
    world.skip(timedelta(days=31))  # the request lapses, the grant of the other elapses, the refusals' minute is over
    (world.directory / "heads" / f"countersign.example%2F{CODE}.json").write_text("{}")
    for duty in (deliver, sweep, tell_refusals):
        with pytest.raises(Unavailable, match="damaged"):
            await duty(world.services)
    to = {address for each in smtp_sink.deliveries for address in each.recipients}
    assert to == {"head@other.example"}
    async with world.services.database.read() as tx:
        told = [each.entry.type for each in await entries.read_leaves(tx, OTHER, 0, 1 << 31)]
    assert (told.count("request.elapsed"), told.count("request.refused")) == (1, 2)
