"""Connections on which nothing is begun, left open for whoever comes next: taking one from the pool, and giving it
back as it was, costs more than a statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
LINGER_S = 1.0
MOST = 2


class Kept(Generic[T]):
    """What `enter` gives, entered once for many blocks one after another, each alone with it.

    At most `MOST` stay open while nobody uses them, and only for a while. Whoever meets an error leaves its own, and
    all that wait, for good: what broke one connection has often broken the others.
    """

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._enter = enter
        self._free: list[tuple[T, AsyncExitStack]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._used = self._closed = False

    @property
    def idle(self) -> bool:
        """Whether some are open that nobody uses."""
        return bool(self._free)

    @asynccontextmanager
    async def use(self) -> AsyncIterator[T]:
        """One of them. Raises what `enter` makes of an error in the block."""
        value, stack = self._free.pop() if self._free else await self._open()
        try:
            yield value
        except BaseException as error:
            self._let_go()
            if not await stack.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            self._used = True
            if self._closed or len(self._free) >= MOST:
                await stack.aclose()
                return
            self._free.append((value, stack))
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._look)

    async def leave(self) -> None:
        """Close those that nobody uses."""
        free, self._free = self._free, []
        for _, stack in free:
            await stack.aclose()

    async def close(self) -> None:
        """Keep none from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self.leave()
        await asyncio.gather(*self._leaving)

    async def _open(self) -> tuple[T, AsyncExitStack]:
        stack = AsyncExitStack()
        return await stack.enter_async_context(self._enter()), stack

    def _look(self) -> None:
        """Whether anybody used one since the last look."""
        self._timer = None
        if self._used and self._free:
            self._used = False
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._look)
        else:
            self._let_go()

    def _let_go(self) -> None:
        if self._free:
            task = asyncio.get_running_loop().create_task(self.leave())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
