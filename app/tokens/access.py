"""Access tokens for the API: RFC 9068, good for ten minutes, for our own audience only.

They cannot be taken for approval tokens, nor those for them: the audience differs, and either carries claims that the
other must not have (`scope`; `nbf` and `authorization_details`).
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.tokens.clients import SCOPES, Caller, Client
from app.tokens.jwt import (
    TokenRefused,
    check_claims,
    check_key,
    check_times,
    is_confirmation,
    is_seconds,
    is_text,
    open_token,
    sign,
)
from app.tokens.keys import KeyRing
from app.tokens.memory import place_of

LIFE_S = 600


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A verified access token; only `read_access_token` makes one. What its bearer may do, `caller` decides."""

    client_id: str
    cli: str
    scopes: frozenset[str]
    iat: int
    exp: int
    jti: str
    jkt: str | None
    token: str = field(repr=False)

    def check(self, ring: KeyRing, now: datetime) -> None:
        """Whether it is valid now. Raises `TokenRefused`."""
        check_key(ring, self.token, now)
        check_times({"iat": self.iat, "exp": self.exp}, "iat", now, LIFE_S)

    def caller(self, client: Client | None) -> Caller:
        """Who calls, by the client as it is now. Raises `TokenRefused` when it is gone, disabled, or made anew since.

        A scope taken from the client is gone at once; one given counts from the next token on.
        """
        if client is None or client.disabled or (client.id, client.client_id) != (self.cli, self.client_id):
            raise TokenRefused("its client is gone or disabled")
        scopes = self.scopes & client.scopes
        until = datetime.fromtimestamp(self.exp, UTC)
        return Caller(client.client_id, client.id, scopes, client.institutions, client.audiences, until, self.jkt)


def api_audience(issuer: str) -> str:
    """The audience of the API, which is never a gateway's."""
    return issuer + "/v1"


def mint_access_token(
    ring: KeyRing, issuer: str, client: Client, scopes: frozenset[str], now: datetime, jkt: str | None = None
) -> str:
    """An access token of `LIFE_S` seconds for a client that has proved who it is; `jkt`: the key it is bound to."""
    iat = math.floor(now.timestamp())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": api_audience(issuer),
        "sub": client.id,
        "client_id": client.client_id,
        "iat": iat,
        "exp": iat + LIFE_S,
        "jti": secrets.token_urlsafe(16),
        "scope": " ".join(sorted(scopes)),
    }
    if jkt is not None:
        claims["cnf"] = {"jkt": jkt}
    return sign(ring, claims)


def open_access_token(ring: KeyRing, issuer: str, token: str) -> AccessToken:
    """The access token, whenever it is valid; `check` tells whether that is now. Raises `TokenRefused`."""
    place = place_of(issuer, token)
    known: AccessToken | None = ring.access_tokens.get(place)
    return known or ring.access_tokens.keep(place, _opened(ring, issuer, token))


def read_access_token(ring: KeyRing, issuer: str, token: str, now: datetime) -> AccessToken:
    """The access token, valid now; load its client, then ask `AccessToken.caller`. Raises `TokenRefused`."""
    read = open_access_token(ring, issuer, token)
    read.check(ring, now)
    return read


def _opened(ring: KeyRing, issuer: str, token: str) -> AccessToken:
    claims = open_token(ring, token, None)
    check_claims(claims, _CLAIMS, optional=frozenset({"cnf"}))
    if claims["iss"] != issuer or claims["aud"] != api_audience(issuer):
        raise TokenRefused("another issuer's, or another audience's")
    scopes = frozenset(claims["scope"].split(" "))
    if not scopes <= SCOPES:
        raise TokenRefused("a scope that is none of ours")
    jkt = claims["cnf"]["jkt"] if "cnf" in claims else None
    return AccessToken(
        claims["client_id"], claims["sub"], scopes, claims["iat"], claims["exp"], claims["jti"], jkt, token
    )


_CLAIMS = {
    "iss": is_text,
    "aud": is_text,
    "sub": is_text,
    "client_id": is_text,
    "iat": is_seconds,
    "exp": is_seconds,
    "jti": is_text,
    "scope": is_text,
    "cnf": is_confirmation,
}
