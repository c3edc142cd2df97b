"""The mail peer is down for hours of injected time, then drops every connection after it has taken the message."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from app.actions.deliver import deliver
from app.notify.smtp import SmtpSettings
from tests.actions.attacks import trail
from tests.actions.worlds import HEAD, World, run_world
from tests.counts import times
from tests.faults.conftest import Tell
from tests.fixtures.smtp import Delivery, SmtpSink

MAILS = times(60, 300, 1000)
APART = timedelta(minutes=3)
"""Requests come so far apart, so that their mails are not grouped."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as found:
        await found.enrol()
        yield found


def point(world: World, port: int) -> None:
    world.services = replace(world.services, smtp=SmtpSettings("127.0.0.1", port, timeout_s=5))


async def try_all(world: World) -> int:
    """Try whatever is due; how many mails were tried."""
    tried = 0
    while count := await deliver(world.services):
        tried += count
    return tried


async def queued(world: World) -> list[str]:
    """The mails that the trail tells of, by the digest of their Message-ID."""
    return [entry.data["message_id"] for entry in await trail(world) if entry.type == "mail.queued"]


def told(deliveries: list[Delivery]) -> Counter[str]:
    ids = (str(each.message["Message-ID"]) for each in deliveries)
    return Counter(f"sha256:{sha256(each.encode()).hexdigest()}" for each in ids)


async def test_mails_of_a_long_outage_all_arrive_and_twice_only_where_the_reply_was_lost(
    world: World, smtp_sink: SmtpSink, free_port: int, tell: Tell
) -> None:
    failed = 0
    point(world, free_port)
    while len(await queued(world)) < MAILS:  # nobody listens
        for _ in range(4):
            await world.file()
            world.skip(APART)
        failed += await try_all(world)
    world.skip(timedelta(hours=1))
    failed += await try_all(world)
    decided = (await world.file()).row.id
    await world.sign_in(HEAD)
    await world.approve(HEAD, decided)  # no decision waits for a mail
    point(world, smtp_sink.port)
    smtp_sink.drop = True
    world.skip(timedelta(hours=3))
    await try_all(world)
    lost = told(smtp_sink.deliveries)
    smtp_sink.drop = False
    world.skip(timedelta(hours=3))
    await try_all(world)
    wanted, came = set(await queued(world)), told(smtp_sink.deliveries)
    assert wanted == set(came)
    assert lost
    assert all(count == 1 + lost[mail] for mail, count in came.items())
    contents = {(str(each.message["Message-ID"]), each.content) for each in smtp_sink.deliveries}
    assert len(contents) == len(wanted)  # and what came twice was the same
    hit = f"{failed} tries failed, {len(lost)} replies lost"
    tell("mail peer down, dropping after DATA", hit=hit, acknowledged=len(wanted), lost=0, repeated=lost.total())
