"""Who may call: permission stands in a route's signature."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyCookie, OAuth2

from app.actions import signin
from app.actions.callers import Shown, authenticate
from app.actions.introspection import opened
from app.actions.ledger import NOT_FOUND
from app.actions.possession import Offered, require_now
from app.actions.services import Services
from app.actions.signin import Visitor
from app.api.limits import Limits
from app.api.route import RATE
from app.domain.errors import Refused
from app.domain.ids import is_id
from app.identity.browser import cookie_name
from app.tokens.clients import Caller

SCOPES = {
    "requests": "file access requests, end them, write to the approvers",
    "requests:read": "read access requests",
    "tokens": "obtain approval tokens",
    "introspect": "ask whether an approval token is good",
    "sessions": "open and report sessions at a gateway",
    "accounts": "send account scans and sign-in records",
    "trail:read": "read, prove and export trails",
    "admin": "administer institutions and clients",
}
SESSION = "countersign"

_oauth2 = OAuth2(
    flows={"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": SCOPES}},
    scheme_name="client",
    description="A vendor system, with an access token of ten minutes.",
    auto_error=False,
)
_cookie = APIKeyCookie(
    name=cookie_name(SESSION, secure=True),
    scheme_name="session",
    description="An auditor who is signed in on the pages.",
    auto_error=False,
)


async def services_of(request: Request) -> Services:
    """What actions are handed."""
    services: Services = request.app.state.services
    return services


ProofHeader = Annotated[str | None, Header(alias="DPoP", description="a proof of holding the token's key (RFC 9449)")]
ServicesDep = Annotated[Services, Depends(services_of)]


def shown(request: Request) -> Shown:
    """What a call brought to say who calls."""
    sent = request.scope["headers"]
    proofs = tuple(value.decode("latin-1") for name, value in sent if name == b"dpop")
    given = next((value.decode("latin-1") for name, value in sent if name == b"authorization"), None)
    return Shown(given, Offered(proofs, request.scope["method"], request.scope["path"]))


def needs(*scopes: str) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """A dependency: whoever calls has one of these scopes."""
    token = Security(_oauth2, scopes=[scopes[0]])

    async def caller(request: Request, services: ServicesDep, _: str | None = token) -> Caller:
        return counted(request, await authenticate(services, shown(request), *scopes))

    return caller


def counted(request: Request, caller: Caller) -> Caller:
    """The caller, whose call is counted. Raises `Refused` too-many-requests."""
    limits: Limits = request.app.state.limits
    rate = limits.count(caller.cli, time.monotonic())
    request.scope[RATE] = rate.headers()
    if (refusal := rate.refusal()) is not None:
        raise Refused(refusal)
    return caller


async def proved_key(services: Services, request: Request, caller: Caller, token: str | None = None) -> str | None:
    """The key of the DPoP proof that a call brought, if it did: what a token asked for is bound to, or what one given
    (`token`, which the proof then names) has to be bound to.
    """
    offered = shown(request).offered
    if caller.jkt is not None or not offered.proofs:
        return caller.jkt  # whose proof was used up to find out who calls
    return await require_now(services, offered, token)


async def holder_of(services: Services, request: Request, caller: Caller, token: str) -> str | None:
    """The key that a call proves to hold for an approval token that is bound to one; null for any other token.

    The proof names the approval token (`ath`), unless the caller's own access token is bound to the same key.
    """
    read = opened(services, token)
    return None if read is None or read.jkt is None else await proved_key(services, request, caller, token)


async def trail_reader(
    request: Request,
    services: ServicesDep,
    authorization: Annotated[str | None, Security(_oauth2, scopes=["trail:read"])],
    _: Annotated[str | None, Security(_cookie)],
) -> Caller | Visitor:
    """A client with `trail:read`, or somebody signed in; not one whom another site's page sent here."""
    name = cookie_name(SESSION, secure=services.base_url.startswith("https:"))
    if authorization is None and request.headers.get("sec-fetch-site") != "cross-site":
        visitor = await signin.visitor(services, request.cookies.get(name))
        if visitor is not None:
            return visitor
    return counted(request, await authenticate(services, shown(request), "trail:read"))


async def request_id_of(request_id: str) -> str:
    """The id in the path, if it can be one of an access request. Raises `Refused` not-found."""
    if not is_id(request_id, "req"):
        raise Refused(NOT_FOUND)
    return request_id


RequestId = Annotated[str, Depends(request_id_of)]
ReaderDep = Annotated[Caller | Visitor, Depends(trail_reader)]
