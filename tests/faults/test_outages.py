"""PostgreSQL dies while people and systems use the service: by itself, and with a standby that takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.counts import times
from tests.faults.cluster import roles, run_member, run_pair, without_pair
from tests.faults.conftest import Tell
from tests.faults.nursery import Nursery
from tests.faults.outages import NoProbe, crash, fail_over, nothing, strike_often
from tests.faults.provider import Provider
from tests.faults.service import Service
from tests.faults.storm import Storm, settings
from tests.faults.verdict import judged
from tests.fixtures.postgres import DatabaseUrls
from tests.fixtures.smtp import SmtpSink

CRASHES = times(3, 20, 100)
FAILOVERS = times(1, 5, 20)
TELLERS = 3
pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(3600), without_pair]


@asynccontextmanager
async def storm_over(urls: DatabaseUrls, folder: Path, port: int, smtp: SmtpSink) -> AsyncIterator[Storm]:
    """A storm over a service on this database, everybody enrolled."""
    with ExitStack() as stack:
        secrets = {"countersign": "secret", "countersign-approvals": "other secret"}
        provider, nursery = stack.enter_context(Provider(clients=secrets)), stack.enter_context(Nursery(folder))
        given = settings(folder, port, smtp.url, urls.app, urls.owner)
        storm = Storm(Service(nursery, given, port, NoProbe()), provider, folder, Random(2026))
        try:
            await storm.prepare()
            yield storm
        finally:
            await storm.abandon()


async def test_what_the_service_said_holds_however_often_postgresql_is_killed(
    tmp_path: Path, free_port: int, smtp_sink: SmtpSink, tell: Tell
) -> None:
    with run_member() as member:
        server = roles(member)
        server.create("countersign")
        urls = DatabaseUrls(server.url(server.owner, "countersign"), server.url(server.app, "countersign"))
        async with storm_over(urls, tmp_path, free_port, smtp_sink) as storm:
            strike = partial(strike_often, storm, CRASHES, crash(member, server.app), nothing)
            await storm.rage(strike, TELLERS)
            figures = await judged(storm, smtp_sink)
            tell("PostgreSQL killed", hit=f"{storm.inside} of {CRASHES} in transactions", **figures)
            assert storm.inside > 0.3 * CRASHES, figures


async def test_what_the_service_said_holds_however_often_the_standby_takes_over(
    tmp_path: Path, free_port: int, smtp_sink: SmtpSink, tell: Tell
) -> None:
    pairs = run_pair()
    pair = await asyncio.to_thread(pairs.__enter__)
    try:
        async with storm_over(pair.urls, tmp_path, free_port, smtp_sink) as storm:
            await storm.rage(partial(strike_often, storm, FAILOVERS, fail_over(pair), pair.follow), TELLERS)
            figures = await judged(storm, smtp_sink)
            tell("failover to the standby", hit=f"{storm.inside} of {FAILOVERS} in transactions", **figures)
            assert storm.inside > 0.3 * FAILOVERS, figures
    finally:
        pairs.__exit__(None, None, None)
