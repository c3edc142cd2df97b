"""Grouped reads and commits: who joins what, forced; and that everybody gets their own answer, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Unavailable
from app.storage import service_meta
from app.storage.columns import select_rows
from app.storage.database import Database, Transaction
from app.storage.grouped import GroupCommit, GroupedRead, _Queue
from app.storage.replays import ReplayRow
from app.storage.tables import replays
from tests.storage.conftest import Urls
from tests.storage.worlds import at

ITEMS = [ReplayRow("scope", f"jti-{n}", at(60)) for n in range(6)]


class Gate:
    """A read or write that says when it has begun, and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.groups: list[list[object]] = []

    async def wait(self, group: Sequence[object]) -> None:
        self.groups.append(list(group))
        self.begun.set()
        await self.go.wait()


async def settle() -> None:
    """Everything that can happen without a gate has happened."""
    for _ in range(10):
        await asyncio.sleep(0)


async def _word(database: Database, value: str) -> None:
    async with database.begin() as tx:
        await service_meta.write(tx, "word", {"is": value})


async def _stored(database: Database) -> set[str]:
    async with database.read() as tx:
        return {row[1] for row in await tx.connection.execute(select_rows(replays, ReplayRow))}


async def _insert(tx: Transaction, rows: Sequence[ReplayRow]) -> list[str]:
    """All in one statement."""
    await tx.connection.execute(
        sa.insert(replays), [{"scope": r.scope, "jti": r.jti, "expires_at": at(60)} for r in rows]
    )
    return [row.jti for row in rows]


# -- reads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("snapshot", [False, True])
async def test_caller_never_joins_a_read_that_began_before_it_came(
    database: Database, lanes: int, *, snapshot: bool
) -> None:
    gate = Gate()

    async def read(tx: Transaction, keys: Sequence[str]) -> Mapping[str, object]:
        found = {key: await service_meta.read(tx, key) for key in keys}
        await gate.wait(keys)
        return found

    await _word(database, "open")
    reads = GroupedRead(database, read, snapshot=snapshot, lanes=lanes)
    before = asyncio.create_task(reads.get("word"))
    await gate.begun.wait()
    await _word(database, "revoked")
    after = asyncio.create_task(reads.get("word"))
    await settle()
    gate.go.set()
    assert await before == {"is": "open"}  # it had asked before
    assert await after == {"is": "revoked"}
    assert gate.groups == [["word"], ["word"]]


async def test_callers_that_come_while_a_read_runs_share_the_next_one(database: Database) -> None:
    gate = Gate()

    async def read(tx: Transaction, keys: Sequence[int]) -> Mapping[int, int]:
        await gate.wait(keys)
        return {key: 10 * key for key in keys if key != 3}

    reads = GroupedRead(database, read, lanes=1)
    first = asyncio.create_task(reads.get(0))
    await gate.begun.wait()
    later = [asyncio.create_task(reads.get(n % 4)) for n in range(40)]
    await settle()
    gate.go.set()
    assert await first == 0
    assert await asyncio.gather(*later) == [None if n % 4 == 3 else 10 * (n % 4) for n in range(40)]
    assert gate.groups == [[0], [0, 1, 2, 3]]


async def test_callers_of_one_turn_of_the_loop_share_the_first_read(database: Database) -> None:
    groups = []

    async def read(_: Transaction, keys: Sequence[int]) -> Mapping[int, int]:
        groups.append(list(keys))
        return {key: key for key in keys}

    reads = GroupedRead(database, read, limit=8, lanes=1)
    assert await asyncio.gather(*(reads.get(n) for n in range(20))) == list(range(20))
    assert [len(group) for group in groups] == [8, 8, 4]


