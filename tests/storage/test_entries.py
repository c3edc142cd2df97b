"""Entries found by who did them and by their time: no index of either is kept, and none is needed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import pytest

from app.domain.errors import Unavailable
from app.domain.times import stamp
from app.storage import entries, leaves
from app.storage.database import Database
from app.storage.entries import LeafFilter
from tests.storage.worlds import CLIENT, CODE, at, open_trail, refusal, reminder

REQUEST = f"req_{1:026d}"
SECONDS = [0, 0, 1, 5, 5, 5, 6, 9]


@pytest.fixture
async def timed(database: Database) -> Database:
    """A log whose entries were recorded at these seconds, by a client and by the worker in turn."""
    await open_trail(database)
    for number, second in enumerate(SECONDS):
        database.clock = lambda second=second: at(second)
        async with database.begin() as tx:
            event = reminder(REQUEST) if number % 2 else refusal()
            await leaves.append(tx, await leaves.lock(tx, CODE), [event])
    return database


async def test_the_first_entry_of_a_time_is_found_as_in_a_sorted_list(timed: Database) -> None:
    async with timed.read() as tx:
        for size in range(len(SECONDS) + 1):
            for second in range(-1, 11):
                limit = stamp(at(second))
                after = await entries.first_where(tx, CODE, size, limit.__lt__)
                since = await entries.first_where(tx, CODE, size, limit.__le__)
                assert after == bisect_right(SECONDS[:size], second)
                assert since == bisect_left(SECONDS[:size], second)


async def test_entries_are_found_by_whoever_did_them(timed: Database) -> None:
    async def found(actor: str, start: int = 0, stop: int | None = None) -> list[int]:
        async with timed.read() as tx:
            page = await entries.find(tx, CODE, LeafFilter(start, stop, actor=actor), 100)
        return [each.entry.index for each in page]

    assert await found(CLIENT.id) == [0, 2, 4, 6]
    assert await found("worker") == [1, 3, 5, 7]
    assert await found("worker", start=3, stop=7) == [3, 5]
    assert await found("work") == await found("service") == await found(CLIENT.id[:-1]) == []


async def test_bytes_of_a_range_are_whole_or_in_doubt(timed: Database) -> None:
    async with timed.read() as tx:
        stored = await entries.read_leaves(tx, CODE, 2, 5)
        assert await entries.read_bytes(tx, CODE, 2, 5) == [(each.leaf, each.private) for each in stored]
        with pytest.raises(Unavailable, match="lacks entries"):
            await entries.read_bytes(tx, CODE, 7, 9)
