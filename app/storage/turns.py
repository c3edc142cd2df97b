"""Turns at one log, so that no institution's flood takes every connection: writers of one log wait for each other at
its head anyway, and the more of them wait there, each with a connection, the fewer are left to all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.domain.errors import Unavailable


class Turns:
    """At most `most` at a time are inside of one log, in the order in which they came; others wait outside."""

    def __init__(self, most: int, wait_s: float) -> None:
        self._most, self._wait_s = max(1, most), wait_s
        self._places: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, log: str | None) -> AsyncIterator[None]:
        """A turn for a block; without a log at once. Raises `Unavailable` where it does not come in time."""
        if log is None:
            yield
            return
        places, users = self._places.get(log, (asyncio.Semaphore(self._most), 0))
        self._places[log] = (places, users + 1)
        try:
            await self._enter(places)
            try:
                yield
            finally:
                places.release()
        finally:
            self._leave(log)

    async def _enter(self, places: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await places.acquire()
        except TimeoutError as error:
            raise Unavailable("too many changes of one institution wait already") from error

    def _leave(self, log: str) -> None:
        places, users = self._places[log]
        if users == 1:
            del self._places[log]
        else:
            self._places[log] = (places, users - 1)
