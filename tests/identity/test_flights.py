"""Calls that others join: one at a time for each key, and nobody's end is another's."""

from __future__ import annotations

import asyncio

import pytest

from app.identity.flights import Flights


async def test_who_asks_meanwhile_waits_for_the_one_answer() -> None:
    flights: Flights[str, int] = Flights()
    calls, go = 0, asyncio.Event()

    async def call() -> int:
        nonlocal calls
        calls += 1
        own = calls
        await go.wait()
        return own

    waiting = [asyncio.create_task(flights.join("a", call)) for _ in range(5)]
    other = asyncio.create_task(flights.join("b", call))
    await asyncio.sleep(0)
    waiting[0].cancel()
    go.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    assert ended[1:] == [1] * 4
    assert await other == 2
    assert await flights.join("a", call) == 3, "and nobody joins a call that is over"


async def test_a_failure_is_everybodys_and_not_kept() -> None:
    flights: Flights[str, int] = Flights()

    async def fails() -> int:
        raise OSError("down")

    async def works() -> int:
        return 1

    for ended in await asyncio.gather(*(flights.join("a", fails) for _ in range(3)), return_exceptions=True):
        assert isinstance(ended, OSError)
    with pytest.raises(OSError, match="down"):
        await flights.join("a", fails)
    assert await flights.join("a", works) == 1
