"""A whole service in one process for tests: a real database, a real provider over HTTP, the actions in between.

The provider signs in at once whoever is asked for, so a journey is two requests; its lies (`provider.evil`) are those
of the identity room. Time is the host's, moved by `world.skip`; it stands still where `world.frozen` is set.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import httpx2

from app.actions import changes, decisions, drafting, enrolment, signin
from app.actions.answers import Answer
from app.actions.callback import Finished, finish
from app.actions.checkpoints import verifier_keys
from app.actions.export import export
from app.actions.filing import NewRequest, create
from app.actions.followers import Followers
from app.actions.institutions import apply
from app.actions.journey import Begun, Where
from app.actions.operators import operator
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.views import RequestView
from app.actions.world import read_world
from app.audit.report import Report
from app.audit.verify import verify_bundle
from app.bootstrap import asserting
from app.domain.institution import Institution
from app.identity.http import Fetcher
from app.identity.provider import Assert, ProviderClient
from app.storage import clients, institutions
from app.storage.database import Database
from app.storage.heads import FileHeads
from app.storage.object_store import ObjectStore
from app.tokens import keys
from app.tokens.clients import SCOPES, Caller
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets
from tests.fixtures.schema import have_schema
from tests.identity.malicious_provider import MaliciousProvider

CODE = "01EXU_INST"
HEAD, LIBRARIAN, DEPUTY, AUDITOR = (f"{who}@example.edu" for who in ("head", "librarian", "deputy", "auditor"))
GATEWAY = "https://gateway.vendor.example/exu-alma"
WHERE = Where("192.0.2.7", "tests")
WORLD = Path(__file__).with_name("world.toml")
TLS = httpx2.create_ssl_context()  # made once: it takes longer than a whole sign-in
Configure = Callable[[str], str]
"""What a test changes in the text of `world.toml`."""


class Road(Protocol):
    """To a provider as somebody, and back: the parameters that the browser brings."""

    @property
    def issuer(self) -> str: ...

    async def __call__(self, url: str, email: str) -> list[tuple[str, str]]: ...


def another_institution(code: str, of_environment: str = "") -> str:
    """A second institution for a world file, at the same provider, with a sandbox `alma-sandbox` in implementation."""
    return f"""
