"""`gate_check`: checks at the gate a second of one process, each authorised by fresh rows and recorded before it is
answered, 32 connections; beside pgbench's single commits of the same insert, and beside uvicorn that answers nothing.

10,000 sessions are open, and each connection goes round all of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from app.actions import gatekeys
from app.actions.credentials import GATE_COOKIE, cookie_hash
from app.actions.opening import GATE_LABEL
from app.actions.services import Services
from app.actions.watched import seal_row
from app.domain.ids import new_id
from app.identity.browser import cookie_name
from app.storage import grants, institutions, sessions
from app.storage.institutions import EnvironmentSecrets
from bench.load import Served, run_load
from bench.measure import ROUNDS, Result
from bench.provider import new_key
from bench.server import Server, run_server
from bench.service import Running, memory_of, run_process, run_service, session_row
from bench.world import Desk, build_services, code_of, populate

CONNECTIONS = 32
SECONDS = 5
OPEN = 10_000
KEY = "the-key-of-the-gate-of-the-benchmark"
ENVIRONMENT = "alma-production"
SCRIPT = Path(__file__).with_suffix(".sql")


def run() -> Iterator[Result]:
    """The rate beside both limits, the 99th percentile beside the median, memory beside what it was at first."""
    with ExitStack() as stack:
        server = stack.enter_context(run_server())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-"))
        cookies = asyncio.run(_prepare(server.urls.app, Path(folder)))
        ours = stack.enter_context(run_service(server.urls.app, Path(folder)))
        bare = stack.enter_context(_uvicorn())
        asked = [_request(cookie) for cookie in cookies]
        _round(ours, asked[:CONNECTIONS])
        before = memory_of(ours.pid)
        rounds = [(_round(ours, asked), _commits(server), _round(bare, asked)) for _ in range(ROUNDS + 1)][1:]
        after = memory_of(ours.pid)
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


def _round(process: Running, asked: list[bytes]) -> Served:
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
        key = EnvironmentSecrets(code, ENVIRONMENT, hashed, None, None)
        await institutions.set_environment_secrets(tx, gatekeys.sealed(services.secrets, key))
        grant = await grants.of_request(tx, code, request)
        if grant is None:
            raise RuntimeError("the request was not approved")
        now = await tx.now()
        first = session_row(grant, now, client=None)
        for n, cookie in enumerate(cookies):
            row = replace(first, id=new_id("ses", now), jti=f"jti-{n}", credential=cookie_hash(services, cookie))
            await sessions.add(tx, seal_row(services.secrets, row))
    return cookies


@contextmanager
def _uvicorn() -> Iterator[Running]:
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--no-access-log", "--log-level=warning"]
    with run_process(lambda port: [*command, f"--port={port}"], {}) as running:
        yield running
