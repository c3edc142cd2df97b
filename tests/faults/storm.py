"""One run: the parts, the people and systems at work, the killer, and what is gathered in the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from app import bootstrap
from app.actions import deliver, introspection
from app.actions.services import Services
from app.settings import PREFIX, load
from app.tokens.clients import SCOPES, Caller
from tests.actions.worlds import AUDITOR, CODE, HEAD, TLS, WORLD
from tests.faults.console import Console
from tests.faults.history import Call, History
from tests.faults.provider import Provider
from tests.faults.service import Service
from tests.faults.stories import APPROVERS, ONE, SUPPORT, Teller
from tests.faults.tab import Tab
from tests.faults.trail import Trail

TELLERS = 5
COLD_EVERY = 25
"""Every so many starts are by the console script, imports and all."""
COMMITTED = 0.3
"""The share of kills that come right after a commit, before its answer; the others come at random within a call."""
STILLBORN = 0.06
"""The share of kills that come before the service listens."""
AUDIENCES = [f"https://gateway.vendor.example/exu-{product}" for product in ("alma", "esploro")]


@dataclass
class Storm:
    """A service, who uses it, and who kills it. `inside`: kills within a transaction that writes; `outages`: when each
    struck, after how many seconds the service was ready again, and after how many it had filed a request.
    """

    service: Service
    provider: Provider
    folder: Path
    random: Random
    history: History = field(default_factory=History)
    kills: int = 0
    inside: int = 0
    in_flight: int = 0
    codes: dict[str, str] = field(default_factory=dict)
    outages: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.console = Console(self.service, self.history, self.random)

    async def prepare(self) -> None:
        """Tables, the world, everybody enrolled, the service up."""
        await self._run("migrate")
        world = self.folder / "world.toml"
        world.write_text(_world(self.provider.issuer), encoding="utf-8")
        said = await self._run("apply", world, "--json")
        self.codes = {each["institution"]: each["enrolment_code"] for each in map(json.loads, said.splitlines())}
        self.service.launch()
        await self.service.ready()
        await self.console.sign_in()
        await self._enrol()

    async def _enrol(self) -> None:
        async with Tab(self.service, self.history, HEAD) as head:
            page = await head.open(f"/enrol/{CODE}")
            form = page.form(f"/enrol/{CODE}")
            await head.press(form, "enrol", CODE, enrolment_code=self.codes[CODE])
            for email in APPROVERS.keys() - {HEAD}:
                async with Tab(self.service, self.history, email) as tab:
                    await tab.sign_in()
                people = await head.open("/settings/people")
                await head.press(people.form("/settings/people"), "confirm", email, binding="confirm")

    async def rage(self, strike: Callable[[], Awaitable[None]], tellers: int = TELLERS) -> None:
        """Let everybody work while it strikes, and the stories under way then come to their end."""
        over = asyncio.Event()
        told = [Teller(self.service, self.history, self.console, Random(self.random.random())) for _ in range(tellers)]
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for teller in told:
                await teller.prepare(stack)
            for teller in told:
                group.create_task(teller.tell(over))
            witness = group.create_task(self._witness())
            await strike()
            over.set()
            witness.cancel()

    async def _witness(self) -> None:
        """Somebody who fetches a checkpoint after every few answers."""
        while True:
            await self.history.answers(10)
            await self.console.checkpoint()

    async def kill_often(self, kills: int) -> None:
        """Kill the service so many times."""
        for n in range(kills):
            await self.history.answers(self.random.randint(2, 10))
            call = await self.history.decides()
            if self.random.random() < COMMITTED:
                await self._commits(call)
            else:
                await asyncio.sleep(self.random.uniform(0, 1.2 * self.history.length(call.kind)))
            await self._kill()
            killed = time.monotonic()
            while self.random.random() < STILLBORN and self.kills < kills:
                self.service.launch()
                await asyncio.sleep(self.random.uniform(0, 0.4))
                await self._kill()
            await (self.service.launch_cold() if n % COLD_EVERY == 0 else self._launch())
            await self.service.ready()
            await self.survived(killed)
            if self.kills >= kills:
                return

    async def survived(self, struck: float) -> None:
        """It is ready: note after how long, and after how long it takes a request."""
        ready = time.monotonic() - struck
        await self.console.file(SUPPORT, ONE)
        self.outages.append((struck, ready, time.monotonic() - struck))

    async def _commits(self, call: Call) -> None:
        """Wait for a commit while the call is not answered yet."""
        before = self.service.probe.size()
        while call in self.history.running and self.service.probe.size() == before:  # noqa: ASYNC110 -- asked beside it
            await asyncio.sleep(0)

    async def _launch(self) -> None:
        self.service.launch()

    async def _kill(self) -> None:
        def look() -> None:
            self.in_flight += bool(self.history.changing())

        self.inside += await self.service.kill(look)
        self.kills += 1

    async def abandon(self) -> None:
        """End whatever still runs."""
        await self.console.close()
        await self.service.abandon()

    async def close(self) -> Outcome:
        """Look at everything a last time, take the trail home, stop, deliver what is left."""
        filed = {call.answer["id"] for call in self.history.acknowledged("create")}
        statuses = {each: (await self.console.read(each))["status"] for each in filed}
        for request, token in self._tokens().items():
            await self.console.introspect(request, token)
        async with Tab(self.service, self.history, AUDITOR) as auditor:
            page = await auditor.open("/trail")
            bundle = self.folder / "bundle.zip"
            bundle.write_bytes(await auditor.download(page.form("/trail/export"), **{"as": "bundle"}))
        async with httpx2.AsyncClient(trust_env=False, verify=TLS) as client:
            jwks = (await client.get(f"{self.provider.issuer}/jwks")).content
        keys = await self.console.verifier_keys()
        await self.service.stop()
        (self.folder / "jwks.json").write_bytes(jwks)
        return Outcome(bundle, Trail.read(bundle), statuses, keys)

    def _tokens(self) -> dict[str, str]:
        return {call.what: call.answer["token"] for call in self.history.acknowledged("mint")}

    async def deliver_rest(self) -> None:
        """What a worker delivers once the leases of those that were killed are over."""
        async with self._services_in(deliver.LEASE + timedelta(seconds=1)) as services:
            while await deliver.deliver(services):
                pass

    async def active_after(self, length: timedelta) -> int:
        """How many tokens are still active then."""
        caller = Caller("support-console", "", SCOPES, frozenset({"*"}), frozenset(AUDIENCES))
        async with self._services_in(length) as services:
            answers = [await introspection.introspect(services, caller, token) for token in self._tokens().values()]
        return sum(answer["active"] for answer in answers)

    @asynccontextmanager
    async def _services_in(self, length: timedelta) -> AsyncIterator[Services]:
        services = bootstrap.build(load(self.service.settings), clock=lambda: datetime.now(UTC) + length)
        try:
            yield services
        finally:
            await bootstrap.close(services)

    async def verify(self, outcome: Outcome, receipts: list[bytes]) -> dict[str, Any]:
        """The offline verifier's report, with what the institution itself would bring."""
        arguments: list[str | Path] = ["verify", outcome.bundle, "--json", f"--enrolment={self.codes[CODE]}"]
        arguments += [f"--vkey={key}" for key in outcome.keys]
        arguments.append(f"--idp-jwks={self.folder / 'jwks.json'}")
        for n, receipt in enumerate(receipts):
            path = self.folder / f"receipt-{n}.eml"
            path.write_bytes(receipt)
            arguments.append(f"--receipt={path}")
        return dict(json.loads(await self._run(*arguments)))

    async def doctor(self) -> str:
        """Every tree rebuilt, every trail replayed, compared with the tables."""
        return await self._run("doctor")

    async def _run(self, *arguments: str | Path) -> str:
        return await self.service.nursery.run(arguments, self.service.settings)

    def figures(self) -> dict[str, Any]:
        """What the run amounts to."""
        broke_off = [call for call in self.history.calls if call.outcome == "unknown"]
        return {
            "kills": self.kills,
            "in_flight": self.in_flight,
            "inside": self.inside,
            "starts": self.service.starts,
            "calls": len(self.history.calls),
            "unknown": dict(sorted(Counter(call.kind for call in broke_off).items())),
            "unknown, yet done": sum(call.answer.get("found", False) for call in broke_off),
            "ready within s": round(max((ready for _, ready, _ in self.outages), default=0.0), 2),
            "writes out for s": round(max((again for _, _, again in self.outages), default=0.0), 2),
        }


