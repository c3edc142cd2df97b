"""The service is killed while people and systems use it, started again, and nothing that it said turns out false."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from app.trail.note import VerifierKey
from tests.counts import times
from tests.faults import invariants
from tests.faults.nursery import Nursery
from tests.faults.provider import Provider
from tests.faults.service import PostgresProbe, Probe, Service, SqliteProbe
from tests.faults.storm import Storm, settings
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.smtp import SmtpSink

KILLS = times(12, 50)
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
@pytest.mark.timeout(600)
async def test_what_the_service_said_holds_however_often_it_is_killed(
    storm: Storm, smtp_sink: SmtpSink, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    await storm.rage(KILLS)
    outcome = await storm.close()
    await storm.deliver_rest()
    trail, history, mails = outcome.trail, storm.history, smtp_sink.deliveries
    key = VerifierKey.parse(outcome.keys[0])
    figures = storm.figures() | {
        "I1 grants": invariants.grants_rest_on_approvals(trail, history),
        "I2 acknowledged": invariants.acknowledged_is_recorded_once(trail, history),
        "I3 requests": invariants.one_end_each(trail, outcome.statuses),
        "I4 mails, repeated": invariants.mails_arrived(trail, mails),
        "I5 introspections": invariants.nothing_is_valid_outside(trail, history),
        "I6 checkpoints, receipts": invariants.checkpoints_only_grow(trail, history, mails, key),
        "I7 keys that broke off, had taken effect": invariants.keys_resolve(trail, history),
    }
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(reporter, pytest.TerminalReporter)
    with capsys.disabled():
        reporter.write_line(f"\n{json.dumps(figures)}")
    assert await storm.active_after(timedelta(hours=6)) == 0
    report = await storm.verify(outcome, [each.content for each in mails[:: len(mails) // 5]])
    assert (report["exit_code"], report["anchored"], report["entries"]) == (0, True, len(trail.leaves)), report
    await storm.doctor()
    assert storm.kills == KILLS
    assert storm.inside > 0.3 * KILLS, figures
    assert storm.in_flight > 0.8 * KILLS, figures
