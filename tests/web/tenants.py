"""Two institutions side by side: a foreign one with something of everything, and one whose people and clients ask."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app import api, web
from app.actions import decisions, enrolment, findings, requests, webhooks
from app.actions import person as people
from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.person import NewPerson
from app.actions.webhooks import Wanted
from app.actions.world import read_client
from app.domain.ids import new_id
from app.storage import entries, roster
from app.tokens.clients import SCOPES
from app.web.call import SESSION
from tests.actions.advance import give
from tests.actions.vendors import OPERATOR, VENDOR_AUDITOR, run_vendor_world, vendor_signs_in
from tests.actions.watching import opened, token
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, WHERE, World
from tests.web.site import BASE, app_of

OWN = "01NUL_INST"
PEOPLE = {role: f"{role}@new.example" for role in ("admin", "approver", "auditor", "backup_approver")}
_OWN = f"""
[[institutions]]
code = "{OWN}"
name = "New University Library"
timezone = "Europe/Dublin"
[institutions.identity_provider]
issuer = "$ISSUER"
client_id = "countersign"
client_secret = "secret"
[[institutions.environments]]
name = "alma-own"
product = "alma"
tier = "production"
phase = "support"
url = "https://nul.alma.vendor.example"
gateway_audience = "https://gateway.vendor.example/nul-alma"
""" + "".join(f'[[institutions.people]]\nemail = "{email}"\nroles = ["{role}"]\n' for role, email in PEOPLE.items())

MARKS = (
    "Example University Library", "Head of Systems", "Systems Librarian", "example.edu", "e1234", "Tier 3 engineer",
    "Nightly fulfilment", "0654321", "Fulfillment Administrator", "esploro-sandbox", "exu-alma", "exu.alma",
)  # fmt: skip
"""What stands in the foreign institution alone."""


def _configure(text: str) -> str:
    """The foreign institution allows standing approvals; the asking one stands beside it."""
    one = "approvals_required = 1"
    return text.replace(one, f"{one}\nstanding_approvals_allowed = true") + _OWN


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: by a cookie and the token of its forms, by an access token, or by nothing."""

    role: str
    cookie: str | None = None
    csrf: str = ""
    bearer: str | None = None


@dataclass(frozen=True)
class Tenants:
    """The world, its callers, and ids by the name of a parameter: foreign ones, and such as nobody has.

    `own` are ids of the asking institution, for parameters that stand before others.
    """

    world: World
    http: httpx2.AsyncClient
    callers: tuple[Caller, ...]
    foreign: Mapping[str, str]
    unknown: Mapping[str, str]
    own: Mapping[str, str]


