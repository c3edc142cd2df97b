"""The line between processes: one connection that listens and notifies
(https://www.postgresql.org/docs/current/sql-notify.html).

The notice is sent after the commit of the change, by this connection, not inside the change's transaction: PostgreSQL
holds one lock for the whole server from the first `NOTIFY` of a transaction to the end of its commit, so that every
change of every institution would wait for the disk one by one (`docs/decisions/0023-notices-after-the-commit.md`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection
from typing import Any

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.storage.hosts import Hosts

CHANNEL = "countersign_changes"
EVERYBODY = "*"
MAX_PAYLOAD = 7_900
MAX_UNSENT = 10_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
QUIET_S, ANSWER_S, FAREWELL_S = 20.0, 5.0, 2.0

_log = structlog.get_logger("countersign.changes")


class Line:
    """Opened by the first who listens or sends; comes back by itself. `heard` gets what other processes sent."""

    def __init__(self, engine: AsyncEngine, heard: Callable[[Collection[str]], None]) -> None:
        self._engine, self._heard, self._hosts = engine, heard, Hosts()
        self._unsent: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._wake, self._sent = asyncio.Event(), asyncio.Event()
        self._sent.set()
        self._pause_s = FIRST_PAUSE_S

    def open(self) -> None:
        """Begin to listen, if it has not begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep(), name="changes")

    def send(self, topics: Collection[str]) -> None:
        """Tell the others, soon; together with what else is waiting to be told."""
        self._unsent.update(topics)
        if len(self._unsent) > MAX_UNSENT:
            self._unsent = {EVERYBODY}
        self._sent.clear()
        self._wake.set()
        self.open()

    async def close(self) -> None:
        """Send what is unsent, if that is soon done, and hang up."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._sent.wait()
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None

    async def _keep(self) -> None:
        while True:
            try:
                await self._talk()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("changes.line_lost", error=str(error) or type(error).__name__)
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1))  # noqa: S311 -- spreads reconnects, guards nothing
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _talk(self) -> None:
        _, arguments = self._engine.dialect.create_connect_args(self._engine.url)
        connection = await self._hosts.connect(**arguments, timeout=ANSWER_S, command_timeout=ANSWER_S)
        try:
            own = connection.get_server_pid()
            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(CHANNEL, lambda _, pid, __, payload: self._hear(pid != own, payload))
            self._pause_s = FIRST_PAUSE_S
            self._heard((EVERYBODY,))
            while not connection.is_closed():
                await self._send(connection)
                await self._quiet(connection)
        finally:
            connection.terminate()

    def _hear(self, foreign: bool, payload: str) -> None:
        if foreign:
            self._heard(payload.split())

    async def _send(self, connection: Any) -> None:
        sending, self._unsent = self._unsent, set()
        try:
            if sending:
                notices = "SELECT pg_notify($1, notice) FROM unnest($2::text[]) AS notice"
                await connection.execute(notices, CHANNEL, _payloads(sending))
        except BaseException:
            self._unsent |= sending
            raise
        if not self._unsent:
            self._sent.set()

    async def _quiet(self, connection: Any) -> None:
        """Until there is something to send; now and then ask whether the other end is still there."""
        try:
            async with asyncio.timeout(QUIET_S):
                await self._wake.wait()
        except TimeoutError:
            await connection.execute("SELECT 1")
        self._wake.clear()


def _payloads(topics: Collection[str]) -> list[str]:
    """The topics in as few notices as hold them."""
    lines = [""]
    for topic in sorted(topics):
        if len(lines[-1]) + len(topic) >= MAX_PAYLOAD:
            lines.append("")
        lines[-1] = f"{lines[-1]} {topic}".strip()
    return lines
