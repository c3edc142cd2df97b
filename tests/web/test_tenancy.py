"""Every route × every role × ids of another institution: the same answer, after the same work, as for nothing.

The routes are the application's own. Whoever adds one with a parameter, a body or a form says in the tables below what
may stand there; until then `test_every_route_is_tried` names it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app import api, web
from app.domain.policy import Policy
from app.storage import entries
from app.storage.database import Database
from tests.actions.worlds import CODE, World
from tests.web.site import BASE
from tests.web.tenants import MARKS, SESSION_COOKIE, Caller, Tenants, confirmed_elsewhere, run_tenants

Ids = Mapping[str, str]

PARAMETERS = {
    "code": "code", "institution": "code", "request_id": "request_id", "request": "request_id", "draft_id": "draft_id",
    "draft": "draft_id", "session_id": "session_id", "person_id": "person_id", "name": "name",
    "webhook_id": "webhook_id", "client_id": "client_id", "standing_id": "standing_id",
    "change_id": "change_id", "finding_id": "finding_id",
    "sha256": "sha256", "digest": "digest",
}  # fmt: skip
"""Parameter (of a path or a query) → the id that stands there."""
FIXED = {"n": "1", "level": "0", "path": "000.p/1", "index": "1", "size": "2", "from": "1", "to": "2"}
"""Parameters that are no ids: what they are given."""
PUBLIC = {
    "/r/{short}": "whoever has the link may see that there is a request",
    "/sign-in": "a code leads everybody to the door of its institution",
    "/sign-in/{code}": "the door itself",
    "/stop": "tries are counted; tests/actions/test_stop_codes.py::test_who_guesses_is_told_nothing",
    "/v1/access-requests/events": "it never ends; its own tests try what is whose",
    "/docs": "no ids; its examples are made up",
    "/problems/{slug}": "no ids",
    "/static/{version}/{name}": "no ids",
    "/oauth2/token": "no ids",
    "/oauth2/revoke": "tells nothing to anybody; tests/api/test_oauth.py",
}
"""Routes that are not tried, and why."""
OTHER_WORK = {
    "/oauth2/introspect": "a token that nobody signed is not looked up",
    "/v1/sessions": "a token that nobody signed is not looked up",
}
"""Routes that may do other work for what somebody else's signature shows to be real."""
NO_IDS = {"/sign-out", "/settings/stop-codes", "/settings/sessions"}
"""Forms that name nothing but the session they come from."""


def _new_request(ids: Ids) -> dict[str, Any]:
    return {
        "institution": ids["code"], "environment": ids["name"], "account": "exl_impl",
        "case": {"number": "1", "title": "A case", "severity": "low", "escalated": True},
        "engineer": {"id": "e9", "name": "Engineer", "email": "e9@vendor.example"},
        "reason": "To look whether anybody is there.", "window": {"minutes": 60},
    }  # fmt: skip


_NEW_ENVIRONMENT = {
    "name": "another", "product": "alma", "tier": "sandbox", "phase": "support",
    "url": "https://a.vendor.example", "gateway_audience": "https://gateway.vendor.example/a",
}  # fmt: skip

BODIES: dict[str, Callable[[Ids], dict[str, Any]]] = {
    "POST /v1/access-requests": _new_request,
    "POST /v1/access-requests/{request_id}/withdraw": lambda _: {"reason": "No longer needed."},
    "POST /v1/access-requests/{request_id}/complete": lambda _: {"summary": "All was done."},
    "POST /v1/access-requests/{request_id}/messages": lambda _: {"text": "Anybody there?"},
    "POST /v1/sessions": lambda ids: {"token": ids["token"], "client": {"ip": "192.0.2.1"}},
    "POST /v1/sessions/{session_id}/activity": lambda _: {
        "events": [{"at": "2026-11-24T12:00:00Z", "kind": "page", "summary": "A page"}]
    },
    "POST /v1/sessions/{session_id}/end": lambda _: {"summary": "Done."},
    "POST /v1/institutions": lambda ids: {"code": ids["code"]},
    "PATCH /v1/institutions/{code}": lambda _: {"name": "Another name"},
    "POST /v1/institutions/{code}/environments": lambda _: _NEW_ENVIRONMENT,
    "PATCH /v1/institutions/{code}/environments/{name}": lambda _: {"url": "https://b.vendor.example"},
    "POST /v1/institutions/{code}/people": lambda _: {"email": "new@new.example", "roles": ["auditor"]},
    "PATCH /v1/institutions/{code}/people/{person_id}": lambda _: {"roles": ["auditor"]},
    "PUT /v1/institutions/{code}/policy": lambda _: Policy().to_data(),
    "PUT /v1/institutions/{code}/identity-provider": lambda _: {
        "issuer": "https://login.new.example",
        "client_id": "c",
        "client_secret": "s",
    },
    "POST /v1/institutions/{code}/findings/{finding_id}/explain": lambda _: {"text": "It was done."},
    "POST /v1/institutions/{code}/sign-ins": lambda ids: {
        "environment": ids["name"],
        "from": "2026-11-01T00:00:00Z",
        "to": "2026-11-02T00:00:00Z",
        "source": "vendor",
        "records": [{"at": "2026-11-01T12:00:00Z", "user_name": "exl_impl", "ip": "192.0.2.1", "result": "success"}],
    },
    "POST /v1/webhooks": lambda ids: {"url": "https://a.example/", "types": ["*"], "institutions": [ids["code"]]},
    "PATCH /v1/webhooks/{webhook_id}": lambda _: {"types": ["request.approved"]},
    "POST /v1/clients": lambda ids: {"id": ids["client_id"], "scopes": ["admin"], "institutions": [ids["code"]]},
    "PATCH /v1/clients/{client_id}": lambda _: {"jwks_uri": "https://keys.new.example/"},
}
"""The body of each route that takes JSON."""


