"""The strict judge of ID tokens: one function, for sign-ins as they happen and for evidence years later.

OpenID Connect Core 1.0 §2, §3.1.3.6 and §3.1.3.7.

The order is fixed: size, form, header, key, signature (`jws.py`), then the claims; nothing of a payload is believed
before its signature holds. Every claim we rely on stands in `CLAIMS`. `VerifiedIdentity` is made by `verify` alone.
Every no is `IdTokenRefused`, whose `problem` is `id-token-` and the claim's name (`id-token-auth-time`), or one of
`id-token-malformed`, `-header`, `-alg`, `-key-unknown`, `-key-ambiguous`, `-key-unfit`, `-signature`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from joserfc.util import urlsafe_b64encode

from app.identity.errors import IdTokenRefused
from app.identity.jws import Jwks, open_token, public_jwk, thumbprint

__all__ = [
    "CLAIMS",
    "EVIDENCE_ALGORITHMS",
    "EVIDENCE_LEEWAY_S",
    "MAX_TOKEN_AGE_S",
    "SIGN_IN_ALGORITHMS",
    "SIGN_IN_LEEWAY_S",
    "Expected",
    "IdTokenRefused",
    "Jwks",
    "VerifiedIdentity",
    "public_jwk",
    "thumbprint",
    "verify",
]

SIGN_IN_ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})
"""What a provider may sign with when a person signs in."""
EVIDENCE_ALGORITHMS: Final = SIGN_IN_ALGORITHMS | {"RS384", "RS512", "PS384", "PS512", "ES384", "ES512"}
"""What the offline verifier reads."""
SIGN_IN_LEEWAY_S: Final = 10
EVIDENCE_LEEWAY_S: Final = 60
MAX_TOKEN_AGE_S: Final = 600

_MAX_SUB_CHARS: Final = 255
_TIMES: Final = range(1, 253_402_300_800)  # up to the year 9999


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token has to say.

    `max_age` null: nobody asked for `auth_time`. `required_claims` must be there with exactly these values.
    `access_token` and `code`, where given, are compared with `at_hash` and `c_hash` where the token has them.
    `of_binding` is for the evidence of a binding, which an admin may have confirmed days later and whose nonce nobody
    kept: a nonce has to be there, and the token must not be issued after `now`, but it may be old. Raises `ValueError`
    where there would be nothing to judge by.
    """

    issuer: str
    audience: str
    nonce: str | None
    now: datetime
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    leeway: int = SIGN_IN_LEEWAY_S
    algorithms: frozenset[str] = SIGN_IN_ALGORITHMS
    required_claims: Mapping[str, object] = field(default_factory=dict)
    access_token: str | None = None
    code: str | None = None
    of_binding: bool = False

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience or not (self.nonce or self.of_binding):
            raise ValueError("an ID token is judged by issuer, audience and nonce")
        if self.now.tzinfo is None or not self.algorithms <= EVIDENCE_ALGORITHMS:
            raise ValueError("an ID token is judged at an aware instant, by algorithms of our list")


@dataclass(frozen=True, slots=True)
class VerifiedIdentity:
    """Who signed in where, by a provider's signature. Times are seconds since 1970; `jwk` has public members only."""

    iss: str
    sub: str
    claims: Mapping[str, object]
    jwk: Mapping[str, str]
    iat: int
    exp: int
    auth_time: int | None
    acr: str | None


