"""The gate's question over HTTP, for nginx's `auth_request` and its like: 2xx lets a request through, nothing else.

nginx sets the headers that say what is asked about. What the browser sent beside them is read only for what it shows:
the gate's cookie, or a token.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from app.actions.credentials import GATE_COOKIE, read_credential
from app.actions.gates import key_hash
from app.actions.passing import Passage, Passed, Question
from app.api.hot import HotRoute
from app.api.problems import documented
from app.api.route import Call
from app.domain.errors import Refused
from app.domain.gate import masked, method_of, plain
from app.identity.browser import cookie_name, cookie_of

MAX_ADDRESS = 100
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
    "/gate/check",
    status_code=204,
    summary="May this request pass?",
    responses=documented("unauthorized", "gate-unknown", "session-foreign", "access-over", "unavailable"),
    openapi_extra={"parameters": [_header(name, words) for name, words in _ASKED.items()]},
)
async def check(call: Call) -> Response:
    """204, with whose session it is, once the request is recorded as its activity; anything else is no."""
    services, headers = call.app.state.services, call.headers
    passage: Passage = call.app.state.passage
    cookie = cookie_of(headers.get("cookie", ""), _COOKIES[services.base_url.startswith("https:")])
    method, uri = headers.get("x-original-method", ""), headers.get("x-original-uri", "")
    question = Question(
        gate_key=key_hash(services, headers.get("countersign-gate-key")),
        credential=read_credential(services, cookie, headers.get("authorization")),
        summary=f"{method_of(method)} {masked(uri)}",
        ip=plain(headers.get("x-real-ip", ""))[:MAX_ADDRESS],
    )
    passed = await passage.ask(question)
    if not isinstance(passed, Passed):
        raise Refused(passed)
    return Response(status_code=204, headers=_told(passed))


_COOKIES = {secure: cookie_name(GATE_COOKIE, secure=secure) for secure in (True, False)}


def _told(passed: Passed) -> dict[str, str]:
    return {
        "Countersign-Session": passed.session,
        "Countersign-Institution": passed.institution,
        "Countersign-Account": passed.account,
        "Countersign-Engineer": quote(passed.engineer, safe=_VISIBLE),
    }


_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
