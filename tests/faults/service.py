"""The service as a process that is started, waited for, frozen to see where it stands, killed, started again."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString, Protocol, Self
from urllib.parse import urlsplit

import psycopg

from tests.faults.nursery import Nursery

COUNTERSIGN = Path(sys.executable).with_name("countersign")
HOST = "127.0.0.1"


class Probe(Protocol):
    """A look into the service's database from beside it."""

    def inside(self) -> bool:
        """Whether the frozen service stands inside a transaction that writes."""

    def size(self) -> int:
        """How many entries of all logs are committed."""


class Running(Protocol):
    """A process."""

    @property
    def pid(self) -> int: ...

    def send_signal(self, signal: int, /) -> None: ...

    async def wait(self) -> int: ...


_SIZE = "SELECT sum(size) FROM logs"


@dataclass(frozen=True)
class SqliteProbe:
    """The file is closed again after each look, so that the next start has to recover it."""

    path: Path

    def inside(self) -> bool:
        """Somebody else holds the lock of writers."""
        with closing(self._connect()) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False

    def size(self) -> int:
        with closing(self._connect()) as connection:
            return int(connection.execute(_SIZE).fetchone()[0])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=0, isolation_level=None)


class PostgresProbe:
    """A connection of the administrator's. Use it as a context."""

    def __init__(self, admin_url: str, app_url: str) -> None:
        app, admin = urlsplit(app_url), urlsplit(admin_url)
        self._role = app.username or ""
        self._connection = psycopg.connect(admin._replace(path=app.path).geturl(), autocommit=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def inside(self) -> bool:
        """A connection of the service's role has a transaction id, which only those that write get."""
        query = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE usename = %s AND datname = current_database() AND backend_xid IS NOT NULL"
        )
        return self._number(query, self._role) > 0

    def size(self) -> int:
        return self._number(_SIZE)

    def _number(self, query: LiteralString, *values: str) -> int:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])


@dataclass
class Service:
    """One service: a port, settings, at most one process at a time. `up` is set while it answers."""

    nursery: Nursery
    settings: Mapping[str, str]
    port: int
    probe: Probe
    up: asyncio.Event = field(default_factory=asyncio.Event)
    starts: int = 0
    _ended: asyncio.Task[int] | None = None

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def launch(self) -> None:
        """Start it, by way of the nursery."""
        command = ["serve", "--with-worker", f"--host={HOST}", f"--port={self.port}"]
        self._watch(self.nursery.start(command, self.settings))

    async def launch_cold(self) -> None:
        """Start it as an operator does, by the console script."""
        command = ["serve", "--with-worker", f"--host={HOST}", f"--port={self.port}"]
        env = {"PATH": str(COUNTERSIGN.parent), **self.settings}
        null = asyncio.subprocess.DEVNULL
        self._watch(
            await asyncio.create_subprocess_exec(COUNTERSIGN, *command, env=env, stdin=null, stdout=null, stderr=null)
        )

    def _watch(self, process: Running) -> None:
        self._process = process
        self._ended = asyncio.create_task(process.wait())

    async def ready(self) -> None:
        """Wait until it listens, which it does only after its start was recorded."""
        assert self._ended is not None
        listening = asyncio.create_task(self._listens())
        await asyncio.wait({listening, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            raise AssertionError(f"the service ended with {self._ended.result()}: see {self._process}")
        self.starts += 1
        self.up.set()

    async def _listens(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, self.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return

    async def kill(self, look: Callable[[], None] = lambda: None) -> bool:
        """Freeze it, look, kill it; whether it stood inside a transaction that writes."""
        self._freeze()
        look()
        inside = self.probe.inside()
        self.up.clear()
        self._process.send_signal(signal.SIGKILL)
        assert await self._end() == -signal.SIGKILL
        return inside

    async def stop(self) -> None:
        """End it in good order."""
        self.up.clear()
        self._process.send_signal(signal.SIGTERM)
        assert await self._end() in {0, -signal.SIGTERM}

    async def abandon(self) -> None:
        """End whatever still runs."""
        if self._ended is not None and not self._ended.done():
            self._process.send_signal(signal.SIGKILL)
            await self._end()

    async def _end(self) -> int:
        assert self._ended is not None
        return await self._ended

    def _freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"T", "Z"}:
            time.sleep(0.0005)