def verify(token: str, keys: Jwks, expect: Expected) -> VerifiedIdentity:
    """The identity that `token` proves. Raises `IdTokenRefused`."""
    opened = open_token(token, keys, expect.algorithms)
    claims = opened.payload
    _judge(_Case(claims, expect, opened.digest), CLAIMS)
    acr = claims.get("acr")
    return VerifiedIdentity(
        iss=expect.issuer,
        sub=str(claims["sub"]),
        claims=claims,
        jwk=opened.jwk,
        iat=_time(claims, "iat"),
        exp=_time(claims, "exp"),
        auth_time=_time(claims, "auth_time") if "auth_time" in claims else None,
        acr=acr if isinstance(acr, str) else None,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    claims: Mapping[str, object]
    expect: Expected
    digest: str


Check = Callable[[_Case], bool]


def _judge(case: _Case, checks: Mapping[str, Check]) -> None:
    """Every check of the table, in its order. A table without checks is a fault of ours, never a yes."""
    if not checks:
        raise RuntimeError("no claim would be checked")
    for claim, holds in checks.items():
        if not holds(case):
            raise _refused(claim)


def _refused(claim: str) -> IdTokenRefused:
    return IdTokenRefused(f"id-token-{claim.replace('_', '-')}")


def _time(claims: Mapping[str, object], claim: str) -> int:
    """A whole number of seconds within `_TIMES`; booleans and decimals are none. Raises `IdTokenRefused`."""
    value = claims.get(claim)
    if type(value) is not int or value not in _TIMES:
        raise _refused(claim)
    return value


def _iss(case: _Case) -> bool:
    return case.claims.get("iss") == case.expect.issuer


def _aud(case: _Case) -> bool:
    return case.claims.get("aud") in (case.expect.audience, [case.expect.audience])


def _azp(case: _Case) -> bool:
    return case.claims.get("azp", case.expect.audience) == case.expect.audience


def _sub(case: _Case) -> bool:
    sub = case.claims.get("sub")
    return isinstance(sub, str) and 0 < len(sub) <= _MAX_SUB_CHARS and sub.isascii() and sub.isprintable()


def _nonce(case: _Case) -> bool:
    nonce, asked = case.claims.get("nonce"), case.expect.nonce
    if not isinstance(nonce, str) or not nonce:
        return False
    return asked is None or hmac.compare_digest(nonce.encode(), asked.encode())


def _iat(case: _Case) -> bool:
    age = case.expect.now.timestamp() - _time(case.claims, "iat")
    return age >= -case.expect.leeway and (case.expect.of_binding or age <= MAX_TOKEN_AGE_S + case.expect.leeway)


def _exp(case: _Case) -> bool:
    left = _time(case.claims, "exp") - case.expect.now.timestamp()
    lives = _time(case.claims, "exp") > _time(case.claims, "iat")
    return lives and (case.expect.of_binding or left >= -case.expect.leeway)


def _nbf(case: _Case) -> bool:
    if "nbf" not in case.claims:
        return True
    return _time(case.claims, "nbf") <= case.expect.now.timestamp() + case.expect.leeway


def _auth_time(case: _Case) -> bool:
    """Against `iat`, both of the provider's clock: never after it, and no older than asked."""
    if "auth_time" not in case.claims:
        return case.expect.max_age is None
    age = _time(case.claims, "iat") - _time(case.claims, "auth_time")
    oldest = age if case.expect.max_age is None else case.expect.max_age
    return -case.expect.leeway <= age <= oldest + case.expect.leeway


def _acr(case: _Case) -> bool:
    if "acr" not in case.claims:
        return not case.expect.acr_values
    acr = case.claims["acr"]
    return isinstance(acr, str) and (not case.expect.acr_values or acr in case.expect.acr_values)


def _hash_of(claim: str, given: Callable[[Expected], str | None]) -> Check:
    """`at_hash` or `c_hash`: the left half of the algorithm's digest, in base64url, wherever the token has it."""

    def holds(case: _Case) -> bool:
        said, value = case.claims.get(claim, ""), given(case.expect)
        if claim not in case.claims or value is None:
            return isinstance(said, str)
        whole = hashlib.new(case.digest, value.encode()).digest()
        return said == urlsafe_b64encode(whole[: len(whole) // 2]).decode()

    return holds


def _required_claims(case: _Case) -> bool:
    """Values of the same type: `true` is not `1`."""
    found = ((case.claims.get(name), value) for name, value in case.expect.required_claims.items())
    return all(type(claim) is type(value) and claim == value for claim, value in found)


CLAIMS: Final[Mapping[str, Check]] = {
    "iss": _iss,
    "aud": _aud,
    "azp": _azp,
    "sub": _sub,
    "nonce": _nonce,
    "iat": _iat,
    "exp": _exp,
    "nbf": _nbf,
    "auth_time": _auth_time,
    "acr": _acr,
    "at_hash": _hash_of("at_hash", lambda expect: expect.access_token),
    "c_hash": _hash_of("c_hash", lambda expect: expect.code),
    "required_claims": _required_claims,
}
"""Claim → check."""
