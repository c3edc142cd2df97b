"""The gate's question over HTTP, for nginx's `auth_request` and its like: 2xx lets a request through, nothing else.

nginx sets the headers that say what is asked about. What the browser sent beside them is read only for what it shows:
the gate's cookie, or a token. `Door` answers the yes, in front of everything else and with no line in the log: the
request that passes was written down already, in the database. Whatever is no yes goes on to the route.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.actions.credentials import GATE_COOKIE, read_credential
from app.actions.gates import key_hash
from app.actions.meters import FAILED as BROKEN
from app.actions.meters import PASS, REFUSED
from app.actions.passing import KNOWN, Passage, Passed, Question
from app.actions.services import Services
from app.api.hot import HotRoute
from app.api.problems import documented
from app.api.quick import FAILED, Ready, Waiting, as_sent
from app.api.request_ids import request_id
from app.api.route import Call
from app.domain.errors import Refusal, Refused
from app.domain.gate import masked, method_of, plain
from app.identity.browser import cookie_name, cookie_of

PATH = "/gate/check"
MAX_ADDRESS = 100
_ANSWER = "countersign.gate"
_COOKIES = {secure: cookie_name(GATE_COOKIE, secure=secure) for secure in (True, False)}
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_GUARDS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
hot = APIRouter(route_class=HotRoute, tags=["Gate"])


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


_ASKED = {
    "Countersign-Gate-Key": "the environment's `gate_key`; set by the gateway, never by a browser",
    "X-Original-Method": "the request's method",
    "X-Original-URI": "its path and query; values of the query are masked before anything is kept",
    "X-Real-IP": "the address it came from",
    "Cookie": "with the gate's cookie, or",
    "Authorization": "`Bearer` and an approval token that has entered",
}


@hot.get(
    PATH,
    status_code=204,
    summary="May this request pass?",
    responses=documented("unauthorized", "gate-unknown", "session-foreign", "access-over", "unavailable"),
    openapi_extra={"parameters": [_header(name, words) for name, words in _ASKED.items()]},
)
async def check(call: Call) -> Response:
    """204, with whose session it is, once the request is recorded as its activity; anything else is no."""
    answer = call.scope.get(_ANSWER) or await _ask(call.app.state.passage, call.app.state.services, call.scope)
    if isinstance(answer, Passed):
        return Response(status_code=204, headers={name.decode(): value.decode() for name, value in _told(answer)})
    if isinstance(answer, Refusal):
        raise Refused(answer)
    raise answer


class Door:
    """ASGI: the gate's yes, before anything else looks at the call."""

    def __init__(self, app: ASGIApp, passage: Passage, services: Services) -> None:
        self._app, self._passage, self._services = app, passage, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        answer = await _ask(self._passage, self._services, scope)
        self._services.meters.checked(_kind(answer), time.perf_counter() - begun)
        if not isinstance(answer, Passed):
            scope[_ANSWER] = answer
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        headers = [*_told(answer), *_GUARDS, (b"x-request-id", request_id(given).encode())]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class QuickCheck:
    """The gate's yes at the server's protocol: the same bytes as `Door`'s."""

    route = None

    def __init__(self, passage: Passage, services: Services) -> None:
        self._passage, self._services = passage, services

    def ask(self, headers: Mapping[bytes, bytes], body: bytes) -> Waiting | None:
        """Whether the request plainly may pass."""
        told = None if body else self._passage.plainly(_question(self._services, headers))
        return None if told is None else Waiting(told, _yes)

    def count(self, status: int, seconds: float) -> None:  # noqa: ARG002 -- it is always the same
        """A check was answered with yes, which is all that this way answers."""
        self._services.meters.checked(PASS, seconds)


def _yes(passed: Passed | None) -> Ready | None:
    return None if passed is None else _ready(passed)


@lru_cache(maxsize=KNOWN)
def _ready(passed: Passed) -> Ready:
    return Ready(204, as_sent([*_told(passed), *_GUARDS]))


async def _ask(passage: Passage, services: Services, scope: Scope) -> Passed | Refusal | Exception:
    """What is answered; an error too is an answer, which the route raises."""
    if FAILED in scope:
        return cast("Exception", scope[FAILED])
    try:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        return await passage.ask(_question(services, headers))
    except Exception as error:  # noqa: BLE001 -- the route raises it, where it is told and logged
        return error


def _kind(answer: Passed | Refusal | Exception) -> str:
    return PASS if isinstance(answer, Passed) else REFUSED if isinstance(answer, Refusal) else BROKEN


def _question(services: Services, headers: Mapping[bytes, bytes]) -> Question:
    def given(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")

    cookie = cookie_of(given(b"cookie"), _COOKIES[services.base_url.startswith("https:")])
    return Question(
        gate_key=key_hash(services, given(b"countersign-gate-key")),
        credential=read_credential(services, cookie, given(b"authorization")),
        summary=f"{method_of(given(b'x-original-method'))} {masked(given(b'x-original-uri'))}",
        ip=plain(given(b"x-real-ip"))[:MAX_ADDRESS],
    )


def _told(passed: Passed) -> list[tuple[bytes, bytes]]:
    return [
        (b"countersign-session", passed.session.encode()),
        (b"countersign-institution", passed.institution.encode()),
        (b"countersign-account", passed.account.encode()),
        (b"countersign-engineer", quote(passed.engineer, safe=_VISIBLE).encode()),
    ]
