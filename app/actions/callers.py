"""Who calls the API, by what the call brought along: judged anew at each call, by the client as it is now."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.clientrows import client_of
from app.actions.possession import Offered, require
from app.actions.services import Services
from app.domain.errors import Refusal, Refused, Unavailable
from app.storage.checks import Asked, Found
from app.tokens.access import AccessToken, open_access_token
from app.tokens.clients import Caller
from app.tokens.jwt import TokenRefused

_KINDS = ("bearer", "dpop")
UNAUTHORIZED = Refusal("unauthorized", "Send an access token that is valid now as `Authorization: Bearer …`.")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a call brought to say who calls: its `Authorization` header, and what it offers as DPoP proof."""

    authorization: str | None
    offered: Offered


async def authenticate(services: Services, shown: Shown, *scopes: str) -> Caller:
    """Who calls, if the access token has one of the scopes.

    Raises `Refused`: unauthorized (no token, none of ours, over, its client gone), insufficient-scope.
    """
    token = access_token(services, shown)
    found = await ask(services, Asked(cli=token.cli))
    return await judge(services, shown, token, found, *scopes)


async def ask(services: Services, asked: Asked) -> Found:
    """What there is now, from a read that begins after this call, shared with whoever asks at the same time."""
    found = await services.checks.get(asked)
    if found is None:
        raise Unavailable("the database gave no answer")
    return found


def has_token(shown: Shown) -> bool:
    """Whether a call brought an access token, of whatever worth."""
    return (shown.authorization or "").partition(" ")[0].lower() in _KINDS


def access_token(services: Services, shown: Shown) -> AccessToken:
    """The access token of a call, whenever it is valid. Raises `Refused` unauthorized."""
    kind, _, token = (shown.authorization or "").partition(" ")
    if kind.lower() not in _KINDS:
        raise Refused(UNAUTHORIZED)
    try:
        read = open_access_token(services.ring, services.base_url, token.strip(" "))
    except TokenRefused as error:
        raise Refused(UNAUTHORIZED) from error
    if (read.jkt is not None) != (kind.lower() == "dpop"):  # a bound token is no bearer token, nor the other way round
        raise Refused(UNAUTHORIZED)
    return read


async def judge(services: Services, shown: Shown, token: AccessToken, found: Found, *scopes: str) -> Caller:
    """Who calls with a token, by what was found of its client; a bound one with a proof, which is used up.

    Raises `Refused`: unauthorized, insufficient-scope.
    """
    try:
        token.check(services.ring, found.now)
        caller = token.caller(client_of(services.secrets, found.client))
    except TokenRefused as error:
        raise Refused(UNAUTHORIZED) from error
    if token.jkt is not None:
        await require(services, shown.offered, found.now, token=token.token, jkt=token.jkt)
    return reaching(caller, *scopes)


def reaching(caller: Caller, *scopes: str) -> Caller:
    """The caller, if it has one of the scopes. Raises `Refused` insufficient-scope."""
    if caller.scopes.isdisjoint(scopes):
        detail = f"This needs the scope {scopes[0]}."
        raise Refused(Refusal("insufficient-scope", detail, extra=(("scope", scopes[0]),)))
    return caller
