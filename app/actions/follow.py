"""Following access requests: long polls, and the stream of their changes, on whatever replica they are asked.

Who follows waits at the bell, or for the instant at which time alone changes the request, then looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from math import inf

from app.actions.callers import UNAUTHORIZED
from app.actions.followers import Followers, Shown, Told
from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.views import RequestView
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.request import turns_at
from app.storage import changes, requests
from app.storage.changes import Range
from app.tokens.clients import EVERY_INSTITUTION, Caller

LONGEST_WAIT_S = 60
WAITS, STREAMS = 4_000, 50
"""How many of each one client may have open in one process."""
HEARTBEAT_S = 15.0
NUMBERED = changes.BATCH
_A_MOMENT_S = 0.005
_FORGOTTEN = Refusal(
    "events-forgotten", "What came after this Last-Event-ID is not kept any more; list the requests, then begin anew."
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Nothing happened, up to this position."""

    position: int


async def look(services: Services, caller: Caller, request_id: str) -> Shown:
    """The request as it is now. Raises `Refused`: not-found, unauthorized (the client was revoked meanwhile)."""
    if EVERY_INSTITUTION not in caller.institutions:
        await _owned(services, caller, request_id)
    shown = await services.follow.read(request_id)
    if shown is None or not caller.serves(shown.view.row.log):
        raise Refused(NOT_FOUND)
    if caller.cli in shown.revoked:
        raise Refused(UNAUTHORIZED)
    return shown


async def _owned(services: Services, caller: Caller, request_id: str) -> None:
    """Raise `Refused` not-found for somebody else's request, after the work that finding nothing takes."""
    async with services.database.look() as tx:
        row = await requests.read(tx, request_id)
    if row is None or not caller.serves(row.log):
        raise Refused(NOT_FOUND)


async def wait(
    services: Services, caller: Caller, request_id: str, known: Callable[[str], bool], seconds: float
) -> Shown:
    """The request as soon as its tag is not a `known` one, by the clock too; else as it is after so many seconds.

    Raises `Refused`: not-found, unauthorized, too-many-requests.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    bell = services.follow.bell
    with services.follow.place(caller.cli, "waits", WAITS), bell.watch(request_id) as watch:
        while True:
            shown = await look(services, caller, request_id)
            left = deadline - clock()
            if left <= 0 or bell.stopping or not known(shown.etag):
                return shown
            turn_s = _seconds_to_turn(shown.view)
            del shown  # thousands may wait, each for another request
            await watch.rung(left if turn_s is None else min(left, turn_s))


def _seconds_to_turn(view: RequestView) -> float | None:
    turn = turns_at(view.request, view.now)
    return None if turn is None else max((turn - view.now).total_seconds(), _A_MOMENT_S)


@dataclass(frozen=True, slots=True)
class Stream:
    """Changes after `position` of what the caller may see, for at most so many seconds."""

    follow: Followers
    caller: Caller
    position: int
    seconds: float

    async def run(self) -> AsyncGenerator[Told | Mark]:
        """Every change once, in order, from the first mark on; a mark whenever it was quiet for a while.

        Ends when its time is over, the service stops, the database is in doubt or the client is revoked: whoever comes
        back with the last position goes on from there. Who reads slowly is behind, and costs nothing.
        """
        clock = asyncio.get_running_loop().time
        deadline, position = clock() + self.seconds, self.position
        yield Mark(position)
        with self.follow.place(self.caller.cli, "streams"), self.follow.bell.watch() as watch:
            while not self.follow.bell.stopping and clock() < deadline:
                try:
                    page = await self.follow.page(position)
                except Unavailable:
                    return
                if self.caller.cli in page.revoked:
                    return
                for told in page.told:
                    if self.caller.serves(told.change.log):
                        yield told
                position = page.last
                if not page.full and not await watch.rung(min(HEARTBEAT_S, deadline - clock())):
                    yield Mark(position)


async def begin(services: Services, caller: Caller, since: int | None) -> Stream:
    """A stream from a position on, or from now. Raises `Refused`: events-forgotten, too-many-requests."""
    with services.follow.place(caller.cli, "streams", STREAMS):
        await services.follow.number()
    async with services.database.read() as tx:
        reach, now = await changes.reach(tx), await tx.now()
    position = reach.last if since is None else _known(reach, since)
    seconds = inf if caller.until is None else (caller.until - now).total_seconds()
    return Stream(services.follow, caller, position, seconds)


def _known(reach: Range, since: int) -> int:
    """The position, if what came after it is there. One that is ahead comes from before a backup was restored."""
    if not reach.floor <= since <= reach.last:
        raise Refused(_FORGOTTEN)
    return since


async def number(services: Services) -> int:
    """Number the changes that nobody has yet, and wake whoever waits for them; how many.

    The process that made them rings for them by itself. This is for what it rang no more, because it was killed.
    """
    async with services.database.read() as tx:
        if not await changes.waiting(tx):
            return 0
    async with services.database.begin() as tx:
        stamped = await changes.stamp(tx)
        tx.told.update(stamped)
    return len(stamped)
