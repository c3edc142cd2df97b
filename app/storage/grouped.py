"""Concurrent callers answered by one statement: one fresh read for many, one commit for many.

* A caller joins only a group that *starts* after it arrived, so what was committed before it asked is in its answer: a
  revocation holds at once. Nothing is remembered from one group to the next.
* A caller of `GroupCommit` is answered after its item's transaction has committed, never before.
* A group that fails is done again one by one, so that only the bad item fails. Not where the database is in doubt: what
  became of the commit is unknown then, and everybody of the group is told so.
* A caller that goes away takes only itself away: before its group starts its item is dropped, afterwards it is done.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from app.domain.errors import Unavailable
from app.storage.database import Database, Transaction
from app.storage.doubts import rolled_back

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
I = TypeVar("I")  # noqa: E741 -- an item, beside R, its result
R = TypeVar("R")

LIMIT = 200
LANES = 2
PATIENCE_S = 0.05


class GroupedRead(Generic[K, V]):
    """Reads of rows by key. `read` gets the keys of a group, each once, and answers those that it found. `limit` counts
    keys: any number may ask for the same.

    Each of its statements is a snapshot of its own, as in `Database.look`; with `snapshot` they share one, as in
    `Database.read`. It reads the primary, and nothing that it keeps may outlive its call.
    """

    def __init__(
        self,
        database: Database,
        read: Callable[[Transaction, Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        snapshot: bool = False,
        limit: int = LIMIT,
        lanes: int = LANES,
    ) -> None:
        self._enter = database.read if snapshot else database.glance
        self._read = read
        self._queue = _Queue(self._group, limit, lanes, distinct=True)

    async def get(self, key: K) -> V | None:
        """What a read that starts from now on finds under the key. Raises `Unavailable`, or what `read` raised."""
        return await self._queue.ask(key)

    def ask(self, key: K) -> asyncio.Future[V | None]:
        """The same, as what will tell it: for whoever has no task to wait in."""
        return self._queue.ask(key)

    async def _group(self, keys: Sequence[K]) -> Sequence[V | None]:
        async with self._enter() as tx:
            found = await self._read(tx, list(dict.fromkeys(keys)))
        return [found.get(key) for key in keys]


class GroupCommit(Generic[I, R]):
    """Items written by one transaction. `write` gets those of a group, in the order in which they came, and answers one
    result for each; it writes them with set-based statements, and leaves the commit to us. With `at_once` it is one
    statement on PostgreSQL, which commits by itself.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Transaction, Sequence[I]], Awaitable[Sequence[R]]],
        *,
        at_once: bool = False,
        limit: int = LIMIT,
        lanes: int = LANES,
    ) -> None:
        self._begin = partial(database.at_once, writes=True) if at_once else database.begin
        self._write = write
        self._queue = _Queue(self._group, limit, lanes)

    async def put(self, item: I) -> R:
        """The item's result, after it was committed. Raises `Unavailable`, or what `write` raised for this item."""
        return await self._queue.ask(item)

    def ask(self, item: I) -> asyncio.Future[R]:
        """The same, as what will tell it: for whoever has no task to wait in."""
        return self._queue.ask(item)

    async def _group(self, items: Sequence[I]) -> Sequence[R]:
        async with self._begin() as tx:
            results = await self._write(tx, items)
            if len(results) != len(items):  # before the commit: nobody is answered with another's result
                raise RuntimeError(f"{len(items)} items have {len(results)} results")
        return results


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter(Generic[I, R]):
    item: I
    answer: asyncio.Future[R]


class _Queue(Generic[I, R]):
    """Callers in the order in which they came, taken in groups of at most `limit` by at most `lanes` tasks at a time;
    with `distinct` equal items count as one.

    While a group is answered callers gather: the busier, the larger the groups. A further lane opens only where one has
    taken longer than it ever should, so that a connection that hangs keeps nobody else waiting.
    """

    def __init__(
        self, run: Callable[[Sequence[I]], Awaitable[Sequence[R]]], limit: int, lanes: int, *, distinct: bool = False
    ) -> None:
        if limit < 1 or lanes < 1:
            raise ValueError("a group has at least one member and one lane")
        self._run, self._limit, self._lanes, self._distinct = run, limit, lanes, distinct
        self._waiting: deque[_Waiter[I, R]] = deque()
        self._busy = 0
        self._begun = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, item: I) -> asyncio.Future[R]:
        waiter: _Waiter[I, R] = _Waiter(item, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        if self._busy == 0 or (self._busy < self._lanes and time.monotonic() - self._begun > PATIENCE_S):
            self._open_lane()
        return waiter.answer

    def _open_lane(self) -> None:
        """A task in no caller's context: it begins in the loop's next turn, so whoever comes in this one joins."""
        self._busy += 1
        self._begun = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._work(), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        group: list[_Waiter[I, R]] = []
        try:
            while group := self._take():
                self._begun = time.monotonic()
                await self._serve(group)
        finally:
            self._busy -= 1  # before anybody else can look: whoever comes now opens a lane
            if group:  # cut off by a stop: nobody waits for an answer that will not come
                for waiter in (*group, *self._waiting):
                    waiter.answer.cancel()

    def _take(self) -> list[_Waiter[I, R]]:
        """The next group. Whoever comes after this instant is not in it, and its read or write starts after it."""
        group: list[_Waiter[I, R]] = []
        items: set[I] = set()
        while self._waiting and self._has_room(group, items):
            waiter = self._waiting.popleft()
            if not waiter.answer.done():
                group.append(waiter)
                if self._distinct:
                    items.add(waiter.item)
        return group

    def _has_room(self, group: Sequence[_Waiter[I, R]], items: AbstractSet[I]) -> bool:
        """For whoever waits first."""
        if not self._distinct:
            return len(group) < self._limit
        return len(items) < self._limit or self._waiting[0].item in items

    async def _serve(self, group: list[_Waiter[I, R]]) -> None:
        try:
            results = await self._run([waiter.item for waiter in group])
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the callers' answer
            await self._refuse(group, error)
            return
        for waiter, result in zip(group, results, strict=True):
            if not waiter.answer.done():
                waiter.answer.set_result(result)

    async def _refuse(self, group: list[_Waiter[I, R]], error: Exception) -> None:
        """Each by itself, where it is certain that nothing was done; else the error is everybody's."""
        certain = not isinstance(error, Unavailable) or rolled_back(error)
        for waiter in group:
            if waiter.answer.done():
                continue
            if certain and len(group) > 1:
                await self._serve([waiter])
            else:
                waiter.answer.set_exception(error)
                waiter.answer.exception()  # a caller that left meanwhile is not complained about
