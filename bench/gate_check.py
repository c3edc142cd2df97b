"""`gate_check`: checks at the gate a second of one process, each authorised by fresh rows and recorded before it is
answered, 32 connections; beside pgbench's single commits of the same insert, and beside uvicorn that answers nothing.

10,000 sessions are open, and each connection goes round all of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from socket import create_connection
from statistics import median

from app.actions.credentials import GATE_COOKIE, cookie_hash
from app.actions.opening import GATE_LABEL
from app.actions.services import Services
from app.actions.watched import seal_row
from app.domain.ids import new_id
from app.domain.recording import begun
from app.identity.browser import cookie_name
from app.storage import grants, institutions, sessions
from app.storage.institutions import EnvironmentSecrets
from app.storage.sessions import SessionRow
from bench.load import Served, run_load
from bench.measure import ROUNDS, Result
from bench.provider import new_key
from bench.server import Server, run_server
from bench.world import SECRET_KEY, Desk, build_services, code_of, populate
from demo.parts import find_free_port

CONNECTIONS = 32
SECONDS = 5
OPEN = 10_000
KEY = "the-key-of-the-gate-of-the-benchmark"
ENVIRONMENT = "alma-production"
SCRIPT = Path(__file__).with_suffix(".sql")
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_WAIT_S = 20.0


def run() -> Iterator[Result]:
    """The rate beside both limits, the 99th percentile beside the median, memory beside what it was at first."""
    with ExitStack() as stack:
        server = stack.enter_context(run_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-"))
        cookies = asyncio.run(_prepare(server.urls.app, Path(folder)))
        ours = stack.enter_context(_service(server.urls.app, Path(folder)))
        bare = stack.enter_context(_uvicorn())
        asked = [_request(cookie) for cookie in cookies]
        _round(ours, asked[:CONNECTIONS])
        before = _memory(ours.pid)
        rounds = [(_round(ours, asked), _commits(server), _round(bare, asked)) for _ in range(ROUNDS + 1)][1:]
        after = _memory(ours.pid)
    checks, commits, answers = zip(*rounds, strict=True)
    rate = median(each.rate for each in checks)
    for name, limit, words in (
        ("gate_check", median(commits), "pgbench, single commits of the same insert"),
        ("gate_check_uvicorn", median(each.rate for each in answers), "bare uvicorn"),
    ):
        yield Result(name, rate, "checks/s", limit, words, rate / limit, ROUNDS)
    p99, p50 = (median(getattr(each, name) for each in checks) for name in ("p99", "p50"))
    yield Result("gate_check_p99", p99, "ms", p50, "its own median", p99 / p50, ROUNDS)
    yield Result("gate_check_memory", after, "MB", before, f"before {OPEN} sessions asked", after / before, 1)


class _Running:
    """A process that listens."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid


def _round(process: _Running, asked: list[bytes]) -> Served:
    return run_load(process.port, asked, b" 204 ", connections=CONNECTIONS, seconds=SECONDS)


def _commits(server: Server) -> float:
    return server.pgbench(SCRIPT, "prepared", clients=CONNECTIONS, seconds=SECONDS, variables={})


def _request(cookie: str) -> bytes:
    lines = [
        "GET /gate/check HTTP/1.1",
        "Host: gateway.vendor.example",
        f"Cookie: {cookie_name(GATE_COOKIE, secure=True)}={cookie}",
        f"Countersign-Gate-Key: {KEY}",
        "X-Original-Method: GET",
        "X-Original-URI: /almaws/v1/conf/jobs?name=fulfilment&limit=100",
        "X-Real-IP: 198.51.100.24",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def _prepare(url: str, directory: Path) -> list[str]:
    """An institution with a gate, an approved request, and sessions open on it; their cookies."""
    jwk = new_key()
    cli = await populate(url, directory, jwk, 1)
    services, edge = build_services(url, directory, jwk, 2)
    try:
        request = await (await Desk.open(services, edge, cli, code_of(0))).create_and_approve()
        return await _open(services, request)
    finally:
        await services.database.close()


async def _open(services: Services, request: str) -> list[str]:
    code = code_of(0)
    cookies = [f"the-cookie-of-session-{n:06}-of-the-benchmark" for n in range(OPEN)]
    async with services.database.begin() as tx:
        hashed = services.secrets.mac(GATE_LABEL, KEY)
        await institutions.set_environment_secrets(tx, EnvironmentSecrets(code, ENVIRONMENT, hashed, None, None))
        grant = await grants.of_request(tx, code, request)
        if grant is None:
            raise RuntimeError("the request was not approved")
        now = await tx.now()
        first = _row(grant, now)
        for n, cookie in enumerate(cookies):
            row = replace(first, id=new_id("ses", now), jti=f"jti-{n}", credential=cookie_hash(services, cookie))
            await sessions.add(tx, seal_row(services.secrets, row))
    return cookies


def _row(grant: grants.GrantRow, now: datetime) -> SessionRow:
    return SessionRow(
        log=grant.log,
        id="",
        request=grant.request,
        grant=grant.id,
        jti="",
        client=None,
        audience="https://gateway.vendor.example/n0-alma",
        environment=grant.environment,
        account=grant.account,
        engineer_id=grant.engineer_id,
        credential=None,
        jkt=None,
        state="open",
        opened_at=now,
        opened_index=0,
        not_after=grant.not_after,
        ended_at=None,
        ended_because=None,
        segments=0,
        sealed=0,
        coverage=begun(now, gate=True, owed=False).to_data(),
        record_by=None,
        mac=b"",
        events=0,
        seen_at=now + timedelta(seconds=30),  # so that none is silent before its first turn comes
        seal_at=None,
    )


@contextmanager
def _service(url: str, directory: Path) -> Iterator[_Running]:
    """One process of the service, as in production, its worker elsewhere."""
    settings = {
        "COUNTERSIGN_DATABASE_URL": url,
        "COUNTERSIGN_BASE_URL": "https://countersign.example",
        "COUNTERSIGN_LOG_NAME": "countersign.example",
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_KEYS_DIR": str(directory / "keys"),
        "COUNTERSIGN_CHECKPOINT_STORE": (directory / "heads").as_uri(),
        "COUNTERSIGN_OBJECT_STORE": (directory / "objects").as_uri(),
        "COUNTERSIGN_SMTP_URL": "smtp://127.0.0.1:1",
        "COUNTERSIGN_MAIL_FROM": "countersign@countersign.example",
    }
    program = str(Path(sys.executable).with_name("countersign"))
    with _process(lambda port: [program, "serve", f"--port={port}", "--without-worker"], settings) as running:
        yield running


@contextmanager
def _uvicorn() -> Iterator[_Running]:
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--no-access-log", "--log-level=warning"]
    with _process(lambda port: [*command, f"--port={port}"], {}) as running:
        yield running


@contextmanager
def _process(command: Callable[[int], list[str]], settings: Mapping[str, str]) -> Iterator[_Running]:
    """A process that is told its port, once it listens. Raises `RuntimeError` where it does not."""
    port = find_free_port()
    with subprocess.Popen(command(port), env=os.environ | settings, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port, process)
            yield _Running(port, process.pid)
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError("what is measured does not listen")


def _memory(pid: int) -> float:
    """Resident memory of a process, in MB."""
    found = _RSS.search(Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError("the process has ended")
    return int(found[1]) / 1000
