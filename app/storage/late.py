"""Commits that wait longer than anybody should: those of a primary whose synchronous standby is gone.

Such a commit is neither done nor undone. PostgreSQL keeps its changes from everybody until the standby has them;
cancelling it, as drivers do after their time-out, would show changes that a failover would take back
(https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION). So it is left to wait, on its
connection, outside of the pool; whoever asked is told that it is not known; and nobody else begins to write, but one
now and then who tries, until a commit succeeds or none waits any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from asyncpg import InterfaceError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.errors import Unavailable

COMMIT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0

_log = structlog.get_logger("countersign.database")


class Late:
    """The commits of one process that are late, and whether others may write meanwhile."""

    def __init__(self) -> None:
        self._drivers: dict[asyncio.Task[None], Any] = {}
        self._lost = False
        self._pause_s, self._next = FIRST_PAUSE_S, 0.0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._drivers)

    def admit(self) -> None:
        """Let somebody begin to write. Raises `Unavailable` while commits wait, but for one who tries now and then."""
        if not (self._drivers or self._lost):
            return
        if time.monotonic() < self._next:
            raise Unavailable("the database confirms no changes at the moment")
        self._next = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def commit(self, connection: AsyncConnection, stack: AsyncExitStack) -> None:
        """Commit, and be stopped by nobody; `stack` closes the connection. Raises `Unavailable` where it is late."""
        task = asyncio.get_running_loop().create_task(connection.commit(), name="commit")
        try:
            await asyncio.wait({task}, timeout=COMMIT_S)
        finally:
            if not task.done():
                self._keep(task, connection, stack.pop_all())
        if not task.done():
            raise Unavailable("the database has not confirmed the change in time")
        task.result()
        self._succeeded()

    @asynccontextmanager
    async def at_once(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """A statement that commits by itself. One that is late is given up with its connection, not cancelled."""
        driver = _driver(connection)
        timer = asyncio.get_running_loop().call_later(COMMIT_S, self._give_up, driver)
        try:
            yield
        finally:
            timer.cancel()
        self._succeeded()

    def _give_up(self, driver: Any) -> None:
        self._notice()
        self._lost = True
        driver.terminate()

    def _succeeded(self) -> None:
        """Who still waits, waits for a server of the past."""
        self._lost = False
        self._hang_up()

    def _notice(self) -> None:
        if not (self._drivers or self._lost):
            self._pause_s, self._next = FIRST_PAUSE_S, time.monotonic() + FIRST_PAUSE_S
            _log.error("database.unconfirmed", waiting="the standby, or the server itself")

    async def close(self) -> None:
        """Wait for nobody any more."""
        keepers = list(self._drivers)
        self._hang_up()
        if keepers:
            await asyncio.wait(keepers)

    def _keep(self, commit: asyncio.Task[None], connection: AsyncConnection, stack: AsyncExitStack) -> None:
        """Let it wait, and its place in the pool go to others."""
        driver = _driver(connection)
        connection.sync_connection.detach()  # type: ignore[union-attr]  # it is connected
        self._notice()
        keeper = asyncio.get_running_loop().create_task(_await(commit, stack), name="late commit")
        self._drivers[keeper] = driver
        keeper.add_done_callback(self._drivers.pop)

    def _hang_up(self) -> None:
        for driver in self._drivers.values():
            driver.terminate()


async def _await(commit: asyncio.Task[None], stack: AsyncExitStack) -> None:
    """Until it is known; then the connection goes."""
    await asyncio.wait({commit})
    try:
        commit.result()
        await stack.aclose()
    except (OSError, SQLAlchemyError, InterfaceError) as error:
        _log.warning("database.never_confirmed", error=type(error).__name__)


def _driver(connection: AsyncConnection) -> Any:
    return connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]  # it is connected
