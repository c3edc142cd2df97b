"""What was asked of the service from outside, and what came of it: the record that invariants are judged by.

A call that breaks off (`Unknown`) may have taken effect or not; who made it finds out, and notes that as one more call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx2


class Outcome(StrEnum):
    """`OPEN` while it runs; `UNKNOWN`: it broke off; `ACKNOWLEDGED`: it took effect; `REFUSED`: it did not."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Unknown(Exception):
    """The call broke off."""


# Calls that change something: those that leave an event of a request, and the steps of people on their way there.
DECIDES = frozenset("create withdraw complete mint approve deny revoke".split())
CHANGES = DECIDES | frozenset("sign-in enrol confirm answer depart".split())


@dataclass(eq=False, slots=True)
class Call:
    """`what`: the request, or the key of one to be; `who`: a person's e-mail, or ""; `answer`: what it said."""

    kind: str
    what: str
    who: str = ""
    begun: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    outcome: Outcome = Outcome.OPEN
    answer: dict[str, Any] = field(default_factory=dict)

    def acknowledge(self, **answer: Any) -> None:
        """It took effect."""
        self.outcome = Outcome.ACKNOWLEDGED
        self.answer |= answer

    def refuse(self, **answer: Any) -> None:
        """It was refused."""
        self.outcome = Outcome.REFUSED
        self.answer |= answer


@dataclass
class History:
    """All calls, in the order in which they began."""

    calls: list[Call] = field(default_factory=list)
    running: set[Call] = field(default_factory=set)
    answered: int = 0
    _lengths: dict[str, float] = field(default_factory=dict)
    _watchers: list[tuple[Callable[[Call | None], bool], asyncio.Future[Call | None]]] = field(default_factory=list)

    @asynccontextmanager
    async def call(self, kind: str, what: str, who: str = "") -> AsyncIterator[Call]:
        """A call that runs inside the block, which notes its outcome. Raises `Unknown` where it broke off.

        What was never sent, because nobody listened, is no call.
        """
        made = Call(kind, what, who)
        self.running.add(made)
        self._notify(made)
        try:
            yield made
        except httpx2.ConnectError as error:
            made.refuse(unsent=True)
            raise Unknown from error
        except httpx2.TransportError as error:
            made.outcome = Outcome.UNKNOWN
            raise Unknown from error
        finally:
            self.running.discard(made)
            made.ended = time.monotonic()
            if not made.answer.get("unsent"):
                self.calls.append(made)
            if made.outcome in {Outcome.ACKNOWLEDGED, Outcome.REFUSED}:
                self._measure(made)

    def _measure(self, made: Call) -> None:
        self.answered += 1
        length = made.ended - made.begun
        self._lengths[made.kind] = 0.8 * self._lengths.get(made.kind, length) + 0.2 * length
        self._notify(None)

    def length(self, kind: str) -> float:
        """How long calls of a kind take, in seconds, of late."""
        return self._lengths.get(kind, 0.05)

    def changing(self) -> list[Call]:
        """Calls that change something and are not answered yet."""
        return [call for call in self.running if call.kind in CHANGES]

    async def answers(self, count: int) -> None:
        """Wait until that many more calls were answered."""
        goal = self.answered + count
        await self._until(lambda _: self.answered >= goal)

    async def decides(self) -> Call:
        """Wait until a call begins that leaves an event of a request."""
        call = await self._until(lambda call: call is not None and call.kind in DECIDES)
        assert call is not None
        return call

    async def _until(self, holds: Callable[[Call | None], bool]) -> Call | None:
        future: asyncio.Future[Call | None] = asyncio.get_running_loop().create_future()
        self._watchers.append((holds, future))
        return await future

    def _notify(self, call: Call | None) -> None:
        for watcher in list(self._watchers):
            holds, future = watcher
            if future.done() or holds(call):
                self._watchers.remove(watcher)
                if not future.done():
                    future.set_result(call)

    def of(self, *kinds: str) -> list[Call]:
        """The calls of these kinds."""
        return [call for call in self.calls if call.kind in kinds]

    def acknowledged(self, *kinds: str) -> list[Call]:
        """Those of them that took effect, as far as they were told."""
        return [call for call in self.of(*kinds) if call.outcome is Outcome.ACKNOWLEDGED]

    def unknown(self, *kinds: str) -> list[Call]:
        """Those that broke off."""
        return [call for call in self.of(*kinds) if call.outcome is Outcome.UNKNOWN]
