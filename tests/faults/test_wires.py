"""The wire to PostgreSQL is late, cut in the middle of an answer, reset, or silent: nothing that was confirmed is lost
or there twice, nothing hangs, and all is well again when the wire is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest
import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.storage.database import Database
from tests.counts import times
from tests.faults.conftest import Tell
from tests.faults.proxy import Proxy, run_proxy
from tests.fixtures.postgres import DatabaseUrls, PostgresServer

FAULTS = times(24, 100, 400)
WRITERS = 6
SOON_S = 60.0
ADD = sa.text("INSERT INTO words VALUES (:word)")
pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]


async def strike(proxy: Proxy, random: Random) -> None:
    """One fault, for a moment."""
    match random.choice(("late", "cut", "cut", "reset", "silent")):
        case "late":
            proxy.delay_s = random.uniform(0.001, 0.05)
        case "cut":
            proxy.cut_after = random.randint(1, 400)
        case "reset":
            proxy.reset()
        case "silent":
            proxy.silent = True
    await asyncio.sleep(random.uniform(0.02, 0.3))
    proxy.heal()
    await asyncio.sleep(random.uniform(0, 0.1))


async def test_what_was_confirmed_over_a_bad_wire_is_there_once(
    postgres: PostgresServer, postgres_url: DatabaseUrls, monkeypatch: pytest.MonkeyPatch, tell: Tell
) -> None:
    monkeypatch.setattr("app.storage.database.WAIT_SECONDS", 1)
    monkeypatch.setattr("app.storage.late.COMMIT_S", 0.5)
    monkeypatch.setattr("app.storage.late.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("app.storage.late.LONGEST_PAUSE_S", 0.2)
    owner = Database(postgres_url.owner)
    async with owner.begin() as tx:
        await tx.connection.execute(sa.text("CREATE TABLE words (word text)"))
        await tx.connection.execute(sa.text("GRANT ALL ON words TO PUBLIC"))
    target = sa.make_url(postgres_url.app)
    assert target.port is not None
    confirmed, doubtful, over = set[str](), set[str](), asyncio.Event()

    async with run_proxy(target.port) as proxy:
        database = Database(target.set(port=proxy.port).render_as_string(hide_password=False))

        async def write(place: int) -> None:
            for number in range(1_000_000):
                if over.is_set():
                    return
                word = f"{place}-{number}"
                try:
                    async with database.begin() as tx:
                        await tx.connection.execute(ADD, {"word": word})
                except Unavailable:
                    doubtful.add(word)
                    await asyncio.sleep(0.01)
                else:
                    confirmed.add(word)

        async with asyncio.TaskGroup() as group:
            for place in range(WRITERS):
                group.create_task(write(place))
            random = Random(2026)
            for _ in range(FAULTS):
                await strike(proxy, random)
            before = len(confirmed)
            async with asyncio.timeout(SOON_S):
                while len(confirmed) < before + 20:  # noqa: ASYNC110 -- all is well again, by itself
                    await asyncio.sleep(0.02)
            over.set()
        await database.close()
        hits = dict(sorted(proxy.hits.items()))
    async with owner.read() as tx:
        there = Counter((await tx.connection.execute(sa.text("SELECT word FROM words"))).scalars())
    await owner.close()
    assert max(there.values()) == 1
    assert confirmed <= there.keys() <= confirmed | doubtful
    assert {"cut", "late", "reset", "silent"} <= hits.keys()
    assert doubtful
    told = {"told nothing": len(doubtful), "of which there": len(there.keys() & doubtful)}
    tell("wire to PostgreSQL late, cut, reset, silent", hit=hits, acknowledged=len(confirmed), lost=0, **told)
