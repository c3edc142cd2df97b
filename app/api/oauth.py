"""OAuth 2.0 for vendor systems: RFC 6749 section 4.4, RFC 7009, RFC 7662, RFC 8414, RFC 7517.

Forms are read strictly: repeated parameters are kept for those who refuse them. Errors are those of RFC 6749.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from app.actions import access, introspection
from app.actions.callers import Shown
from app.actions.introspection import Brought
from app.actions.possession import Offered
from app.actions.problems import STATUS
from app.actions.services import Services
from app.api import answers
from app.api.guard import ServicesDep, shown
from app.api.hot import HotRoute
from app.api.problems import headers
from app.api.quick import Ready, Waiting, as_sent
from app.api.route import ApiRoute, Call, guards_of, media_type
from app.domain.errors import Refusal, Refused
from app.tokens import oauth
from app.tokens.clients import ASSERTION_TYPE, Form
from app.tokens.memory import Memory
from app.tokens.oauth import Answer

FORM = "application/x-www-form-urlencoded"
_FORM = FORM.encode()
MAX_FIELDS = 50
JWKS_AGE_S = 300
_ERRORS: Mapping[str, tuple[int, str]] = {
    "unauthorized": (401, "invalid_token"),
    "insufficient-scope": (403, "insufficient_scope"),
    "too-large": (413, "invalid_request"),
    "too-many-requests": (429, "invalid_client"),
    "internal": (500, "server_error"),
}


class OAuthRoute(ApiRoute):
    """Turns whatever is refused into an error of RFC 6749."""

    def refused(self, request: Request, refusal: Refusal) -> Response:
        """The answer to a refusal."""
        status = STATUS[refusal.problem]
        status, code = _ERRORS.get(
            refusal.problem, (503, "temporarily_unavailable") if status == 503 else (400, "invalid_request")
        )
        return JSONResponse({"error": code, "error_description": refusal.detail}, status, headers(request, refusal))


class HotOAuthRoute(HotRoute, OAuthRoute):
    """One of those at machine speed."""


router = APIRouter(route_class=OAuthRoute, tags=["OAuth 2.0"])
hot = APIRouter(route_class=HotOAuthRoute, tags=["OAuth 2.0"])


async def form_of(request: Request) -> Form:
    """The form in the body, in its order, repetitions kept. Raises `Refused` malformed."""
    if media_type(request) != FORM:
        raise Refused(Refusal("malformed", f"Send the parameters as {FORM}."))
    return read_form(await request.body())


def read_form(body: bytes) -> Form:
    """The form in a body. Raises `Refused` malformed."""
    try:
        text = body.decode("ascii")
        if "%" in text or "+" in text or text.count("&") >= MAX_FIELDS:
            return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
        return [(name, value) for name, _, value in (each.partition("=") for each in text.split("&")) if name or value]
    except ValueError as error:
        raise Refused(Refusal("malformed", "The form cannot be read.")) from error


FormDep = Annotated[Form, Depends(form_of)]


def _form(required: str, fields: Mapping[str, str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": description} for name, description in fields.items()}
    schema = {"type": "object", "required": [required], "properties": properties}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": answers.OAuthError, "description": "as RFC 6749 says"} for status in statuses}


_CLIENT = {
    "client_id": "unless HTTP Basic is used",
    "client_secret": "unless HTTP Basic or an assertion is used",
    "client_assertion_type": ASSERTION_TYPE,
    "client_assertion": "a JWT signed by the client (RFC 7523), instead of a secret",
}


@router.post(
    "/oauth2/token",
    response_model=answers.AccessToken,
    summary="Obtain an access token",
    responses=_refusals(400, 401, 413, 503),
    openapi_extra=_form(
        "grant_type", {"grant_type": "client_credentials", "scope": "narrows what the client has"} | _CLIENT
    ),
)
async def token(request: Request, services: ServicesDep, form: FormDep) -> Response:
    """`client_credentials`, by HTTP Basic or with id and secret in the form; good for ten minutes."""
    return _answer(await access.token(services, form, shown(request), _address(request)))


@router.post(
    "/oauth2/revoke",
    summary="Give back an approval token",
    responses=_refusals(400, 401, 413, 503),
    openapi_extra=_form("token", {"token": "an approval token that this client obtained"} | _CLIENT),
)
async def revoke(request: Request, services: ServicesDep, form: FormDep) -> Response:
    """It is good for nothing from now on; for a token of others nothing happens, and nothing is told."""
    return _answer(await access.revoke(services, form, shown(request), _address(request)))


@hot.post(
    "/oauth2/introspect",
    response_model=answers.Introspection,
    summary="Ask whether an approval token is good now",
    responses=_refusals(400, 401, 403, 413, 503),
    openapi_extra=_form("token", {"token": "an approval token"} | _CLIENT)
    | {"security": [{"client": ["introspect"]}, {}]},
)
async def introspect(call: Call) -> Response:
    """Its claims, for tokens of the client's own gateways; for everything else exactly `{"active": false}`."""
    services = call.app.state.services
    try:
        form = await form_of(call)
    except Refused as refused:
        if refused.refusal.problem != "malformed":
            raise
        form = None  # told once it is known who asks
    told = await introspection.answer(services, shown(call), form, _address(call))
    return _answer(told) if isinstance(told, Answer) else Response(orjson.dumps(told), media_type="application/json")