[[institutions]]
code = "{code}"
name = "Other University Library"
locale = "en"
timezone = "Europe/Vienna"
[institutions.identity_provider]
issuer = "$ISSUER"
client_id = "countersign"
client_secret = "secret"
[[institutions.environments]]
name = "alma-sandbox"
product = "alma"
tier = "sandbox"
phase = "implementation"
implementation_ends = "$ENDS"
url = "https://other.alma.vendor.example"
gateway_audience = "https://gateway.vendor.example/other-alma"
{of_environment}
[[institutions.people]]
email = "head@other.example"
name = "Other Head"
roles = ["approver", "admin"]
"""


@dataclass
class World:
    """The running world, over the database of `url`. `people` are those who signed in: their cookies, by address.

    `road`: to another provider than the lying one, which the world file then names.
    """

    url: str
    owner_url: str | None
    services: Services
    provider: MaliciousProvider
    codes: dict[str, str]
    directory: Path
    client: str = ""
    offset: timedelta = timedelta()
    frozen: datetime | None = None
    people: dict[str, str] = field(default_factory=dict)
    road: Road | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    cases: itertools.count[int] = field(default_factory=lambda: itertools.count(6_543_210))

    def now(self) -> datetime:
        return (self.frozen or datetime.now(UTC)) + self.offset

    def skip(self, length: timedelta) -> None:
        """Move every clock of this world."""
        self.offset += length

    @property
    def caller(self) -> Caller:
        """The support console, as an access token of its own would make it."""
        return Caller("support-console", self.client, SCOPES, frozenset({"*"}), frozenset({GATEWAY}))

    async def visitor(self, email: str) -> Visitor:
        """The person signed in, as they are now."""
        found = await signin.visitor(self.services, self.people[email])
        assert found is not None
        return found

    async def travel(self, begun: Begun, email: str, *, cookie: str | None = None, sub: str | None = None) -> Finished:
        """Follow a journey to the provider and back, as that person; the cookie is theirs unless another is given."""
        parameters = await self.visit(begun, email, sub=sub)
        kept = cookie if cookie is not None else self.people.get(email)
        return await finish(self.services, CODE, parameters, begun.cookie, kept, WHERE)

    async def visit(self, begun: Begun, email: str, *, sub: str | None = None) -> list[tuple[str, str]]:
        """Go to the provider as that person; the parameters that the browser brings back."""
        if self.road is not None:
            return await self.road(begun.url, email)
        async with self.turn, httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
            self.provider.email, self.provider.sub = email, sub or f"sub-of-{email}"
            answer = await client.get(begun.url)
        return parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True)

    async def sign_in(self, email: str, *, sub: str | None = None) -> Visitor:
        """Sign somebody in."""
        begun = await signin.begin(self.services, CODE, "/requests", None)
        finished = await self.travel(begun, email, sub=sub)
        assert finished.cookie is not None
        self.people[email] = finished.cookie
        return await self.visitor(email)

    async def enrol(self) -> None:
        """Everybody signs in, the first admin last, who confirms the enrolment."""
        for email in (LIBRARIAN, DEPUTY, AUDITOR, HEAD):
            await self.sign_in(email)
        await enrolment.enrol(self.services, await self.visitor(HEAD), self.codes[CODE], WHERE)

    def ask(self, **changes: Any) -> NewRequest:
        """What the console asks, a new case each time."""
        number = f"{next(self.cases):08}"
        asked: dict[str, Any] = {
            "institution": CODE,
            "environment": "alma-production",
            "account": "exl_impl",
            "case_number": number,
            "case_title": "Nightly fulfilment job fails",
            "case_url": f"https://support.vendor.example/cases/{number}",
            "severity": "high",
            "escalated": True,
            "engineer_id": "e1234",
            "engineer_name": "Tier 3 engineer",
            "engineer_email": "e1234@vendor.example",
            "works_from": "IE",
            "endorser_id": "e1200",
            "endorser_name": "Support lead",
            "extends": None,
            "reason": "Read the job's configuration and re-run it with tracing.",
            "roles": ("Fulfillment Administrator",),
            "not_before": None,
            "minutes": 240,
        }
        return NewRequest(**(asked | changes))

    async def file(self, **changes: Any) -> RequestView:
        """File a request."""
        return await create(self.services, self.caller, self.ask(**changes))

    async def draft(self, email: str, request_id: str, **answer: Any) -> str:
        """Answer on the form, as far as the check page."""
        given = {"decision": "approve", "window": "full", "roles": ("Fulfillment Administrator",)} | answer
        made = await drafting.answer(self.services, await self.visitor(email), request_id, Answer(**given))
        assert made is not None
        return made

    async def approve(self, email: str, request_id: str, **answer: Any) -> None:
        """Approve by a countersignature, the whole way."""
        draft = await self.draft(email, request_id, **answer)
        begun = await decisions.confirm(self.services, await self.visitor(email), request_id, draft, None)
        assert begun is not None
        self.people[email] = (await self.travel(begun, email)).cookie or ""

    async def countersign(self, email: str, change_id: str) -> None:
        """Countersign a change, the whole way."""
        who = await self.visitor(email)
        shown = await changes.change(self.services, who, change_id)
        begun = await changes.countersign(self.services, who, change_id, shown.digest, None)
        self.people[email] = (await self.travel(begun, email)).cookie or self.people[email]

    async def institution(self) -> Institution:
        """The institution as its row has it."""
        async with self.services.database.read() as tx:
            row = await institutions.read(tx, CODE)
        assert row is not None
        return Institution.from_data(row.state)

    async def bundle(self, request: str | None = None) -> Path:
        """The auditor's export, as a file."""
        path = self.directory / f"bundle-{next(self.cases)}.zip"
        exported = await export(self.services, await self.sign_in(AUDITOR), CODE, request)
        with path.open("wb") as file:
            async for piece in exported.pieces:
                file.write(piece)
        return path

    async def verify(self, path: Path) -> Report:
        """What the offline verifier says, anchored by what the institution itself would bring."""
        issuer = self.provider.issuer if self.road is None else self.road.issuer
        async with httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
            jwks = (await client.get(f"{issuer}/jwks")).json()
        vkeys = await verifier_keys(self.services, CODE)
        return verify_bundle(path, vkeys=vkeys, idp_jwks=[jwks], enrolment=self.codes[CODE])

    async def deny(self, email: str, request_id: str) -> None:
        """Deny."""
        draft = await self.draft(email, request_id, decision="deny", why="Not today.")
        await decisions.confirm(self.services, await self.visitor(email), request_id, draft, None)


def provider_client(timeout_s: float = 10, assertion: Assert | None = None) -> ProviderClient:
    """A client that has asked no provider yet."""
    fetcher = Fetcher(allow_private=True, allow_http=True, tls=TLS, total_timeout_s=timeout_s)
    return ProviderClient(fetcher) if assertion is None else ProviderClient(fetcher, assertion)


@asynccontextmanager
async def run_world(
    url: str, owner_url: str | None, directory: Path, configure: Configure = str
) -> AsyncIterator[World]:
    """A world over a database, migrated and with the institution applied, not yet enrolled."""
    await have_schema(url, owner_url)
    keys.create(directory / "keys")
    ring = KeyRing(directory / "keys")
    with MaliciousProvider(clients={"countersign": "secret", "countersign-approvals": "other secret"}) as provider:
        world = World.__new__(World)
        database = Database(url, clock=lambda: world.now())  # noqa: PLW0108 -- the world is initialised after its database
        services = Services(
            database=database,
            follow=Followers(database),
            secrets=Secrets(b"a secret key of forty bytes, for tests.."),
            ring=ring,
            heads=FileHeads(directory / "heads"),
            objects=ObjectStore((directory / "objects").as_uri()),
            provider=provider_client(assertion=asserting(ring)),
            webhooks=Fetcher(allow_private=True, allow_http=True, tls=TLS, total_timeout_s=2),
            smtp=None,
            mail_from="countersign@countersign.example",
            base_url="http://countersign.test",
            log_name="countersign.example",
            requests_per_hour=100_000,
            version="0",
        )
        World.__init__(world, url, owner_url, services, provider, {}, directory)
        provider.clock = lambda: world.now().timestamp()
        try:
            ends = (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
            text = configure(WORLD.read_text()).replace("$ISSUER", provider.issuer).replace('"$ENDS"', ends)
            read = read_world(text.encode(), environ={}, folder=directory, allow_http=True)
            applied = await apply(services, read, operator(services, "tests"))
            assert not applied.refused
            world.codes |= {code: enrolment_code or "" for code, enrolment_code in applied.created}
            async with database.read() as tx:
                world.client = (await clients.read_all(tx))[0].id
            yield world
        finally:
            await database.close()
