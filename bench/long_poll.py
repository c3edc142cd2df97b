"""`long_poll`: from the commit of a change to its answers at 2,000 waiting clients, to a bare `NOTIFY` round trip.

The service runs as `countersign serve` does, one process; the change is made by another process (this one), so that the
way leads through PostgreSQL. All wait for the one request that changes: every answer is due at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import asyncpg

from app.actions import requests
from app.actions.services import Services
from app.storage import clients
from app.tokens.access import mint_access_token
from app.tokens.clients import Client
from bench.measure import ROUNDS, Result
from bench.provider import new_key
from bench.server import run_server
from bench.world import Desk, build_services, code_of, populate
from demo.parts import find_free_port

WAITERS = 2_000
AT_ONCE = 100
MEMORY_MB = 200.0
ROUND_TRIPS = 50
QUIET_S = 1.0
SECRET = "a secret key of forty bytes, for the bench"  # noqa: S105 -- of the benchmark's world


def run() -> Iterator[Result]:
    """Wake-up against round trip, then the memory that the waiters cost."""
    with run_server() as server, tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        directory, jwk = Path(folder), new_key()
        cli = asyncio.run(populate(server.urls.app, directory, jwk, 1))
        yield from asyncio.run(_measure(server.urls.app, directory, jwk, cli))


async def _measure(url: str, directory: Path, jwk: dict[str, str], cli: str) -> list[Result]:
    services, edge = build_services(url, directory, jwk, 4)
    try:
        desk = await Desk.open(services, edge, cli, code_of(0))
        async with _serving(url, directory) as (pid, port):
            crowd = _Crowd(services, desk, pid, port, await _idle_mb(port, pid))
            await crowd.round()
            wakes, trips = [], []
            for _ in range(ROUNDS):
                wakes.append(await crowd.round())
                trips.append(await _round_trip(url))
    finally:
        await services.database.close()
    wake, trip = median(wakes), median(trips)
    return [
        Result("long_poll", wake, "ms", trip, "NOTIFY round trip", wake / trip, ROUNDS),
        Result("long_poll_memory", crowd.memory_mb, "MB", MEMORY_MB, "allowed", crowd.memory_mb / MEMORY_MB, 1),
    ]


@asynccontextmanager
async def _serving(url: str, directory: Path) -> AsyncIterator[tuple[int, int]]:
    """The service as a process, its id and port, once it listens."""
    port = find_free_port()
    settings = {
        "BASE_URL": "https://countersign.example",
        "LOG_NAME": "countersign.example",
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET,
        "KEYS_DIR": str(directory / "keys"),
        "CHECKPOINT_STORE": (directory / "heads").absolute().as_uri(),
        "OBJECT_STORE": (directory / "objects").absolute().as_uri(),
        "SMTP_URL": "smtps://mail.invalid",
        "MAIL_FROM": "countersign@countersign.example",
        "CALLS_PER_MINUTE": "1000000",
    }
    env = {"PATH": os.environ["PATH"]} | {f"COUNTERSIGN_{name}": value for name, value in settings.items()}
    command: list[str | Path] = [
        Path(sys.executable).with_name("countersign"),
        "serve",
        "--without-worker",
        f"--port={port}",
    ]
    process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.DEVNULL)
    try:
        while not await _listens(port):
            if process.returncode is not None:
                raise RuntimeError(f"the service ended with {process.returncode}")
            await asyncio.sleep(0.1)
        yield process.pid, port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@dataclass(slots=True)
class _Crowd:
    """Those who wait, each by a connection of their own; `memory_mb` is the most that they ever cost."""

    services: Services
    desk: Desk
    pid: int
    port: int
    idle_mb: float
    memory_mb: float = 0.0

    async def round(self) -> float:
        """All wait, one thing changes; the median of milliseconds from its commit to an answer."""
        request_id = await self.desk.file()
        token = await self._token()
        etag = await self._etag(request_id, token)
        gate = asyncio.Semaphore(AT_ONCE)
        sent = [asyncio.get_running_loop().create_future() for _ in range(WAITERS)]
        answers = [asyncio.create_task(self._wait(request_id, token, etag, gate, each)) for each in sent]
        await asyncio.gather(*sent)
        await _settled(self.pid)
        self.memory_mb = max(self.memory_mb, _resident_mb(self.pid) - self.idle_mb)
        await requests.message(self.services, self.desk.caller, request_id, "It goes on.")
        committed = time.perf_counter()
        return 1_000 * median(at - committed for at in await asyncio.gather(*answers))

    async def _token(self) -> str:
        async with self.services.database.read() as tx:
            row, now = (await clients.read_all(tx))[0], await tx.now()
        scopes, everywhere = frozenset({"requests:read"}), frozenset({"*"})
        client = Client(row.id, row.client_id, row.name, row.secrets, scopes, everywhere, frozenset())
        return mint_access_token(self.services.ring, self.services.base_url, client, scopes, now)

    async def _etag(self, request_id: str, token: str) -> str:
        reader, writer = await self._ask(request_id, token, ())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return next(line[6:] for line in head.decode().split("\r\n") if line.lower().startswith("etag: "))

    async def _wait(
        self, request_id: str, token: str, etag: str, gate: asyncio.Semaphore, sent: asyncio.Future[None]
    ) -> float:
        """When the answer came."""
        async with gate:
            reader, writer = await self._ask(request_id, token, (f"If-None-Match: {etag}", "Prefer: wait=60"))
        sent.set_result(None)
        status = await reader.readline()
        at = time.perf_counter()
        if b" 200 " not in status:
            raise RuntimeError(f"a waiter was answered {status!r}")
        writer.close()
        return at

    async def _ask(
        self, request_id: str, token: str, headers: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = (
            f"GET /v1/access-requests/{request_id} HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {token}",
            *headers,
        )
        writer.write("\r\n".join((*lines, "", "")).encode())
        await writer.drain()
        return reader, writer


async def _idle_mb(port: int, pid: int) -> float:
    """The memory of the service before anybody waits, once it has answered something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    return _resident_mb(pid)


async def _settled(pid: int) -> None:
    """Until the service has nothing to do: the last of them waits, which nothing else tells from outside."""
    before, now = -1.0, _processor_s(pid)
    while now - before > QUIET_S / 20:
        await asyncio.sleep(QUIET_S)
        before, now = now, _processor_s(pid)


def _processor_s(pid: int) -> float:
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    """The memory of a process that is in use now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


async def _round_trip(url: str) -> float:
    """The median of milliseconds from sending a bare notice to hearing it on another connection."""
    address = urlsplit(url)._replace(scheme="postgresql").geturl()
    says, hears = await asyncpg.connect(address), await asyncpg.connect(address)
    heard, trips = asyncio.Event(), []
    try:
        await hears.add_listener("bench", lambda *_: heard.set())
        for _ in range(ROUND_TRIPS):
            heard.clear()
            began = time.perf_counter()
            await says.execute("NOTIFY bench")
            await heard.wait()
            trips.append(1_000 * (time.perf_counter() - began))
    finally:
        await says.close()
        await hears.close()
    return median(trips)