class QuickIntrospection:
    """The claims of a token that is good, to a client that signs in with its secret, at the server's protocol."""

    route = "/oauth2/introspect"

    def __init__(self, services: Services) -> None:
        self._judge, self._meters = introspection.Plainly(services), services.meters
        self._guards = as_sent(guards_of(services.base_url))
        self._met: Memory[tuple[Brought, Ready]] = Memory()

    def ask(self, headers: Mapping[bytes, bytes], body: bytes) -> Waiting | None:
        """The read that tells; the same call again is read once."""
        authorization = headers.get(b"authorization")
        if authorization is None or headers.get(b"content-type") != _FORM or b"dpop" in headers:
            return None
        place = sha256(b"%d %b%b" % (len(authorization), authorization, body)).digest()
        met = self._met.get(place) or self._read(place, authorization, body)
        return None if met is None else Waiting(self._judge.ask(met[0]), partial(self._ready, met))

    def count(self, status: int, seconds: float) -> None:
        """A call was answered."""
        self._meters.called("POST", self.route, status, seconds)

    def _read(self, place: bytes, authorization: bytes, body: bytes) -> tuple[Brought, Ready] | None:
        shown = Shown(authorization.decode("latin-1"), Offered((), "POST", self.route))
        try:
            brought = self._judge.read(shown, read_form(body))
        except Refused:  # told by the usual way, once it is known who asks
            return None
        if brought is None:
            return None
        answer = orjson.dumps(brought.told)
        head = [(b"content-length", b"%d" % len(answer)), (b"content-type", b"application/json")]
        return self._met.keep(place, (brought, Ready(200, as_sent(head) + self._guards, answer)))

    def _ready(self, met: tuple[Brought, Ready], found: Any) -> Ready | None:
        return met[1] if self._judge.holds(met[0], found) else None


@router.get("/.well-known/oauth-authorization-server", response_model=dict[str, Any], summary="RFC 8414 metadata")
async def metadata(services: ServicesDep) -> Response:
    """What this authorization server does, and where."""
    return JSONResponse(oauth.metadata(services.base_url), headers=_cached())


class JwkSet(JSONResponse):
    """RFC 7517, section 8.5.1."""

    media_type = "application/jwk-set+json"


@router.get(
    "/.well-known/jwks.json",
    response_class=JwkSet,
    response_model=dict[str, Any],
    summary="Public keys of tokens",
)
async def jwks(services: ServicesDep) -> Response:
    """Current, next, and retired while their tokens live."""
    keys = await access.jwks(services)
    return JwkSet(dict(keys), headers=_cached())


@router.get(
    "/.well-known/client-jwks.json",
    response_class=JwkSet,
    response_model=dict[str, Any],
    summary="Public keys of our own sign-in",
)
async def client_jwks(services: ServicesDep) -> Response:
    """For identity providers where this service is a client with `private_key_jwt`. No token is ever signed by them."""
    keys = await access.client_jwks(services)
    return JwkSet(dict(keys), headers=_cached())


def _cached() -> dict[str, str]:
    return {"Cache-Control": f"public, max-age={JWKS_AGE_S}"}


def _answer(answer: Answer) -> Response:
    return JSONResponse(dict(answer.body), answer.status, dict(answer.headers))


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host
