"""`activity_batch`: events a second that one process takes from gateways in reports of 100, each report durable before
it is answered, 32 connections; beside pgbench's single commits of the same insert.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

import httpx2
import orjson

from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.services import Services
from app.actions.watched import seal_row
from app.actions.world import read_client
from app.domain.ids import new_id
from app.storage import clients, grants, sessions
from bench.load import Served, run_load
from bench.measure import ROUNDS, Result
from bench.provider import new_key
from bench.server import Server, run_server
from bench.service import Running, memory_of, run_service, session_row
from bench.world import Desk, build_services, code_of, populate

CONNECTIONS = 32
SECONDS = 5
BATCH = 100
OPEN = 64
CLIENT, SECRET = "gateway", "cs_the_secret_of_the_gateway_of_the_bench"
AUDIENCE = "https://gateway.vendor.example/n0-alma"
SCRIPT = Path(__file__).with_suffix(".sql")
_EVENT = {
    "at": "2026-11-22T10:02:11.5Z",
    "kind": "page",
    "summary": "Opened: Authority control task list",
    "detail": {"method": "GET", "path": "/admin/authority/tasks", "status": 200},
}


def run() -> Iterator[Result]:
    """Events beside single commits, the 99th percentile of a report beside the median, memory beside what it was."""
    with ExitStack() as stack:
        server = stack.enter_context(run_server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        opened = asyncio.run(_prepare(server.urls.app, folder))
        ours = stack.enter_context(run_service(server.urls.app, folder))
        token = _token(ours.port)
        asked = [_request(session, token) for session in opened]
        _round(ours, asked)
        before = memory_of(ours.pid)
        rounds = [(_round(ours, asked), _commits(server)) for _ in range(ROUNDS)]
        after = memory_of(ours.pid)
    reports, commits = zip(*rounds, strict=True)
    events, limit = BATCH * median(each.rate for each in reports), median(commits)
    words = "pgbench, single commits of the same insert"
    yield Result("activity_batch", events, "events/s", limit, words, events / limit, ROUNDS)
    p99, p50 = (median(getattr(each, name) for each in reports) for name in ("p99", "p50"))
    yield Result("activity_batch_p99", p99, "ms", p50, "its own median", p99 / p50, ROUNDS)
    yield Result("activity_batch_memory", after, "MB", before, "after the first round", after / before, 1)


def _round(process: Running, asked: list[bytes]) -> Served:
    return run_load(process.port, asked, b'"continue":true', connections=CONNECTIONS, seconds=SECONDS)


def _commits(server: Server) -> float:
    return server.pgbench(SCRIPT, "prepared", clients=CONNECTIONS, seconds=SECONDS, variables={})


def _token(port: int) -> str:
    """An access token of the gateway, as it gets one."""
    form = {"grant_type": "client_credentials"}
    answer = httpx2.post(f"http://127.0.0.1:{port}/oauth2/token", data=form, auth=(CLIENT, SECRET))
    return str(answer.json()["access_token"])


def _request(session: str, token: str) -> bytes:
    body = orjson.dumps({"events": [_EVENT] * BATCH})
    head = [
        f"POST /v1/sessions/{session}/activity HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def _prepare(url: str, directory: Path) -> list[str]:
    """An institution, a gateway's client, an approved request, and sessions open on it; their ids."""
    jwk = new_key()
    cli = await populate(url, directory, jwk, 1)
    services, edge = build_services(url, directory, jwk, 2)
    try:
        spec = read_client(CLIENT, SECRET, ["sessions"], ["*"], [AUDIENCE])
        await add_client(services, operator(services, "bench"), spec)
        request = await (await Desk.open(services, edge, cli, code_of(0))).create_and_approve()
        return await _open(services, request)
    finally:
        await services.database.close()


async def _open(services: Services, request: str) -> list[str]:
    async with services.database.begin() as tx:
        (gateway,) = [row.id for row in await clients.read_all(tx) if row.client_id == CLIENT]
        grant = await grants.of_request(tx, code_of(0), request)
        if grant is None:
            raise RuntimeError("the request was not approved")
        now = await tx.now()
        first = session_row(grant, now, client=gateway)
        rows = [replace(first, id=new_id("ses", now), jti=f"jti-{n}") for n in range(OPEN)]
        for row in rows:
            await sessions.add(tx, seal_row(services.secrets, row))
    return [row.id for row in rows]
