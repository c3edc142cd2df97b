from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.storage import outbox
from app.storage.database import Database
from tests.storage.worlds import CODE, at

LEASE = timedelta(seconds=60)


def mail(n: int) -> outbox.OutboxRow:
    return outbox.OutboxRow(CODE, f"<{n}@countersign.example>", "mail", None, {"n": n}, at(n), at(n))


async def _claim(database: Database, lease: str, second: int, limit: int = 99) -> list[outbox.OutboxRow]:
    async with database.begin() as tx:
        return await outbox.claim(tx, lease, at(second), at(second) + LEASE, limit)


async def _fill(database: Database, count: int) -> None:
    async with database.begin() as tx:
        await outbox.put(tx, [mail(n) for n in range(count)])


async def test_two_claimers_at_once_share_the_rows_and_none_is_taken_twice(database: Database) -> None:
    await _fill(database, 20)
    both = await asyncio.gather(_claim(database, "a", 99, 10), _claim(database, "b", 99, 10))
    taken = [row.id for rows in both for row in rows]
    assert sorted(taken) == sorted(mail(n).id for n in range(20))


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)  # SQLite's writers take turns
async def test_claimer_skips_rows_that_another_has_locked(database: Database) -> None:
    await _fill(database, 3)
    async with database.begin() as tx:
        assert len(await outbox.claim(tx, "a", at(99), at(159), 2)) == 2
        assert [row.id for row in await _claim(database, "b", 99)] == [mail(2).id]


async def test_only_due_rows_are_claimed_longest_due_first(database: Database) -> None:
    await _fill(database, 5)
    assert [row.payload["n"] for row in await _claim(database, "a", 3, 2)] == [0, 1]
    assert [row.payload["n"] for row in await _claim(database, "b", 3, 9)] == [2, 3]
    assert await _claim(database, "c", 3) == []


async def test_lease_that_ran_out_is_another_workers_and_the_late_one_changes_nothing(database: Database) -> None:
    await _fill(database, 1)
    (late,) = await _claim(database, "a", 0)
    (row,) = await _claim(database, "b", 60)
    assert (late.attempts, row.attempts) == (1, 2)
    async with database.begin() as tx:
        assert not await outbox.done(tx, late)
        assert not await outbox.retry(tx, late, at(61), "slow")
        assert await outbox.done(tx, row)
        assert not await outbox.failed(tx, row, "gone")
    assert await _claim(database, "c", 9999) == []


async def test_retry_comes_back_when_it_is_due_and_failed_never(database: Database) -> None:
    await _fill(database, 2)
    first, second = await _claim(database, "a", 5)
    async with database.begin() as tx:
        assert await outbox.retry(tx, first, at(30), "451 later")
        assert await outbox.failed(tx, second, "550 no such user")
        assert await outbox.next_due(tx) == at(30)
    assert await _claim(database, "b", 29) == []
    (again,) = await _claim(database, "b", 30)
    assert (again.id, again.error) == (first.id, "451 later")


async def test_first_rendering_is_kept(database: Database) -> None:
    await _fill(database, 1)
    async with database.begin() as tx:
        assert await outbox.render(tx, mail(0), b"one") == b"one"
        assert await outbox.render(tx, mail(0), b"two") == b"one"
    (row,) = await _claim(database, "a", 0)
    assert row.rendered == b"one"
