"""A service with many enrolled institutions, and the two people of a request: the vendor's console and an approver."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from app.actions import decisions, drafting, enrolment, signin
from app.actions.answers import Answer
from app.actions.callback import finish
from app.actions.filing import NewRequest, create
from app.actions.followers import Followers
from app.actions.institutions import apply
from app.actions.journey import Where
from app.actions.once import Answer as Kept
from app.actions.once import Key, once
from app.actions.operators import operator
from app.actions.services import Services
from app.actions.world import read_world
from app.identity.http import Fetcher
from app.identity.provider import ProviderClient
from app.storage import clients
from app.storage.database import Database
from app.storage.heads import FileHeads
from app.storage.object_store import ObjectStore
from app.tokens import keys
from app.tokens.clients import SCOPES, Caller
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets
from bench.provider import ProviderAtTheEdge

SECRET_KEY = "a secret key of forty bytes, for the bench"  # noqa: S105 -- of a database that lives for one benchmark
WHERE = Where("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0")
ROLES = ("Fulfillment Administrator", "General System Administrator")
_VENDOR = """
[vendor]
name = "Ex Libris"
domains = ["vendor.example"]
[vendor.identity_provider]
issuer = "https://login.vendor.example"
client_id = "countersign"
client_secret = "a secret of the vendor"
[[clients]]
id = "support-console"
secret = "a secret of the support console"
scopes = ["requests", "requests:read", "tokens"]
institutions = ["*"]
audiences = []
"""
_INSTITUTION = """
[[institutions]]
code = "{code}"
name = "Example University Library {number}"
locale = "en"
timezone = "Europe/Vienna"
notify = ["library-systems@{number}.example.edu"]
[institutions.identity_provider]
issuer = "https://login-{number}.example.edu"
client_id = "countersign"
client_secret = "a secret of our sign-ins"
approval_client_id = "countersign-approvals"
approval_client_secret = "a secret of our approvals"
exclusive = true
email_claim = "email"
[[institutions.environments]]
name = "alma-production"
product = "alma"
tier = "production"
phase = "support"
url = "https://n{number}.alma.vendor.example"
gateway_audience = "https://gateway.vendor.example/n{number}-alma"
[[institutions.people]]
email = "head@{number}.example.edu"
name = "Head of Systems"
roles = ["approver", "admin"]
[[institutions.people]]
email = "auditor@{number}.example.edu"
name = "Auditor"
roles = ["auditor"]
"""


def code_of(number: int) -> str:
    """The code of an institution of the benchmark."""
    return f"BENCH_{number}"


def build_services(
    url: str, directory: Path, jwk: Mapping[str, str], pool_size: int
) -> tuple[Services, ProviderAtTheEdge]:
    """What `bootstrap.py` builds, with the provider at the fetcher's edge."""
    edge = ProviderAtTheEdge(jwk)
    database = Database(url, pool_size=pool_size)
    services = Services(
        database=database,
        follow=Followers(database),
        secrets=Secrets(SECRET_KEY.encode()),
        ring=KeyRing(directory / "keys"),
        heads=FileHeads(directory / "heads"),
        objects=ObjectStore((directory / "objects").absolute().as_uri()),
        provider=ProviderClient(edge),
        webhooks=Fetcher(),
        smtp=None,
        mail_from="countersign@countersign.example",
        base_url="https://countersign.example",
        log_name="countersign.example",
        requests_per_hour=1 << 30,
        version="0",
    )
    return services, edge


async def populate(url: str, directory: Path, jwk: Mapping[str, str], institutions: int) -> str:
    """Apply and enrol that many institutions; the `cli_…` of the vendor's console."""
    keys.create(directory / "keys")
    services, edge = build_services(url, directory, jwk, 1)
    try:
        text = _VENDOR + "".join(_INSTITUTION.format(code=code_of(n), number=n) for n in range(institutions))
        world = read_world(text.encode(), environ={}, folder=directory, allow_http=False)
        applied = await apply(services, world, operator(services, "bench"))
        for code, enrolment_code in applied.created:
            await _enrol(services, edge, code, enrolment_code or "")
        async with services.database.read() as tx:
            return (await clients.read_all(tx))[0].id
    finally:
        await services.database.close()


@dataclass(slots=True)
class Desk:
    """One institution, as a console files requests there and its approver answers them."""

    services: Services
    edge: ProviderAtTheEdge
    caller: Caller
    code: str
    cookie: str
    cases: itertools.count[int]

    @classmethod
    async def open(cls, services: Services, edge: ProviderAtTheEdge, cli: str, code: str) -> Desk:
        """The approver signs in."""
        caller = Caller("support-console", cli, SCOPES, frozenset({"*"}), frozenset())
        return cls(services, edge, caller, code, await sign_in(services, edge, code), itertools.count(6_543_210))

    async def create_and_approve(self) -> str:
        """A request is filed and approved with a countersignature; its id."""
        request_id = await self.file()
        answer = Answer(decision="approve", window="full", roles=ROLES, note="Thank you, go ahead.")
        draft = await drafting.answer(self.services, await self._approver(), request_id, answer)
        assert draft is not None
        begun = await decisions.confirm(self.services, await self._approver(), request_id, draft, None)
        assert begun is not None
        back = self.edge.authorize(begun.url)
        finished = await finish(self.services, self.code, back, begun.cookie, self.cookie, WHERE)
        assert finished.cookie is not None
        self.cookie = finished.cookie
        return request_id

    async def file(self) -> str:
        """A request is filed under an idempotency key; its id."""
        number = next(self.cases)

        async def act(services: Services) -> Kept:
            view = await create(services, self.caller, self._ask(f"{number:08}"))
            body = view.request.to_data() | dict(view.asked)
            headers = {"ETag": view.etag, "Location": f"/v1/access-requests/{view.row.id}"}
            return Kept(201, headers, orjson.dumps(body))

        key = Key(f"{self.code}-{number}-{secrets.token_hex(8)}", secrets.token_bytes(32))
        answer = await once(self.services, self.caller.cli, key, act)
        return answer.headers["Location"].rpartition("/")[2]

    async def _approver(self) -> signin.Visitor:
        visitor = await signin.visitor(self.services, self.cookie)
        assert visitor is not None
        return visitor

    def _ask(self, case: str) -> NewRequest:
        return NewRequest(
            institution=self.code,
            environment="alma-production",
            account="exl_impl",
            case_number=case,
            case_title="Nightly fulfilment job fails since the last release",
            case_url=f"https://support.vendor.example/cases/{case}",
            severity="high",
            escalated=True,
            engineer_id="e1234",
            engineer_name="Tier 3 engineer",
            engineer_email="e1234@vendor.example",
            works_from="IE",
            endorser_id="e1200",
            endorser_name="Support lead",
            extends=None,
            reason="Read the job's configuration and re-run it once with tracing; nothing else is changed.",
            roles=ROLES,
            not_before=None,
            minutes=240,
        )


async def sign_in(services: Services, edge: ProviderAtTheEdge, code: str) -> str:
    """The head of systems signs in; the session's cookie."""
    begun = await signin.begin(services, code, "/requests", None)
    finished = await finish(services, code, edge.authorize(begun.url), begun.cookie, None, WHERE)
    assert finished.cookie is not None
    return finished.cookie


async def _enrol(services: Services, edge: ProviderAtTheEdge, code: str, enrolment_code: str) -> None:
    cookie = await sign_in(services, edge, code)
    visitor = await signin.visitor(services, cookie)
    assert visitor is not None
    await enrolment.enrol(services, visitor, enrolment_code, WHERE)
