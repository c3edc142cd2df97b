"""Approval tokens: what a grant gives an engineer to open one session with (`http-api.md`, RFC 9068, RFC 9396).

A token's life is inside its grant: it never outlives it, and runs for at most the policy's time from the earlier of
`iat` and `nbf`. Times are whole seconds, so `iat` and `nbf` may lie under a second before the grant.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.errors import FieldError, Refusal
from app.tokens.access import api_audience
from app.tokens.jwt import (
    MAX_TOKEN,
    TokenRefused,
    check_claims,
    check_key,
    check_times,
    digest,
    is_confirmation,
    is_seconds,
    is_text,
    open_token,
    sign,
)
from app.tokens.keys import KeyRing
from app.tokens.memory import place_of

DETAIL_TYPE = "support_access"
MAX_LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class SupportAccess:
    """The one authorization detail: which account where, for which case, with which roles, under which grant."""

    institution: str
    environment: str
    account: str
    case: str
    roles: tuple[str, ...]
    request: str
    grant: str


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token and what the trail and the database keep of it."""

    token: str
    jti: str
    digest: str
    iat: int
    nbf: int
    exp: int


@dataclass(frozen=True, slots=True)
class Approval:
    """A verified approval token; only `verify` makes one. `digest` has to be the one kept under its `jti`.

    (An ES256 signature can be turned into a second valid one by anybody, so a `jti` alone does not name a token.)
    """

    audience: str
    engineer: str
    client_id: str
    iat: int
    nbf: int
    exp: int
    jti: str
    access: SupportAccess
    jkt: str | None
    digest: str
    claims: Mapping[str, Any]
    token: str = field(repr=False)

    def check(self, ring: KeyRing, now: datetime, audiences: frozenset[str] | None = None) -> None:
        """Whether it is valid now, and for one of `audiences` where they are given. Raises `TokenRefused`."""
        check_key(ring, self.token, now)
        self.check_life(now, audiences)

    def check_life(self, now: datetime, audiences: frozenset[str] | None = None) -> None:
        """The same of a token whose key is known to count. Raises `TokenRefused`."""
        check_times(self.claims, "nbf", now, MAX_LIFE_S)
        if audiences is not None and self.audience not in audiences:
            raise TokenRefused("for another audience")


def mint(
    ring: KeyRing,
    issuer: str,
    *,
    access: SupportAccess,
    audience: str,
    engineer: str,
    client_id: str,
    not_before: datetime,
    not_after: datetime,
    ttl_minutes: int,
    now: datetime,
    jkt: str | None = None,
) -> Minted | Refusal:
    """A token under the grant that runs from `not_before` to `not_after`, for the environment's gateway audience.

    `engineer` is the vendor's own id, `client_id` the OAuth client that obtains it, `jkt` the key it is bound to.
    Raises `ValueError` when the audience is this service's own.
    """
    if audience == api_audience(issuer):
        raise ValueError("a gateway's audience cannot be the API's")
    iat = math.floor(now.timestamp())
    exp = min(iat + 60 * min(ttl_minutes, MAX_LIFE_S // 60), math.floor(not_after.timestamp()))
    if now < not_before:
        wait = math.ceil((not_before - now).total_seconds())
        return Refusal("window-not-open", f"The window of the grant opens in {wait} s.", retry_after=wait)
    if exp <= now.timestamp():
        return Refusal("grant-ended", "The grant is over. File a new request to get more time.")
    jti = secrets.token_urlsafe(16)
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": engineer,
        "client_id": client_id,
        "iat": iat,
        "nbf": iat,
        "exp": exp,
        "jti": jti,
        "authorization_details": [_detail(access)],
    }
    if jkt is not None:
        claims["cnf"] = {"jkt": jkt}
    token = sign(ring, claims)
    if len(token) > MAX_TOKEN:
        return _too_long()
    return Minted(token, jti, digest(token), iat, iat, exp)


def open_approval(ring: KeyRing, issuer: str, token: str) -> Approval:
    """The approval a token carries, whenever it is valid; `check` tells whether that is now. Raises `TokenRefused`."""
    place = place_of(issuer, token)
    known: Approval | None = ring.approvals.get(place)
    return known or ring.approvals.keep(place, _opened(ring, issuer, token))


def verify(ring: KeyRing, issuer: str, token: str, now: datetime, audiences: frozenset[str] | None = None) -> Approval:
    """The approval a token carries, valid now, and for one of `audiences` where they are given. Raises `TokenRefused`.

    Only what stands in the token: whether its grant still runs is for the caller to read from the database.
    """
    read = open_approval(ring, issuer, token)
    read.check(ring, now, audiences)
    return read


def _opened(ring: KeyRing, issuer: str, token: str) -> Approval:
    claims = open_token(ring, token, None)
    check_claims(claims, _CLAIMS, optional=frozenset({"cnf"}))
    if claims["iss"] != issuer or claims["aud"] == api_audience(issuer):
        raise TokenRefused("another issuer's, or the API's")
    detail = {name: value for name, value in claims["authorization_details"][0].items() if name != "type"}
    return Approval(
        claims["aud"],
        claims["sub"],
        claims["client_id"],
        claims["iat"],
        claims["nbf"],
        claims["exp"],
        claims["jti"],
        SupportAccess(**{**detail, "roles": tuple(detail["roles"])}),
        claims["cnf"]["jkt"] if "cnf" in claims else None,
        digest(token),
        claims,
        token,
    )


def _too_long() -> Refusal:
    detail = f"The roles make a token of over {MAX_TOKEN} characters. File a new request for fewer roles."
    return Refusal("validation", detail, (FieldError("/roles", "Ask for fewer roles."),))


def _detail(access: SupportAccess) -> dict[str, Any]:
    return {
        "type": DETAIL_TYPE,
        "institution": access.institution,
        "environment": access.environment,
        "account": access.account,
        "case": access.case,
        "roles": access.roles,
        "request": access.request,
        "grant": access.grant,
    }


def _is_details(value: Any) -> bool:
    """Exactly one detail, of our type, with exactly its members."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        return False
    detail = value[0]
    return detail.keys() == _DETAIL.keys() and all(check(detail[name]) for name, check in _DETAIL.items())


_DETAIL = {
    "type": lambda value: value == DETAIL_TYPE,
    "institution": is_text,
    "environment": is_text,
    "account": is_text,
    "case": is_text,
    "roles": lambda value: isinstance(value, list) and all(map(is_text, value)),
    "request": is_text,
    "grant": is_text,
}
_CLAIMS = {
    "iss": is_text,
    "aud": is_text,
    "sub": is_text,
    "client_id": is_text,
    "iat": is_seconds,
    "nbf": is_seconds,
    "exp": is_seconds,
    "jti": is_text,
    "authorization_details": _is_details,
    "cnf": is_confirmation,
}
