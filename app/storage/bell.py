"""Who waits for a change is woken after its commit: in this process at once, in all others by PostgreSQL.

    with bell.watch(request_id) as watch:
        while …look… :                       # whatever is committed after the watch began rings it
            await watch.rung(seconds)

A ring says "look again", never what there is to see, so a ring too many does no harm. One too few would, so whenever
the line to the other processes comes back, everybody is rung: nobody knows what was missed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from app.storage.line import EVERYBODY, Line

ANYTHING = ""
"""The topic that every ring rings too."""


class Watch:
    """One who waits. Looks come after `rung`, so that no ring falls between a look and the next wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake it."""
        self._event.set()

    async def rung(self, seconds: float) -> bool:
        """Wait until it rings, or has rung since the last time; whether it did within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Bell:
    """The watches of this process, and the line to the others (null: there are none)."""

    def __init__(self, engine: AsyncEngine | None) -> None:
        self.stopping = False
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self._line = None if engine is None else Line(engine, self._heard)

    @property
    def watched(self) -> int:
        """How many watch."""
        return sum(map(len, self._watches.values()))

    @contextmanager
    def watch(self, topic: str = ANYTHING) -> Iterator[Watch]:
        """A watch over one request, or over anything, for a block."""
        watch = Watch()
        self._watches[topic].add(watch)
        if self._line is not None:
            self._line.open()
        try:
            yield watch
        finally:
            self._watches[topic].discard(watch)
            if not self._watches[topic]:
                del self._watches[topic]

    def ring(self, topics: Collection[str]) -> None:
        """Wake who watches one of these, here and everywhere."""
        if topics:
            self._heard(topics)
            if self._line is not None:
                self._line.send(topics)

    def stop(self) -> None:
        """Wake everybody to find that the service stops."""
        self.stopping = True
        self._heard((EVERYBODY,))

    async def close(self) -> None:
        """Stop, and hang up when what was rung has been sent."""
        self.stop()
        if self._line is not None:
            await self._line.close()

    def _heard(self, topics: Collection[str]) -> None:
        if EVERYBODY in topics:
            topics = tuple(self._watches)
        for topic in {*topics, ANYTHING}:
            for watch in self._watches.get(topic, ()):
                watch.ring()
