"""Watching a session while it goes on: its page again whenever something happened, for a browser that stays.

Who watches holds no database connection: it waits at the bell, at most for a moment, because what the gate lets through
rings none. At every look the visitor is judged anew, so the watch ends with the sign-in and with the role; looking by
itself is no use of the sign-in, which goes on to end by itself when nobody uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from app.actions.services import Services
from app.actions.sessions import SessionView, view
from app.actions.signin import Visitor, visitor
from app.actions.watching import SessionPage, own_row, read_session
from app.domain.errors import Refused, Unavailable

WATCHES = 6
LOOK_S = 1.0
"""How soon what rings no bell is seen."""
AGAIN_S = 15.0
"""How soon the page is shown again though nothing happened: its figures go on with the clock."""


@dataclass(frozen=True, slots=True)
class Live:
    """A watch of one session by whoever a cookie belongs to."""

    services: Services
    cookie: str | None
    session_id: str

    def admit(self, who: Visitor) -> None:
        """Whether there is a place. Raises `Refused` too-many-requests."""
        with self.services.follow.place(who.session.hex(), "watches", WATCHES):
            pass

    async def run(self, who: Visitor) -> AsyncGenerator[tuple[Visitor, SessionPage]]:
        """The page now, and whenever it is another. The last one is of a session that is over.

        Ends before that when the sign-in or the role is gone, the service stops or the database is in doubt.
        """
        follow, clock = self.services.follow, asyncio.get_running_loop().time
        shown: object = None
        due = clock()
        with follow.place(who.session.hex(), "watches"), follow.bell.watch(self.session_id) as watch:
            while not follow.bell.stopping:
                found = await self._look()
                if found is None:
                    return
                viewer, seen = found
                if seen != shown or clock() >= due:
                    page = await self._page(viewer)
                    if page is None:
                        return
                    yield viewer, page
                    if not page.living:
                        return
                    shown, due = seen, clock() + AGAIN_S
                await watch.rung(LOOK_S)

    async def _look(self) -> tuple[Visitor, object] | None:
        try:
            who = await visitor(self.services, self.cookie, used=False)
            if who is None or who.enrolling:
                return None
            async with self.services.database.look() as tx:
                return who, _pulse(await view(tx, await own_row(tx, who, self.session_id), await tx.now()))
        except (Refused, Unavailable):
            return None

    async def _page(self, who: Visitor) -> SessionPage | None:
        try:
            return await read_session(self.services, who, self.session_id)
        except (Refused, Unavailable):
            return None


def _pulse(seen: SessionView) -> tuple[Any, ...]:
    """What is another as soon as something happened; not what the clock alone moves on."""
    row = seen.row
    return row.events, seen.state, row.state, row.ended_at, row.sealed, row.mac, repr(row.coverage)
