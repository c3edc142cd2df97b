"""The service is killed under gate load, and stopped, and its database is: nothing passes unrecorded, or twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.counts import times
from tests.fixtures.postgres import DatabaseUrls, PostgresServer
from tests.gate.yard import Yard, run_yard

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
KILLS = times(10, 100)
ENGINEERS, CLICKERS = 3, 8


@pytest.fixture
async def yard(postgres: PostgresServer, postgres_url: DatabaseUrls, tmp_path: Path) -> AsyncIterator[Yard]:
    async with run_yard(postgres, postgres_url, tmp_path) as made:
        for _ in range(ENGINEERS):
            await made.enter()
        yield made


@pytest.mark.timeout(1200)
async def test_however_often_the_service_is_killed_nothing_passes_unrecorded_or_is_recorded_twice(
    yard: Yard, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    random, over, inside = Random(7), asyncio.Event(), 0
    async with asyncio.TaskGroup() as group:
        for n in range(CLICKERS):
            group.create_task(yard.work(yard.cookies[n % ENGINEERS], over))
        for _ in range(KILLS):
            before = yard.answers[200]
            while yard.answers[200] < before + 5:  # noqa: ASYNC110 -- of tasks that stop for nobody
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0, 0.05))
            inside += await yard.service.kill()
            yard.service.launch()
            await yard.service.ready()
        over.set()
    recorded, reached = Counter(yard.recorded()), Counter(yard.reached())
    figures = {"kills": KILLS, "inside": inside, "recorded": len(recorded), "reached": len(reached)}
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(reporter, pytest.TerminalReporter)
    with capsys.disabled():
        reporter.write_line(f"\n{json.dumps(figures | {'answers': dict(sorted(yard.answers.items()))})}")
    assert set(reached) <= set(recorded), "let through unrecorded"
    assert max(recorded.values()) == max(reached.values()) == 1, "recorded, or let through, twice"
    assert set(yard.passed) <= set(reached)
    assert len(recorded) - len(reached) <= KILLS * CLICKERS
    assert yard.service.starts == KILLS + 1


@pytest.mark.timeout(300)
async def test_without_the_service_or_its_database_nobody_passes(yard: Yard, postgres: PostgresServer) -> None:
    async with yard.browser(yard.cookies[0]) as browser:
        assert await yard.click(browser) == 200
        seen = yard.reached()
        name = yard.database.rpartition("/")[2]
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", _cut(name))
        assert [await yard.click(browser) for _ in range(3)] == [503] * 3
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert yard.reached() == seen
        assert await yard.click(browser) == 200
        seen = yard.reached()
        await yard.service.stop()
        assert [await yard.click(browser) for _ in range(3)] == [503] * 3
        assert yard.reached() == seen
        yard.service.launch()
        await yard.service.ready()
        assert await yard.click(browser) == 200
    assert len(yard.recorded()) == len(yard.reached()) == 3


def _cut(name: str) -> str:
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
