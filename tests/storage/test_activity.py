"""Sessions and their activity: a token opens one, events are numbered without a gap, whoever holds what."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.ids import encode, new_id
from app.domain.recording import begun
from app.storage import activity, sessions, tables
from app.storage.activity import EventRow, SegmentRow
from app.storage.database import Database, Transaction
from app.storage.sessions import Filter, SessionRow
from tests.storage.worlds import CODE, at

GATEWAY = "https://gateway.vendor.example/exu-alma"


def session(number: int = 1, **changes: object) -> SessionRow:
    """An open session."""
    row = SessionRow(
        log=CODE,
        id=encode("ses", number),
        request=encode("req", 1),
        grant=encode("grt", 1),
        jti=f"jti-{number}",
        client=encode("cli", 1),
        audience=GATEWAY,
        environment="alma-production",
        account="exl_impl",
        engineer_id="e1234",
        credential=None,
        jkt=None,
        state="open",
        opened_at=at(),
        opened_index=5,
        not_after=at(3600),
        ended_at=None,
        ended_because=None,
        segments=0,
        sealed=0,
        coverage=begun(at(), gate=False, owed=True).to_data(),
        record_by=at(120),
        mac=b"mac",
        events=0,
        seen_at=at(),
        seal_at=None,
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # each test names fields that there are


async def report(tx: Transaction, ids: list[str], count: int) -> None:
    """Record `count` events of each session, numbered as its row tells."""
    rows, events = [], []
    for row in await sessions.lock(tx, ids):
        events += [
            EventRow(CODE, row.id, row.events + n, at(), at(n), "page", f"Opened {n}", None, late=False)
            for n in range(1, count + 1)
        ]
        rows.append(replace(row, events=row.events + count, seen_at=at(count), seal_at=at(60)))
    await activity.record(tx, rows, events)


@pytest.fixture
async def opened(database: Database) -> Database:
    """A database with two open sessions."""
    async with database.begin() as tx:
        assert await sessions.add(tx, session(1))
        assert await sessions.add(tx, session(2))
    return database


async def test_a_token_opens_one_session(opened: Database) -> None:
    async with opened.begin() as tx:
        assert not await sessions.add(tx, session(3, jti="jti-1"))
    async with opened.read() as tx:
        assert await sessions.read(tx, encode("ses", 3)) is None
        assert await sessions.read(tx, encode("ses", 1)) == session(1)
        assert [row.id for row in await sessions.read_many(tx, "jti", ["jti-2", "none"])] == [encode("ses", 2)]


async def test_events_reported_at_once_are_numbered_without_a_gap(opened: Database) -> None:
    ids = [encode("ses", 2), encode("ses", 1)]

    async def one(count: int) -> None:
        async with opened.begin() as tx:
            await report(tx, ids if count % 2 else ids[::-1], count)

    await asyncio.gather(*(one(count) for count in (1, 2, 3, 4)))
    async with opened.read() as tx:
        for each in ids:
            row = await sessions.read(tx, each)
            assert row is not None
            assert (row.events, row.seal_at) == (10, at(60))
            found = await activity.read(tx, CODE, each, 1, 10, 100)
            assert [event.n for event in found] == list(range(1, 11))
            assert [event.n for event in await activity.latest(tx, CODE, each, 2)] == [10, 9]


async def test_a_session_is_counted_without_any_event(opened: Database) -> None:
    async with opened.begin() as tx:
        await activity.record(tx, [session(1, seen_at=at(30))], [])
    async with opened.read() as tx:
        row = await sessions.read(tx, encode("ses", 1))
        assert row is not None
        assert (row.seen_at, row.events) == (at(30), 0)


async def test_the_clock_finds_what_it_has_to_do_and_nothing_else(opened: Database) -> None:
    async def due(second: int) -> list[str]:
        async with opened.read() as tx:
            found = await sessions.due(tx, at(second), at(second) - timedelta(seconds=90), 10)
            return sorted(each for _, each in found)

    one, two = encode("ses", 1), encode("ses", 2)
    assert await due(89) == []
    async with opened.begin() as tx:
        await report(tx, [one], 1)
    assert await due(59) == []
    assert await due(60) == [one]
    async with opened.begin() as tx:
        await sessions.save(tx, session(1, seal_at=None, record_by=at(100), seen_at=at(80)))
    assert await due(95) == [two]
    assert await due(100) == [one, two]
    async with opened.begin() as tx:
        await sessions.save(tx, session(1, state="ended"))
        await sessions.save(tx, session(2, state="lost"))
    assert await due(3599) == []
    assert await due(3600) == [two]


async def test_lists_are_newest_first_and_narrowed(opened: Database) -> None:
    async with opened.begin() as tx:
        await sessions.add(tx, session(3, log="OTHER", audience="https://gateway.vendor.example/other", state="ended"))
    async with opened.read() as tx:

        async def found(wanted: Filter, before: str | None = None) -> list[int]:
            numbers = {encode("ses", n): n for n in (1, 2, 3)}
            return [numbers[row.id] for row in await sessions.find(tx, wanted, 2, before)]

        assert await found(Filter(None)) == [3, 2]
        assert await found(Filter(None), encode("ses", 2)) == [1]
        assert await found(Filter((CODE,))) == [2, 1]
        assert await found(Filter(None, (GATEWAY,), encode("req", 1), ("open",))) == [2, 1]
        assert await found(Filter(None, states=("ended",))) == [3]
        assert await found(Filter((), ())) == []
        assert await found(Filter(None, request=new_id("req", at()))) == []


async def test_segments_are_kept_in_order(opened: Database) -> None:
    rows = [SegmentRow(CODE, encode("ses", 1), n, n, n, "s" * 22, "sha256:" + "0" * 64) for n in (1, 2)]
    async with opened.begin() as tx:
        for row in rows[::-1]:
            await activity.add_segment(tx, row)
    async with opened.read() as tx:
        assert await activity.segments(tx, CODE, encode("ses", 1)) == rows


def test_no_index_holds_what_every_call_changes() -> None:
    """Else PostgreSQL writes every index of a session anew for each request that passes a gate."""
    indexed = {column.name for index in tables.sessions.indexes for column in index.columns}
    assert indexed.isdisjoint({"events", "seen_at"})
