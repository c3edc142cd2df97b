"""The strict judge of logout tokens: what a provider says when somebody signed out there.

OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6. A logout token is told from an ID token by its `events` and by having
no `nonce`; its `typ` is `logout+jwt`, or what older providers send. Each `jti` counts once, which the caller keeps.
Every no is `IdTokenRefused`, whose problem is `logout-` and the claim's name, or one of `jws.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.identity.errors import IdTokenRefused
from app.identity.id_token import MAX_TOKEN_AGE_S, SIGN_IN_ALGORITHMS, SIGN_IN_LEEWAY_S
from app.identity.jws import Jwks, open_token

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
TYPES: Final = ("logout+jwt", "JWT")
_MAX_CHARS: Final = 255


@dataclass(frozen=True, slots=True)
class Logout:
    """Who signed out: an account (`sub`), one session of the provider's (`sid`), or both. `counts_until`: of `jti`."""

    sub: str | None
    sid: str | None
    jti: str
    counts_until: datetime


@dataclass(frozen=True, slots=True)
class _Case:
    claims: Mapping[str, object]
    issuer: str
    audiences: Collection[str]
    now: datetime


def verify_logout(token: str, keys: Jwks, issuer: str, audiences: Collection[str], now: datetime) -> Logout:
    """Who signed out at `issuer`, told to one of our `audiences`. Raises `IdTokenRefused`."""
    claims = open_token(token, keys, SIGN_IN_ALGORITHMS, TYPES).payload
    case = _Case(claims, issuer, audiences, now)
    for name, holds in CLAIMS.items():
        if not holds(case):
            raise IdTokenRefused(f"logout-{name}")
    issued = datetime.fromtimestamp(float(str(claims["iat"])), UTC)
    life = timedelta(seconds=MAX_TOKEN_AGE_S + 2 * SIGN_IN_LEEWAY_S)
    return Logout(_text(claims, "sub"), _text(claims, "sid"), str(claims["jti"]), issued + life)


def _iss(case: _Case) -> bool:
    return case.claims.get("iss") == case.issuer


def _aud(case: _Case) -> bool:
    return any(case.claims.get("aud") in (each, [each]) for each in case.audiences)


def _iat(case: _Case) -> bool:
    """Of this moment: a token that lay about ends no session of later."""
    issued = case.claims.get("iat")
    if type(issued) is not int:
        return False
    return -SIGN_IN_LEEWAY_S <= case.now.timestamp() - issued <= MAX_TOKEN_AGE_S + SIGN_IN_LEEWAY_S


def _exp(case: _Case) -> bool:
    """Required by the final specification, unknown to providers of its drafts."""
    ends = case.claims.get("exp", case.claims["iat"])
    lives = "exp" not in case.claims or case.now.timestamp() <= _number(ends) + SIGN_IN_LEEWAY_S
    return type(ends) is int and lives


def _number(value: object) -> int:
    return value if type(value) is int else 0


def _jti(case: _Case) -> bool:
    return _is_name(case.claims.get("jti"))


def _events(case: _Case) -> bool:
    events = case.claims.get("events")
    return isinstance(events, dict) and isinstance(events.get(EVENT), dict)


def _nonce(case: _Case) -> bool:
    return "nonce" not in case.claims


def _sub_or_sid(case: _Case) -> bool:
    given = [case.claims[name] for name in ("sub", "sid") if name in case.claims]
    return bool(given) and all(map(_is_name, given))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_CHARS and value.isascii() and value.isprintable()


def _text(claims: Mapping[str, object], name: str) -> str | None:
    return str(claims[name]) if name in claims else None


CLAIMS: Final[Mapping[str, Callable[[_Case], bool]]] = {
    "iss": _iss,
    "aud": _aud,
    "iat": _iat,
    "exp": _exp,
    "jti": _jti,
    "events": _events,
    "nonce": _nonce,
    "sub-sid": _sub_or_sid,
}
"""Claim → check, in this order."""
