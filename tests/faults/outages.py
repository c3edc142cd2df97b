"""The database dies under the service while everybody works: what strikes, and how it is told that it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx2

from tests.faults.cluster import Member, Pair
from tests.faults.history import History
from tests.faults.invariants import ENDINGS
from tests.faults.storm import Storm

READY_S = 60.0


@dataclass(frozen=True)
class NoProbe:
    """Nobody looks into a database that dies itself."""

    def inside(self) -> bool:
        return False

    def size(self) -> int:
        return 0


async def strike_often(storm: Storm, count: int, strike: Callable[[], bool], mend: Callable[[], None]) -> None:
    """Strike so many times, at random within calls; `mend` what was broken."""
    for _ in range(count):
        await storm.history.answers(storm.random.randint(5, 15))
        call = await storm.history.decides()
        await asyncio.sleep(storm.random.uniform(0, 1.2 * storm.history.length(call.kind)))
        begun = time.monotonic()
        storm.in_flight += bool(storm.history.changing())
        storm.inside += await asyncio.to_thread(strike)
        storm.kills += 1
        await ready(storm.service.base_url)
        await storm.survived(begun)
        await asyncio.to_thread(mend)
    while not told_enough(storm.history):
        await storm.history.answers(3)


def told_enough(history: History) -> bool:
    """Whether a token was seen to be active, and one whose grant was ended was not."""
    ended = {call.what: call.ended for call in history.acknowledged(*ENDINGS)}
    looks = history.acknowledged("introspect")
    return any(look.answer["active"] for look in looks) and any(
        not look.answer["active"] and look.begun > ended.get(look.what, look.begun) for look in looks
    )


async def ready(base_url: str) -> None:
    """Wait until the service says that it is ready."""
    async with asyncio.timeout(READY_S), httpx2.AsyncClient(trust_env=False, timeout=READY_S) as client:
        while True:
            with suppress(httpx2.TransportError):
                if (await client.get(f"{base_url}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)


def crash(member: Member, role: str) -> Callable[[], bool]:
    """`kill -9` of all processes of a server, and its start, which recovers it."""

    def strike() -> bool:
        inside = member.kill(role)
        member.start()
        return inside

    return strike


def fail_over(pair: Pair) -> Callable[[], bool]:
    """`kill -9` of the primary; the standby takes its place."""

    def strike() -> bool:
        inside = pair.primary.kill(pair.roles.app)
        pair.promote()
        return inside

    return strike


def nothing() -> None:
    """Nothing is to be mended."""