def _form(ids: Ids) -> dict[str, str]:
    """A form that fits every page: each takes the fields it knows."""
    return {
        "decision": "deny", "window": "full", "why": "No.", "reason": "No.", "as": "jsonl", "binding": "confirm",
        "remove": "1", "act": "end",
        "request": ids["request_id"], "person": ids["person_id"], "environment": ids["name"],
        "token": ids["token"], "logout_token": "x.y.z", "enrolment_code": "AAAA-AAAA-AAAA-AAAA",
    }  # fmt: skip


@dataclass(frozen=True)
class Route:
    """A method and a path, with the names of all parameters and whether a body of JSON is wanted."""

    method: str
    path: str
    in_path: tuple[str, ...]
    in_query: tuple[str, ...]
    takes_json: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _routes() -> list[Route]:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(api.routers())
    web.mount(app)
    every = {str(route): route for each in _flat(app.routes) for route in _of(each)}
    return list(every.values())


def _flat(routes: Iterable[Any]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            included = getattr(route, "original_router", route)
            yield from _flat(getattr(included, "routes", ()))


def _of(route: APIRoute) -> Iterator[Route]:
    query = [name for each in route.dependant.query_params for name in _names(each)]
    for method in sorted((route.methods or set()) - {"HEAD"}):
        in_path = tuple(re.findall(r"{(\w+)", route.path))
        yield Route(method, route.path, in_path, tuple(query), route.body_field is not None)


def _names(parameter: Any) -> list[str]:
    """A parameter's name, or those of the members of a model that stands for several."""
    members = getattr(parameter.field_info.annotation, "model_fields", None)
    return [parameter.alias] if members is None else [field.alias or name for name, field in members.items()]


ROUTES = _routes()


def test_every_route_is_tried() -> None:
    """What is missing here is missing in the tables above."""
    unknown = []
    for route in ROUTES:
        unknown += [f"{route}: no sample for {name}" for name in route.in_path if name not in PARAMETERS | FIXED]
        if route.takes_json and str(route) not in BODIES:
            unknown.append(f"{route}: no body in BODIES")
    unknown = [each for each in unknown if not any(f" {path}:" in each for path in PUBLIC)]
    assert unknown == []
    paths = {route.path for route in ROUTES}
    assert {*PUBLIC, *OTHER_WORK, *NO_IDS} <= paths, "a path that is no route any more"
    assert BODIES.keys() <= {str(route) for route in ROUTES}
    assert len(ROUTES) > 60


def _with_ids(route: Route) -> bool:
    """Whether something in path, query, body or form could be somebody else's."""
    named = any(name in PARAMETERS for name in (*route.in_path, *route.in_query))
    return route.path not in PUBLIC and (named or (route.method != "GET" and route.path not in NO_IDS))


def _tries(route: Route, tenants: Tenants) -> Iterator[tuple[Ids, Ids]]:
    """Pairs of foreign and unknown ids: all of them, and those that stand behind one of one's own."""
    yield tenants.foreign, tenants.unknown
    if len([name for name in route.in_path if name in PARAMETERS]) > 1 and route.in_path[0] in tenants.own:
        first = {PARAMETERS[route.in_path[0]]: tenants.own[route.in_path[0]]}
        yield {**tenants.foreign, **first}, {**tenants.unknown, **first}


@dataclass(frozen=True)
class Seen:
    """What a caller can tell: status, what counts of the headers, the body, and how much work it was."""

    status: int
    headers: tuple[str | None, ...]
    body: str
    statements: int


class Counter:
    """How many statements the database was asked."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        sa.event.listen(database.engine.sync_engine, "before_cursor_execute", self._add)

    def _add(self, *_: Any) -> None:
        self.count += 1


async def _ask(tenants: Tenants, counter: Counter, route: Route, caller: Caller, ids: Ids) -> Seen:
    path = re.sub(r"{(\w+)(:path)?}", lambda found: _value(found[1], ids), route.path)
    query = {name: ids[PARAMETERS[name]] for name in route.in_query if name in PARAMETERS and name != "code"}
    query |= {name: FIXED[name] for name in route.in_query if name in {"index", "from"}}
    headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin", "X-Request-ID": "same"}
    if caller.bearer is not None:
        headers["Authorization"] = f"Bearer {caller.bearer}"
    cookies = {} if caller.cookie is None else {"Cookie": f"{SESSION_COOKIE}={caller.cookie}"}
    sent: dict[str, Any] = {}
    if str(route) in BODIES:  # also those of routes that read their bodies themselves
        sent["json"] = BODIES[str(route)](ids)
    elif route.method != "GET":
        sent["data"] = _form(ids) | {"csrf": caller.csrf}
    tenants.http.cookies.clear()
    before = counter.count
    answer = await tenants.http.request(route.method, path, params=query, headers=headers | cookies, **sent)
    told = tuple(answer.headers.get(name) for name in ("content-type", "location", "www-authenticate", "retry-after"))
    return Seen(
        answer.status_code, tuple(map(_plain(ids), told)), _plain(ids)(answer.text) or "", counter.count - before
    )


def _value(name: str, ids: Ids) -> str:
    return FIXED[name] if name in FIXED else ids[PARAMETERS[name]]


def _plain(ids: Ids) -> Callable[[str | None], str | None]:
    """The text with what was asked for, and what is random, made alike."""

    def plain(text: str | None) -> str | None:
        if text is None:
            return None
        for name, value in ids.items():
            text = text.replace(value, f"<{name}>")
        return re.sub(r'name="csrf" value="[^"]*"', "", text)

    return plain


def _entitled(caller: Caller, route: Route) -> bool:
    """The vendor's auditors read every trail."""
    return (
        caller.role == "vendor_auditor"
        and "{code}" in route.path
        and ("trail" in route.path or "/institutions/" in route.path)
    )


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[Tenants]:
    """Both institutions, and everybody who asks."""
    async with run_tenants(tmp_path) as made:
        yield made


async def test_foreign_ids_are_answered_like_ids_that_nobody_has(tenants: Tenants) -> None:
    counter, wrong, asked = Counter(tenants.world.services.database), list[str](), 0
    before = await _told(tenants.world)
    for route in filter(_with_ids, ROUTES):
        for caller in tenants.callers:
            if _entitled(caller, route):
                continue
            for foreign, unknown in _tries(route, tenants):
                theirs = await _ask(tenants, counter, route, caller, foreign)
                nobodys = await _ask(tenants, counter, route, caller, unknown)
                asked += 1
                wrong += [f"{caller.role}, {route}: {what}" for what in _differences(route, theirs, nobodys)]
    assert wrong == []
    assert asked > 500
    assert await _told(tenants.world) == before, "nothing of it stands in the foreign trail"
    await confirmed_elsewhere(tenants.world, tenants.foreign["request_id"], tenants.foreign["draft_id"])


def _differences(route: Route, theirs: Seen, nobodys: Seen) -> list[str]:
    wrong = []
    if theirs.status >= 500:
        wrong.append(f"it failed: {theirs.status} {theirs.body[:300]}")
    if (theirs.status, theirs.headers) != (nobodys.status, nobodys.headers):
        wrong.append(f"{theirs.status} {theirs.headers}, where nothing is {nobodys.status} {nobodys.headers}")
    elif theirs.body != nobodys.body:
        wrong.append(f"another body: {theirs.body[:200]!r}, where nothing is {nobodys.body[:200]!r}")
    if theirs.statements != nobodys.statements and route.path not in OTHER_WORK:
        wrong.append(f"{theirs.statements} statements, where nothing takes {nobodys.statements}")
    return wrong + [f"it tells {mark}" for mark in MARKS if mark in theirs.body]


async def test_no_page_or_list_shows_what_another_institution_has(tenants: Tenants) -> None:
    counter, wrong = Counter(tenants.world.services.database), list[str]()
    for route in ROUTES:
        if route.method != "GET" or route.in_path or route.path in PUBLIC:
            continue
        for caller in tenants.callers:
            if route.path == "/institutions" and caller.role in {"vendor_auditor", "operator"}:
                continue
            seen = await _ask(tenants, counter, route, caller, {**tenants.unknown, **tenants.own})
            wrong += [f"{caller.role}, {route}: it tells {mark}" for mark in MARKS if mark in seen.body]
            wrong += [f"{caller.role}, {route}: {seen.status}"] if seen.status >= 500 else []
    assert wrong == []


async def _told(world: World) -> list[str]:
    """The entries of the foreign trail, but for tokens that a gate was shown, which are its events rightly."""
    async with world.services.database.read() as tx:
        found = await entries.read_leaves(tx, CODE, 0, 1 << 31)
    return [each.entry.type for each in found if each.entry.type != "gate.refused"]
