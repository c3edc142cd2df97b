"""The gate under load: the service as a process that may be killed, real nginx and environment, engineers inside."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg

from app.settings import PREFIX
from demo.gateway import Gateway, start_environment, start_gateway
from demo.parts import find_free_port
from tests.actions.gating import ENGINEER, ESPLORO, KEYS, with_gates
from tests.actions.worlds import CODE, TLS, WORLD
from tests.faults.console import CLIENT
from tests.faults.console import ENGINEER as WHO
from tests.faults.nursery import Nursery
from tests.faults.service import PostgresProbe, Service
from tests.fixtures.nginx import require_nginx
from tests.fixtures.postgres import DatabaseUrls, PostgresServer
from tests.gate.engineer import reached
from tests.identity.malicious_provider import MaliciousProvider


@dataclass
class Yard:
    """Everything that runs, and the cookies of the engineers inside."""

    service: Service
    gateway: Gateway
    vendor: MaliciousProvider
    database: str
    log: Path
    cookies: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    passed: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    def browser(self, cookie: str | None = None) -> httpx2.AsyncClient:
        """Somebody at the gateway."""
        cookies = {} if cookie is None else {"countersign-gate": cookie}
        return httpx2.AsyncClient(
            base_url=self.gateway.origin, cookies=cookies, verify=TLS, trust_env=False, timeout=30
        )

    async def enter(self) -> None:
        """An engineer gets a request, a token, and in."""
        async with httpx2.AsyncClient(
            base_url=self.service.base_url, verify=TLS, trust_env=False, timeout=30
        ) as console:
            signed_in = await console.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=CLIENT)
            console.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
            filed = await console.post("/v1/access-requests", json=_body(next(self._numbers)))
            assert filed.status_code == 201, filed.text
            minted = await console.post(f"/v1/access-requests/{filed.json()['id']}/token")
        async with self.browser() as browser:
            leaves = await browser.post("/countersign/gate/enter", data={"token": minted.json()["access_token"]})
            assert leaves.status_code == 303, leaves.text
            back = (await browser.get(leaves.headers["location"])).headers["location"]
            entered = await browser.get(back)
            assert entered.status_code == 303, entered.text
            self.cookies.append(entered.cookies["countersign-gate"])

    async def click(self, browser: httpx2.AsyncClient) -> int:
        """One request, unlike any other; its status, 0 where none came."""
        path = f"/click/{next(self._numbers)}"
        try:
            status = (await browser.get(path)).status_code
        except httpx2.TransportError:
            status = 0
        if status == 200:
            self.passed.append(f"GET {path}")
        self.answers[status] += 1
        return status

    async def work(self, cookie: str, over: asyncio.Event) -> None:
        """Click until it is over."""
        async with self.browser(cookie) as browser:
            while not over.is_set():
                await self.click(browser)

    def recorded(self) -> list[str]:
        """Every request that was recorded as a session's activity."""
        with psycopg.connect(self.database) as connection:
            rows = connection.execute("SELECT summary FROM session_events WHERE kind = 'request'").fetchall()
        return [summary for (summary,) in rows]

    def reached(self) -> list[str]:
        """Every request that reached the environment."""
        return [f"{each['method']} {each['uri']}" for each in reached(self.log)]


@asynccontextmanager
async def run_yard(server: PostgresServer, urls: DatabaseUrls, folder: Path) -> AsyncIterator[Yard]:
    """The yard, with nobody inside yet."""
    program = require_nginx()
    service_port = find_free_port()
    gateway = Gateway(find_free_port(), service_port, find_free_port(), KEYS[ESPLORO])
    log = folder / "environment.jsonl"
    with ExitStack() as stack:
        vendor = stack.enter_context(MaliciousProvider(sub=ENGINEER, clients={"countersign": "vendor secret"}))
        nursery = stack.enter_context(Nursery(folder))
        probe = stack.enter_context(PostgresProbe(server.admin_url, urls.app))
        parts = [start_environment(gateway.environment, log), start_gateway(program, gateway, folder / "gateway")]
        for part in parts:
            stack.callback(part.stop)
            part.wait()
        service = Service(nursery, _settings(folder, service_port, urls), service_port, probe)
        await nursery.run(["migrate"], service.settings)
        (folder / "world.toml").write_text(_world(vendor.issuer, gateway), encoding="utf-8")
        await nursery.run(["apply", folder / "world.toml"], service.settings)
        try:
            service.launch()
            await service.ready()
            yield Yard(service, gateway, vendor, urls.app, log)
        finally:
            await service.abandon()


def _settings(folder: Path, port: int, urls: DatabaseUrls) -> dict[str, str]:
    values = {
        "DEVELOPMENT": "true",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": urls.app,
        "OWNER_DATABASE_URL": urls.owner,
        "KEYS_DIR": str(folder / "keys"),
        "CHECKPOINT_STORE": (folder / "checkpoints").as_uri(),
        "OBJECT_STORE": (folder / "objects").as_uri(),
        "ALLOW_PRIVATE_NETWORKS": "true",
    }
    return {PREFIX + name: value for name, value in values.items()}


def _world(issuer: str, gateway: Gateway) -> str:
    """No approver signs in here, so the institution's provider is only named."""
    ends = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
    text = with_gates(WORLD.read_text(encoding="utf-8"), issuer).replace("$ISSUER", "http://127.0.0.1:9")
    text = text.replace("https://gateway.vendor.example/exu-esploro", f"{gateway.origin}/exu-esploro")
    assert urlsplit(gateway.origin).port == gateway.port
    return text.replace('"$ENDS"', ends)


def _body(number: int) -> dict[str, Any]:
    return {
        "institution": CODE,
        "environment": ESPLORO,
        "account": "exl_impl",
        "case": {"number": f"{number:08}", "title": "Nightly job fails", "severity": "high", "escalated": True},
        "engineer": WHO,
        "reason": "Read the configuration of the job and run it again with tracing.",
        "roles": [],
        "window": {"not_before": None, "minutes": 240},
    }