@dataclass(frozen=True)
class Outcome:
    """What was gathered: the bundle, its trail, each request's status, the trail's verifier keys."""

    bundle: Path
    trail: Trail
    statuses: Mapping[str, str]
    keys: list[str]


def settings(folder: Path, port: int, smtp_url: str, url: str, owner_url: str | None) -> dict[str, str]:
    """The environment of a service in a folder."""
    values = {
        "DEVELOPMENT": "true",
        "BASE_URL": f"http://127.0.0.1:{port}",
        "DATABASE_URL": url,
        "KEYS_DIR": str(folder / "keys"),
        "CHECKPOINT_STORE": (folder / "checkpoints").as_uri(),
        "OBJECT_STORE": (folder / "objects").as_uri(),
        "SMTP_URL": smtp_url,
        "ALLOW_PRIVATE_NETWORKS": "true",
        "REQUESTS_PER_HOUR": "100000",
    }
    if owner_url is not None:
        values["OWNER_DATABASE_URL"] = owner_url
    return {PREFIX + name: value for name, value in values.items()}


def _world(issuer: str) -> str:
    ends = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
    text = WORLD.read_text(encoding="utf-8").replace("$ISSUER", issuer).replace('"$ENDS"', ends)
    policy = "approvals_required = 1"
    assert policy in text
    text = text.replace(policy, f"{policy}\nsecond_approval_over_minutes = 240")
    return text.replace(f'audiences = ["{AUDIENCES[0]}"]', f"audiences = {json.dumps(AUDIENCES)}")
