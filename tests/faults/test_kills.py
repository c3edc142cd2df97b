"""The service is killed while people and systems use it, started again, and nothing that it said turns out false."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.counts import times
from tests.faults.conftest import Tell
from tests.faults.nursery import Nursery
from tests.faults.provider import Provider
from tests.faults.service import PostgresProbe, Probe, Service, SqliteProbe
from tests.faults.storm import Storm, settings
from tests.faults.verdict import judged
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.smtp import SmtpSink

KILLS = times(12, 50, 500)
"""On each database."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def storm(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: int, smtp_sink: SmtpSink
) -> AsyncIterator[Storm]:
    """A storm over an enrolled institution, before its first kill."""
    path = tmp_path / "countersign.db"
    with ExitStack() as stack:
        url, owner_url = f"sqlite:///{path}", None
        probe: Probe = SqliteProbe(path)
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            urls = request.getfixturevalue("postgres_url")
            url, owner_url = urls.app, urls.owner
            probe = stack.enter_context(PostgresProbe(server.admin_url, urls.app))
        secrets = {"countersign": "secret", "countersign-approvals": "other secret"}
        provider, nursery = stack.enter_context(Provider(clients=secrets)), stack.enter_context(Nursery(tmp_path))
        given = settings(tmp_path, free_port, smtp_sink.url, url, owner_url)
        made = Storm(Service(nursery, given, free_port, probe), provider, tmp_path, Random(2026))
        try:
            await made.prepare()
            yield made
        finally:
            await made.abandon()


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_what_the_service_said_holds_however_often_it_is_killed(
    request: pytest.FixtureRequest, storm: Storm, smtp_sink: SmtpSink, tell: Tell
) -> None:
    await storm.rage(partial(storm.kill_often, KILLS))
    figures = await judged(storm, smtp_sink)
    tell(
        f"service killed ({request.node.callspec.params['storm']})",
        hit=f"{storm.inside} of {KILLS} in writes",
        **figures,
    )
    assert storm.kills == KILLS
    assert storm.inside > 0.3 * KILLS, figures
    assert storm.in_flight > 0.8 * KILLS, figures