async def test_any_number_of_callers_that_ask_for_the_same_share_one_read(database: Database) -> None:
    groups = []

    async def read(_: Transaction, keys: Sequence[int]) -> Mapping[int, int]:
        groups.append(list(keys))
        return {key: key for key in keys}

    reads = GroupedRead(database, read, limit=2, lanes=1)
    assert await asyncio.gather(*(reads.get(n // 50) for n in range(150))) == [n // 50 for n in range(150)]
    assert groups == [[0, 1], [2]]


async def test_key_that_breaks_a_read_breaks_its_own_alone(database: Database) -> None:
    async def read(_: Transaction, keys: Sequence[str]) -> Mapping[str, str]:
        if "bad" in keys:
            raise ZeroDivisionError("bad")
        return {key: key for key in keys}

    reads = GroupedRead(database, read)
    answers = await asyncio.gather(*(reads.get(key) for key in ("a", "bad", "b")), return_exceptions=True)
    assert answers[0] == "a"
    assert isinstance(answers[1], ZeroDivisionError)
    assert answers[2] == "b"


# -- commits -----------------------------------------------------------------------------------------------------------


async def test_nobody_is_answered_before_the_commit_and_all_are_after_it(database: Database) -> None:
    gate = Gate()

    async def write(tx: Transaction, rows: Sequence[ReplayRow]) -> list[str]:
        done = await _insert(tx, rows)
        await gate.wait(rows)
        return done

    commits = GroupCommit(database, write)
    callers = [asyncio.create_task(commits.put(row)) for row in ITEMS]
    await gate.begun.wait()
    await settle()
    assert not any(caller.done() for caller in callers)
    assert await _stored(database) == set()
    gate.go.set()
    assert await asyncio.gather(*callers) == [row.jti for row in ITEMS]
    assert await _stored(database) == {row.jti for row in ITEMS}
    assert len(gate.groups) == 1


async def test_item_that_breaks_a_group_fails_alone(database: Database) -> None:
    commits = GroupCommit(database, _insert)
    await commits.put(ITEMS[2])
    answers = await asyncio.gather(*(commits.put(row) for row in ITEMS), return_exceptions=True)
    assert isinstance(answers[2], sa.exc.IntegrityError)
    assert [answer for answer in answers if isinstance(answer, str)] == [r.jti for r in ITEMS if r is not ITEMS[2]]
    assert await _stored(database) == {row.jti for row in ITEMS}


async def test_commit_in_doubt_is_everybodys_and_is_not_tried_again(database: Database) -> None:
    tries = 0

    async def write(_: Transaction, __: Sequence[int]) -> list[int]:
        nonlocal tries
        tries += 1
        raise Unavailable("the connection was lost")

    commits = GroupCommit(database, write)
    answers = await asyncio.gather(*(commits.put(n) for n in range(5)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert tries == 1


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_item_whose_row_is_locked_by_another_keeps_nobody_else_from_the_commit(
    urls: Urls, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.database._TIMEOUTS", {"lock_timeout": "50ms"})
    impatient = Database(urls.app)
    commits = GroupCommit(impatient, _insert)
    async with database.begin() as tx:
        await _insert(tx, [ITEMS[1]])
        answers = await asyncio.gather(*(commits.put(row) for row in ITEMS), return_exceptions=True)
    await impatient.close()
    assert isinstance(answers[1], Unavailable)
    assert sum(isinstance(answer, str) for answer in answers) == len(ITEMS) - 1


async def test_group_without_a_result_for_each_item_is_not_committed(database: Database) -> None:
    async def write(tx: Transaction, rows: Sequence[ReplayRow]) -> list[str]:
        return (await _insert(tx, rows))[1:]

    commits = GroupCommit(database, write)
    answers = await asyncio.gather(*(commits.put(row) for row in ITEMS), return_exceptions=True)
    assert all(isinstance(answer, RuntimeError) for answer in answers)
    assert await _stored(database) == set()


async def test_item_of_a_caller_that_left_before_its_group_is_not_written_and_after_it_is(database: Database) -> None:
    gate = Gate()

    async def write(tx: Transaction, rows: Sequence[ReplayRow]) -> list[str]:
        await gate.wait([row.jti for row in rows])
        return await _insert(tx, rows)

    commits = GroupCommit(database, write, lanes=1)
    inside = [asyncio.create_task(commits.put(row)) for row in ITEMS[:2]]
    await gate.begun.wait()
    waiting = [asyncio.create_task(commits.put(row)) for row in ITEMS[2:4]]
    await settle()
    inside[0].cancel()
    waiting[0].cancel()
    gate.go.set()
    answers = await asyncio.gather(*inside, *waiting, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False, True, False]
    assert await _stored(database) == {"jti-0", "jti-1", "jti-3"}
    assert gate.groups == [["jti-0", "jti-1"], ["jti-3"]]


# -- the queue below both, without a database --------------------------------------------------------------------------

_CALLER: ContextVar[str] = ContextVar("caller", default="nobody")


async def test_group_runs_in_no_callers_context() -> None:
    async def run(items: Sequence[int]) -> list[str]:
        return [_CALLER.get() for _ in items]

    queue = _Queue(run, 5, 1)
    _CALLER.set("somebody")
    assert await queue.ask(1) == "nobody"


async def test_stop_that_cuts_a_group_off_leaves_nobody_waiting() -> None:
    gate = Gate()

    async def run(items: Sequence[int]) -> list[int]:
        await gate.wait(items)
        return list(items)

    queue = _Queue(run, 1, 1)
    callers = [asyncio.ensure_future(queue.ask(n)) for n in range(3)]
    await gate.begun.wait()
    for task in queue._tasks:
        task.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 1)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
    gate.go.set()
    assert await queue.ask(9) == 9


@pytest.mark.parametrize("limit, lanes", [(0, 1), (1, 0)])
async def test_queue_without_room_is_refused(limit: int, lanes: int) -> None:
    async def run(items: Sequence[int]) -> list[int]:
        return list(items)

    with pytest.raises(ValueError, match="at least one"):
        _Queue(run, limit, lanes)


class Schedule:
    """Groups that end when the schedule lets them; `bad` items break the group they are in, `doubt` all of it."""

    def __init__(self, limit: int, lanes: int, bad: frozenset[int], doubt: frozenset[int]) -> None:
        self.limit, self.lanes, self.bad, self.doubt = limit, lanes, bad, doubt
        self.open: list[asyncio.Future[None]] = []
        self.came: set[int] = set()
        self.done: list[int] = []
        self.running = 0
        self.queue = _Queue(self._run, limit, lanes)

    async def _run(self, items: Sequence[int]) -> list[int]:
        assert 0 < len(items) <= self.limit
        assert self.came.issuperset(items)
        self.running += 1
        assert self.running <= self.lanes
        gate = asyncio.get_running_loop().create_future()
        self.open.append(gate)
        try:
            await gate
        finally:
            self.running -= 1
        if self.doubt.intersection(items):
            raise Unavailable("in doubt")
        if self.bad.intersection(items):
            raise ZeroDivisionError(*self.bad.intersection(items))
        self.done += items
        return [-item for item in items]

    async def ask(self, item: int) -> int:
        self.came.add(item)
        return await self.queue.ask(item)

    def let_one_end(self, which: int) -> None:
        if self.open:
            self.open.pop(which % len(self.open)).set_result(None)


@given(
    limit=st.integers(1, 4),
    lanes=st.integers(1, 3),
    bad=st.frozensets(st.integers(0, 29), max_size=4),
    doubt=st.frozensets(st.integers(0, 29), max_size=2),
    moves=st.lists(st.sampled_from(["come", "come", "turn", "end", "leave"]), max_size=60),
    pick=st.randoms(use_true_random=False),
)
def test_whatever_the_order_everybody_gets_their_own_answer_and_nothing_is_done_twice(
    limit: int, lanes: int, bad: frozenset[int], doubt: frozenset[int], moves: list[str], pick: Random
) -> None:
    async def play() -> None:
        schedule = Schedule(limit, lanes, bad, doubt)
        callers: list[asyncio.Task[int]] = []
        for move in moves:
            if move == "come" and len(callers) < 30:
                callers.append(asyncio.create_task(schedule.ask(len(callers))))
            elif move == "turn":
                await settle()
            elif move == "end":
                schedule.let_one_end(pick.randrange(9))
            elif move == "leave" and callers:
                pick.choice(callers).cancel()
        while not all(caller.done() for caller in callers):
            await settle()
            schedule.let_one_end(0)
        for item, caller in enumerate(callers):
            if caller.cancelled():
                continue
            error = caller.exception()
            assert error is None or item in bad or isinstance(error, Unavailable)
            assert error is not None or (caller.result() == -item and item not in bad | doubt)
        assert len(set(schedule.done)) == len(schedule.done)
        assert set(schedule.done).isdisjoint(bad | doubt)

    asyncio.run(asyncio.wait_for(play(), 10))
