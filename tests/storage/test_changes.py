"""The stream of changes, and who is woken: whatever commits when, nothing is passed over and nothing told twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random

import asyncpg
import pytest
import sqlalchemy as sa

from app.domain.request import SEEN, TRANSITIONS
from app.storage import changes, tables
from app.storage.bell import Bell
from app.storage.database import Database, driver_url
from app.storage.line import MAX_PAYLOAD, _payloads
from tests.storage.conftest import Urls
from tests.storage.worlds import at

REQUESTS = [f"req_01kam4x0a5e0a8gs2yt6y6a8{n:02}" for n in range(20)]


async def _change(database: Database, log: str, idx: int, *, hold: asyncio.Event | None = None) -> None:
    """A transaction that makes a change, and commits when `hold` is set."""
    async with database.begin() as tx:
        row = {"log": log, "idx": idx, "request": REQUESTS[0], "event": "evt", "type": "message.sent", "at": at(idx)}
        await tx.connection.execute(sa.insert(tables.changes).values(row))
        tx.told.add(REQUESTS[0])
        if hold is not None:
            await hold.wait()


async def _stamp(database: Database, limit: int = changes.BATCH) -> int:
    async with database.begin() as tx:
        return len(await changes.stamp(tx, limit))


async def _after(database: Database, position: int) -> list[tuple[int, str, int]]:
    async with database.read() as tx:
        return [(row.position, row.log, row.idx) for row in await changes.after(tx, position, 1000)]


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_a_change_that_commits_late_comes_after_what_was_told_by_then(database: Database) -> None:
    hold = asyncio.Event()
    early = asyncio.create_task(_change(database, "A", 0, hold=hold))
    await asyncio.sleep(0.05)
    await _change(database, "B", 5)
    assert await _stamp(database) == 1
    assert await _after(database, 0) == [(1, "B", 5)]
    hold.set()
    await early
    assert await _stamp(database) == 1
    assert await _after(database, 1) == [(2, "A", 0)]


async def test_numbers_have_no_gap_and_follow_each_log_whoever_gives_them(urls: Urls, database: Database) -> None:
    random, done = Random(2026), asyncio.Event()
    seen: list[tuple[int, str, int]] = []

    async def write(log: str) -> None:
        for idx in range(30):
            await _change(database, log, idx)
            await asyncio.sleep(random.uniform(0, 0.004))

    async def read(another: Database) -> None:
        while not done.is_set() or await _stamp(another):
            await _stamp(another, random.randint(1, 7))
            seen.extend(await _after(another, seen[-1][0] if seen else 0))

    async with AsyncExitStack() as stack:
        other = database
        if database.dialect == "postgresql":
            other = Database(urls.app)
            stack.push_async_callback(other.close)
        readers = [asyncio.create_task(read(database))]
        stampers = [asyncio.create_task(_stamp(other, 3)) for _ in range(20)]
        await asyncio.gather(*(write(log) for log in "ABC"), *stampers)
        done.set()
        await asyncio.gather(*readers)
    assert [position for position, _, _ in seen] == list(range(1, 91))
    for log in "ABC":
        assert [idx for _, of, idx in seen if of == log] == list(range(30))


async def test_what_is_forgotten_is_the_beginning_and_nothing_unnumbered(database: Database) -> None:
    for idx in (1, 5, 9):
        await _change(database, "A", idx)
    await _stamp(database)
    await _change(database, "A", 10)
    async with database.begin() as tx:
        assert await changes.sweep(tx, at(6)) == 2
        assert await changes.reach(tx) == changes.Range(2, 3)
        assert await changes.waiting(tx)
        assert await changes.sweep(tx, at(99)) == 1
        assert await changes.reach(tx) == changes.Range(3, 3)
    await _stamp(database)
    assert await _after(database, 3) == [(4, "A", 10)]


async def test_who_watches_is_woken_after_the_commit_and_not_by_what_is_rolled_back(database: Database) -> None:
    with database.bell.watch(REQUESTS[0]) as one, database.bell.watch() as anything, database.bell.watch("x") as other:
        await asyncio.sleep(0.3 if database.dialect == "postgresql" else 0)  # the line opens, which wakes everybody
        for watch in (one, anything, other):
            await watch.rung(0)
        with pytest.raises(ZeroDivisionError):
            async with database.begin() as tx:
                tx.told.add(REQUESTS[0])
                raise ZeroDivisionError
        assert not await one.rung(0.01)
        async with database.begin() as tx:
            tx.told.add(REQUESTS[0])
        assert await one.rung(1)
        assert await anything.rung(1)
        assert not await other.rung(0.01)
    assert database.bell.watched == 0


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_other_processes_are_woken_and_after_a_lost_line_everybody_is(urls: Urls, database: Database) -> None:
    other = Database(urls.app)
    try:
        with other.bell.watch(REQUESTS[0]) as one, other.bell.watch(REQUESTS[1]) as two:
            for watch in (one, two):
                assert await watch.rung(5)  # the line is open
            database.bell.ring([REQUESTS[0], *REQUESTS[2:]])
            assert await one.rung(5)
            assert not await two.rung(0.1)
            await _cut(urls)
            for watch in (one, two):
                assert await watch.rung(5)
            database.bell.ring([REQUESTS[1]])
            assert await two.rung(5)
    finally:
        await other.close()


async def _cut(urls: Urls) -> None:
    """End every connection that listens, as a failover does."""
    connection = await asyncpg.connect(
        driver_url(urls.app).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND pid <> pg_backend_pid() AND query ~* '^(listen|select pg_notify)'"
    )
    await connection.close()


async def test_a_bell_that_is_closed_sends_what_was_rung(urls: Urls, database: Database) -> None:
    if database.dialect == "sqlite":
        await Bell(None).close()
        return
    listening = Database(urls.app)
    with listening.bell.watch(REQUESTS[0]) as watch:
        assert await watch.rung(5)
        database.bell.ring([REQUESTS[0]])
        await database.bell.close()
        assert await watch.rung(5)
    await listening.close()


def test_notices_are_as_long_as_postgresql_takes_them() -> None:
    topics = [f"req_{n:026}" for n in range(1000)]
    lines = _payloads(topics)
    assert " ".join(lines).split() == topics
    assert max(map(len, lines)) <= MAX_PAYLOAD
    assert len(lines) < 5


def test_followers_are_told_of_whatever_changes_a_request() -> None:
    assert {type_ for row in TRANSITIONS.values() for type_ in row} - SEEN == {
        *("request.reminded", "request.escalated", "decision.refused"),
        *("token.issued", "token.refused", "token.revoked"),
    }
