"""The service as a process that is killed: started, waited for, frozen to see where it stands, killed, started again."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.faults.nursery import Nursery

COUNTERSIGN = Path(sys.executable).with_name("countersign")
HOST = "127.0.0.1"
Probe = Callable[[], bool]
"""Whether the frozen service stands inside a transaction that writes."""


class Running(Protocol):
    """A process."""

    @property
    def pid(self) -> int: ...

    def send_signal(self, signal: int, /) -> None: ...

    async def wait(self) -> int: ...


def sqlite_probe(path: Path) -> Probe:
    """Somebody else holds the lock of writers. The file is closed again, so that the next start has to recover it."""

    def inside() -> bool:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    return inside


def postgres_probe(admin_url: str, app_url: str) -> Probe:
    """A connection of the service's role has a transaction id, which only those that write get."""
    import psycopg

    role, database = app_url.split("//")[1].split(":")[0], app_url.rpartition("/")[2]
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname = %s AND backend_xid IS NOT NULL"

    def inside() -> bool:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            row = connection.execute(query, (role, database)).fetchone()
            return row is not None and row[0] > 0

    return inside


@dataclass
class Service:
    """One service: a port, settings, at most one process at a time. `up` is set while it answers."""

    nursery: Nursery
    settings: Mapping[str, str]
    port: int
    probe: Probe
    up: asyncio.Event = field(default_factory=asyncio.Event)
    starts: int = 0

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
                return

    async def kill(self, look: Callable[[], None] = lambda: None) -> bool:
        """Freeze it, look, kill it; whether it stood inside a transaction that writes."""
        self._process.send_signal(signal.SIGSTOP)
        while not self._frozen():
            await asyncio.sleep(0)
        look()
        inside = self.probe()
        self.up.clear()
        self._process.send_signal(signal.SIGKILL)
        assert await self._ended == -signal.SIGKILL
        return inside

    async def stop(self) -> None:
        """End it in good order."""
        self.up.clear()
        self._process.send_signal(signal.SIGTERM)
        assert await self._ended in {0, -signal.SIGTERM}

    async def abandon(self) -> None:
        """End whatever still runs."""
        if not self._ended.done():
            self._process.send_signal(signal.SIGKILL)
            await self._ended

    def _frozen(self) -> bool:
        state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in {"T", "Z"}
