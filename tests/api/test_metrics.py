"""What Prometheus is told: counts, ages, alarms; to whoever has the token alone; by one process or by several."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.actions import grants
from app.actions.ledger import write
from app.actions.measuring import Gauges
from app.actions.meters import TOGETHER
from app.domain.errors import Unavailable
from app.domain.events import SERVICE, Event
from app.main import create_app
from app.settings import load
from app.storage import nodes, witnesses
from app.storage.database import Transaction
from app.storage.heads import FileHeads, SignedHead
from app.storage.witnesses import WitnessRow, WitnessSize
from demo.parts import find_free_port, run_part
from tests.actions.gating import ESPLORO, KEYS, Gates, run_gates
from tests.actions.worlds import CODE, LIBRARIAN, World
from tests.faults.service import COUNTERSIGN

TOKEN = "the token of metrics, for tests"
SCANNED = {"environment": "alma-production", "users": 0, "opened": 0, "closed": 0, "evidence": []}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """The samples of an exposition, by name and labels."""
    families = text_string_to_metric_families(text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"countersign_{name}", frozenset(labels.items())]


@dataclass
class Watched:
    """A world with gates, its application, and whoever scrapes it; `app` keeps no reading from one to the next."""

    gates: Gates
    app: FastAPI
    http: httpx2.AsyncClient

    @property
    def world(self) -> World:
        return self.gates.world

    async def scrape(self) -> Samples:
        self.app.state.gauges = Gauges(self.world.services)
        answer = await self.http.get("/metrics", headers=BEARER)
        assert answer.status_code == 200, answer.text
        return read(answer.text)


BOTH = pytest.mark.parametrize(
    "watched", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
async def watched(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Watched]:
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if getattr(request, "param", "sqlite") == "postgresql":
        urls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with run_gates(url, owner_url, tmp_path) as gates:
        gates.world.services = replace(gates.world.services, metrics_token=TOKEN)
        app = create_app(gates.world.services, load({"COUNTERSIGN_DEVELOPMENT": "true"}))
        base = gates.world.services.base_url
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=base) as http:
            yield Watched(gates, app, http)


async def test_nobody_reads_metrics_without_the_token_nor_where_none_is_set(watched: Watched) -> None:
    http = watched.http
    for shown in ({}, {"Authorization": "Bearer another token of metrics"}, {"Authorization": f"Basic {TOKEN}"}):
        refused = await http.get("/metrics", headers=shown)
        assert (refused.status_code, refused.json()["status"]) == (401, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
    watched.app.state.services = replace(watched.world.services, metrics_token=None)
    assert (await http.get("/metrics", headers=BEARER)).status_code == 404


async def test_calls_are_counted_by_route_and_status_and_refusals_by_problem(watched: Watched) -> None:
    http = watched.http
    await http.get("/r/AAAAAAAAAAAA")
    await http.get("/callback/NOWHERE?state=guessed")
    await http.request("BREW", "/coffee")
    samples = await watched.scrape()
    assert value(samples, "http_requests_total", method="GET", route="/r/{short}", status="404") == 1
    assert value(samples, "http_requests_total", method="other", route="none", status="404") == 1
    assert value(samples, "refusals_total", problem="sign-in-astray") == 1
    assert not any("coffee" in str(key) or "AAAA" in str(key) or "NOWHERE" in str(key) for key in samples)


@BOTH
async def test_requests_decisions_mails_and_sessions_are_told_with_their_ages(watched: Watched) -> None:
    world = watched.world
    await world.enrol()
    filed, denied = await world.file(), await world.file()
    world.skip(timedelta(minutes=5))
    await world.approve(LIBRARIAN, filed.row.id)
    await world.deny(LIBRARIAN, denied.row.id)
    await world.file()
    await grants.mint(world.services, world.caller, filed.row.id)
    samples = await watched.scrape()
    assert value(samples, "requests", status="pending") == 1
    assert value(samples, "requests", status="active") == 1
    assert 300 <= value(samples, "request_age_seconds", status="active") < 3600
    assert value(samples, "request_age_seconds", status="pending") < 300
    verdicts = [value(samples, "decisions_total", verdict=verdict) for verdict in ("approve", "deny")]
    assert verdicts == [1, 1]
    assert value(samples, "events_total", type="request.created") == 3
    assert value(samples, "events_total", type="token.issued") == 1
    queued = value(samples, "events_total", type="mail.queued")
    assert value(samples, "deliveries", kind="mail") == queued > 3
    assert value(samples, "delivery_age_seconds", kind="mail") >= 300
    assert value(samples, "deliveries", kind="webhook") == 0
    assert value(samples, "log_entries", institution=CODE) > 10
    assert value(samples, "database_up") == 1


async def test_an_event_that_was_rolled_back_is_not_counted(watched: Watched) -> None:
    before = await watched.scrape()
    with pytest.raises(ZeroDivisionError):
        async with write(watched.world.services, CODE) as book:
            book.add(Event("scan.completed", CODE, SERVICE, SCANNED))
            await book.append()
            raise ZeroDivisionError
    assert ("countersign_events_total", frozenset({("type", "scan.completed")})) not in await watched.scrape()
    assert value(before, "log_entries", institution=CODE) == value(
        await watched.scrape(), "log_entries", institution=CODE
    )


async def test_checks_at_the_gate_are_timed_by_what_they_answered(watched: Watched) -> None:
    gates = watched.gates
    cookie = await gates.enter((await gates.token())[1])
    headers = {"Countersign-Gate-Key": KEYS[ESPLORO], "X-Original-Method": "GET", "X-Original-URI": "/"}
    for shown in (cookie, cookie, "no cookie of ours"):
        await watched.http.get("/gate/check", headers=headers | {"Cookie": f"countersign-gate={shown}"})
    samples = await watched.scrape()
    counts = [value(samples, "gate_check_seconds_count", answer=answer) for answer in ("pass", "refused", "failed")]
    assert counts == [2, 1, 0]
    assert value(samples, "sessions", state="open") == 1


@BOTH
async def test_whoever_waits_for_a_worker_or_a_witness_is_told_by_its_age(watched: Watched) -> None:
    world = watched.world
    await world.file(environment="esploro-sandbox")
    async with world.services.database.begin() as tx:
        await witnesses.declare(tx, [WitnessRow("witness.example/w1+0123abcd+AAAA", "https://witness.example")])
    world.skip(timedelta(hours=3))
    waits = await watched.scrape()
    assert value(waits, "unpublished_seconds") >= 3 * 3600
    assert value(waits, "unwitnessed_seconds") >= 3 * 3600
    logs = sum(key[0] == "countersign_log_entries" for key in waits)
    assert value(waits, "unwitnessed_logs") == logs
    assert value(waits, "witness_logs_behind", witness="witness.example/w1", problem="waiting") == logs
    world.skip(timedelta(hours=3))
    assert 3600 <= value(await watched.scrape(), "clock_overdue_seconds") < 3 * 3600
    async with world.services.database.begin() as tx:
        for log, _, size in await nodes.sizes(tx):
            await witnesses.followed(
                tx, WitnessSize(log, "witness.example/w1+0123abcd+AAAA", size, None, await tx.now())
            )
    done = await watched.scrape()
    assert (value(done, "unwitnessed_logs"), value(done, "unwitnessed_seconds")) == (0, 0)
    assert value(done, "witness_logs_behind", witness="witness.example/w1", problem="waiting") == 0


async def test_a_rolled_back_log_and_a_database_that_is_gone_raise_their_alarms(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = watched.world.services
    assert value(await watched.scrape(), "rolled_back_logs") == 0
    assert services.heads.swap(None, SignedHead(services.origin(CODE), 1000, bytes(32)))
    assert value(await watched.scrape(), "rolled_back_logs") == 1
    assert isinstance(services.heads, FileHeads)
    path = services.heads._path(services.origin(CODE))
    path.write_bytes(b"damaged")
    samples = await watched.scrape()
    assert value(samples, "checkpoint_store_up") == 0
    assert ("countersign_rolled_back_logs", frozenset()) not in samples

    def gone() -> AbstractAsyncContextManager[Transaction]:
        raise Unavailable("the database cannot be reached")

    monkeypatch.setattr(services.database, "read", gone)
    samples = await watched.scrape()
    assert value(samples, "database_up") == 0
    assert ("countersign_requests", frozenset({("status", "pending")})) not in samples


async def test_a_reading_is_kept_for_a_few_seconds_and_made_once_for_all_who_ask(watched: Watched) -> None:
    gauges = Gauges(watched.world.services)
    first, second = await asyncio.gather(gauges.read(), gauges.read())
    assert first is second is await gauges.read()
    assert first is not None


async def test_openmetrics_is_told_to_whoever_asks_for_it(watched: Watched) -> None:
    asked_for = BEARER | {"Accept": "application/openmetrics-text;version=1.0.0"}
    answer = await watched.http.get("/metrics", headers=asked_for)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("processes", [1, 2])
def test_the_processes_of_a_service_are_counted_together(processes: int, tmp_path: Path) -> None:
    port = find_free_port()
    settings = {
        "COUNTERSIGN_DEVELOPMENT": "true",
        "COUNTERSIGN_METRICS_TOKEN": TOKEN,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path}/countersign.db",
        "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{port}",
        "COUNTERSIGN_KEYS_DIR": str(tmp_path / "keys"),
        "COUNTERSIGN_CHECKPOINT_STORE": str(tmp_path / "heads"),
        "COUNTERSIGN_OBJECT_STORE": str(tmp_path / "objects"),
        "TMPDIR": str(tmp_path),
    }
    environ = {name: text for name, text in os.environ.items() if name != TOGETHER} | settings
    subprocess.run([COUNTERSIGN, "migrate"], env=environ, check=True, capture_output=True)
    command: list[str | Path] = [COUNTERSIGN, "serve", "--without-worker", f"--port={port}", f"--workers={processes}"]
    pids, calls = set[str](), 0
    with run_part(command, "startup complete", env=environ), httpx2.Client(trust_env=False, timeout=60) as http:
        deadline = time.monotonic() + 60
        while (len(pids) < processes or calls < 5) and time.monotonic() < deadline:
            answer = http.get(f"http://127.0.0.1:{port}/metrics", headers=BEARER | {"Connection": "close"})
            assert answer.status_code == 200, answer.text
            samples = read(answer.text)
            pids |= {pid for name, labels in samples if name == "process_open_fds" for _, pid in labels}
            if calls:
                assert value(samples, "http_requests_total", method="GET", route="/metrics", status="200") == calls
            calls += 1
    assert len(pids) >= processes  # one that is slow to answer its parent is replaced
