"""Who calls the API, by what the call brought along: judged anew at each call, by the client as it is now."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.services import Services
from app.domain.errors import Refusal, Refused, Unavailable
from app.storage.checks import Asked, Found
from app.storage.clients import ClientRow
from app.tokens.access import AccessToken, open_access_token
from app.tokens.clients import Caller, Client
from app.tokens.jwt import TokenRefused

UNAUTHORIZED = Refusal("unauthorized", "Send an access token that is valid now as `Authorization: Bearer …`.")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a call brought to say who calls: its `Authorization` header."""

    authorization: str | None


async def authenticate(services: Services, shown: Shown, *scopes: str) -> Caller:
    """Who calls, if the access token has one of the scopes.

    Raises `Refused`: unauthorized (no token, none of ours, over, its client gone), insufficient-scope.
    """
    token = access_token(services, shown)
    return judge(services, token, await ask(services, Asked(cli=token.cli)), *scopes)


async def ask(services: Services, asked: Asked) -> Found:
    """What there is now, from a read that begins after this call, shared with whoever asks at the same time."""
    found = await services.checks.get(asked)
    if found is None:
        raise Unavailable("the database gave no answer")
    return found


def access_token(services: Services, shown: Shown) -> AccessToken:
    """The access token of a call, whenever it is valid. Raises `Refused` unauthorized."""
    kind, _, token = (shown.authorization or "").partition(" ")
    if kind.lower() != "bearer":
        raise Refused(UNAUTHORIZED)
    try:
        return open_access_token(services.ring, services.base_url, token.strip(" "))
    except TokenRefused as error:
        raise Refused(UNAUTHORIZED) from error


def judge(services: Services, token: AccessToken, found: Found, *scopes: str) -> Caller:
    """Who calls with a token, by what was found of its client. Raises `Refused`: unauthorized, insufficient-scope."""
    try:
        token.check(services.ring, found.now)
        caller = token.caller(None if found.client is None else client_of(found.client))
    except TokenRefused as error:
        raise Refused(UNAUTHORIZED) from error
    if caller.scopes.isdisjoint(scopes):
        detail = f"This needs the scope {scopes[0]}."
        raise Refused(Refusal("insufficient-scope", detail, extra=(("scope", scopes[0]),)))
    return caller


def client_of(row: ClientRow) -> Client:
    """The client of a row."""
    return Client(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        secret_hashes=row.secrets,
        scopes=frozenset(row.scopes),
        institutions=frozenset(row.institutions),
        audiences=frozenset(row.audiences),
        disabled=row.disabled,
    )