@asynccontextmanager
async def run_tenants(directory: Path) -> AsyncIterator[Tenants]:
    """Both institutions enrolled, everybody signed in, an access token for each scope."""
    url = f"sqlite:///{directory}/countersign.db"
    async with run_vendor_world(url, None, directory, _configure) as (world, vendors):
        await world.enrol()
        foreign = await _foreign(world)
        callers = [await _person(world, role, email) for role, email in PEOPLE.items()]
        await enrolment.enrol(world.services, await world.visitor(PEOPLE["admin"]), world.codes[OWN], WHERE)
        callers = [await _caller(world, role, email) for role, email in PEOPLE.items()]
        for role, email in (("vendor_auditor", VENDOR_AUDITOR), ("operator", OPERATOR)):
            await vendor_signs_in(world, vendors, email)
            callers.append(await _caller(world, role, email))
        transport = httpx2.ASGITransport(app_of(world, mounts=(api.mount, web.mount)), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
            for scope in sorted(SCOPES):
                callers.append(Caller(f"client {scope}", bearer=await _client(world, http, scope)))
            callers.append(Caller("nobody"))
            yield Tenants(world, http, tuple(callers), foreign, _unknown(world), await _own(world))


async def _person(world: World, role: str, email: str) -> Caller:
    await vendor_signs_in(world, world.provider, email, OWN)
    return await _caller(world, role, email)


async def _caller(world: World, role: str, email: str) -> Caller:
    return Caller(role, world.people[email], (await world.visitor(email)).csrf)


async def _client(world: World, http: httpx2.AsyncClient, scope: str) -> str:
    name = f"own-{scope.replace(':', '-')}"
    secret = f"cs_a_secret_for_{name}_of_tests"
    spec = read_client(name, secret, [scope], [OWN], ["https://gateway.vendor.example/nul-alma"])
    await add_client(world.services, operator(world.services, "tests"), spec)
    basic = base64.b64encode(f"{name}:{secret}".encode()).decode()
    form = {"grant_type": "client_credentials"}
    answer = await http.post("/oauth2/token", data=form, headers={"Authorization": f"Basic {basic}"})
    return str(answer.json()["access_token"])


async def _foreign(world: World) -> dict[str, str]:
    waiting = (await world.file()).row
    draft = await world.draft(LIBRARIAN, waiting.id)
    session = await opened(world)
    open_request = (await world.file()).row.id
    await world.approve(HEAD, open_request)
    async with world.services.database.read() as tx:
        person = await roster.of_email(tx, CODE, LIBRARIAN)
    assert person is not None
    ids = {"code": CODE, "request_id": waiting.id, "draft_id": draft, "session_id": session, "person_id": person.person}
    wanted = Wanted("https://cases.vendor.example/hooks", ("request.*",), (CODE,))
    finding = await _finding(world)
    given = await give(world, HEAD)  # the last, since what is filed after may rest on it
    proposed = NewPerson("another@example.edu", "Another", ("approver",), ())
    change = await people.add(world.services, await world.visitor(HEAD), proposed)
    assert change is not None
    hook = (await webhooks.create(world.services, world.caller, wanted))[0].row.id
    return ids | {
        "webhook_id": hook,
        "standing_id": given,
        "change_id": change,
        "finding_id": finding,
        "client_id": world.caller.client_id,
        "name": "esploro-sandbox",
        "sha256": f"sha256:{await _evidence(world)}",
        "digest": await _evidence(world),
        "token": await token(world, open_request),
    }


async def _evidence(world: World) -> str:
    """What a decision rests on, in hex."""
    async with world.services.database.read() as tx:
        (told,) = await entries.find(tx, CODE, entries.LeafFilter(type="decision.made"), 1)
    return str(told.entry.data["evidence"][0]).removeprefix("sha256:")


async def _finding(world: World) -> str:
    """What became of a completion report that was disputed."""
    done = (await world.file()).row.id
    await world.approve(HEAD, done)
    await requests.complete(world.services, world.caller, done, "All was done.", None)
    await findings.dispute(world.services, await world.visitor(HEAD), done, "It was not.")
    async with world.services.database.read() as tx:
        told = await entries.find(tx, CODE, entries.LeafFilter(type="finding.opened"), 1)
    return told[0].entry.subject


def _unknown(world: World) -> dict[str, str]:
    prefixes = {
        "request_id": "req",
        "draft_id": "dft",
        "session_id": "ses",
        "person_id": "per",
        "webhook_id": "whk",
        "standing_id": "sta",
        "change_id": "chg",
        "finding_id": "fnd",
    }
    ids = {name: new_id(prefix, world.now()) for name, prefix in prefixes.items()}
    ids |= {"code": "01ZZZ_INST", "name": "nothing-sandbox", "client_id": "no-such-console"}
    return ids | {"token": "x.y.z", "sha256": f"sha256:{'0' * 64}", "digest": "0" * 64}


async def _own(world: World) -> dict[str, str]:
    """What the asking institution has itself."""
    changes = {"engineer_id": "e9", "engineer_name": "Another", "engineer_email": "e9@vendor.example", "roles": ()}
    case = {"case_number": "77", "case_title": "Another case", "case_url": None}
    filed = await world.file(institution=OWN, environment="alma-own", **changes, **case)
    return {"code": OWN, "request_id": filed.row.id}


async def confirmed_elsewhere(world: World, request: str, draft: str) -> None:
    """The foreign draft still counts: whoever tried to use it did not use it up."""
    assert await decisions.confirm(world.services, await world.visitor(LIBRARIAN), request, draft, None) is not None


SESSION_COOKIE = SESSION
