"""Stop codes are used once; tries are counted by windows, on every replica alike."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.domain.ids import new_id
from app.storage import attempts, stop_codes
from app.storage.attempts import Tries
from app.storage.database import Database
from app.storage.stop_codes import StopCodeRow
from tests.storage.worlds import CODE, at

PERSON = new_id("per", at())
WINDOW = timedelta(minutes=15)


async def _made(database: Database, *codes: bytes) -> None:
    async with database.begin() as tx:
        await stop_codes.set_all(tx, CODE, [StopCodeRow(CODE, code, at(), PERSON) for code in codes])


async def test_a_new_set_voids_the_old_one_and_no_other_institutions(database: Database) -> None:
    await _made(database, b"old")
    async with database.begin() as tx:
        await stop_codes.set_all(tx, "OTHER", [StopCodeRow("OTHER", b"old", at(), PERSON)])
    await _made(database, b"one", b"two")
    async with database.read() as tx:
        assert [row.code for row in await stop_codes.read_all(tx, CODE)] == [b"one", b"two"]
        assert not await stop_codes.is_unused(tx, CODE, b"old")
        assert await stop_codes.is_unused(tx, "OTHER", b"old")


async def test_of_many_who_use_a_code_at_once_one_does(database: Database) -> None:
    await _made(database, b"one", b"two")

    async def use() -> bool:
        async with database.begin() as tx:
            return await stop_codes.use(tx, CODE, b"one", at(5), 3)

    assert sorted(await asyncio.gather(*(use() for _ in range(8)))) == [False] * 7 + [True]
    async with database.read() as tx:
        used = [row for row in await stop_codes.read_all(tx, CODE) if row.used_at is not None]
        assert [(row.code, row.used_at, row.ended) for row in used] == [(b"one", at(5), 3)]
        assert not await stop_codes.is_unused(tx, CODE, b"one")
        assert await stop_codes.is_unused(tx, CODE, b"two")


async def test_tries_at_once_are_all_counted_and_a_new_window_begins_anew(database: Database) -> None:
    async def attempt(key: bytes, after: timedelta = timedelta()) -> Tries:
        async with database.begin() as tx:
            return await attempts.count(tx, key, at() + after, WINDOW)

    told = await asyncio.gather(*(attempt(b"a") for _ in range(8)))
    assert sorted(each.count for each in told) == list(range(1, 9))
    assert await attempt(b"b") == Tries(at(), 1)
    assert await attempt(b"a", WINDOW - timedelta(seconds=1)) == Tries(at(), 9)
    assert await attempt(b"a", WINDOW) == Tries(at() + WINDOW, 1)
    async with database.begin() as tx:
        await attempts.sweep(tx, at() + timedelta(seconds=1))
    assert await attempt(b"b") == Tries(at(), 1)
    assert await attempt(b"a", WINDOW) == Tries(at() + WINDOW, 2)
