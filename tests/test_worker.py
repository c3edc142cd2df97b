"""The worker keeps its duties apart, and ends when it is told to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

from app.actions.meters import Meters
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.worker import Duty, work

NOBODY = cast("Services", SimpleNamespace(meters=Meters()))


class Counter:
    """A duty's work: counts its calls, sets `enough` at the wanted one, and fails as told."""

    def __init__(self, wanted: int, *, found: int = 0, error: Exception | None = None) -> None:
        self.calls = 0
        self.enough = asyncio.Event()
        self._wanted, self._found, self._error = wanted, found, error

    async def __call__(self, _: Services) -> int:
        self.calls += 1
        if self.calls >= self._wanted:
            self.enough.set()
        if self._error is not None:
            raise self._error
        return self._found


async def test_a_full_batch_goes_on_at_once_and_a_small_one_waits() -> None:
    busy, idle, stop = Counter(5, found=3), Counter(1, found=2), asyncio.Event()
    duties = (Duty("busy", busy, 3600, 3), Duty("idle", idle, 3600, 3))
    running = asyncio.create_task(work(NOBODY, stop, duties))
    await busy.enough.wait()
    stop.set()
    await running
    assert idle.calls == 1


async def test_one_duty_that_fails_leaves_the_others_alone() -> None:
    broken, doubtful = Counter(1, error=ValueError("broken")), Counter(1, error=Unavailable("in doubt"))
    sound, stop = Counter(3), asyncio.Event()
    duties = (Duty("broken", broken, 0, 1), Duty("doubtful", doubtful, 0, 1), Duty("sound", sound, 0, 1))
    running = asyncio.create_task(work(NOBODY, stop, duties))
    for each in (broken, doubtful, sound):
        await each.enough.wait()
    stop.set()
    await running


async def test_a_stop_lets_what_has_begun_end() -> None:
    begun, may_end, stop, ended = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    async def slow(_: Services) -> int:
        begun.set()
        await may_end.wait()
        ended.append(True)
        return 0

    running = asyncio.create_task(work(NOBODY, stop, (Duty("slow", slow, 0, 1),)))
    await begun.wait()
    stop.set()
    may_end.set()
    await running
    assert ended == [True]
