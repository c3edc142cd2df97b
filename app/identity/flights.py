"""Calls under way that others join: whoever asks the same meanwhile waits for the one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """At most one call a key at a time. Who stops waiting ends it for nobody else."""

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Task[T]] = {}

    async def join(self, key: K, call: Callable[[], Awaitable[T]]) -> T:
        """What the call gives that is under way for the key, or one that begins now. Raises what it raises."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(call))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._over(key, done))
        return await asyncio.shield(task)

    def _over(self, key: K, task: asyncio.Task[T]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # looked at here, since perhaps nobody waits any more


async def _run(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
