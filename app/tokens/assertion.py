"""Client assertions (`private_key_jwt`, RFC 7523): what one has to claim. Its signature is judged elsewhere."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.errors import CountersignError
from app.tokens.jwt import TokenRefused, is_seconds, is_text, read_object

ALGORITHMS = frozenset({"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "Ed25519", "EdDSA"})
MAX_LIFE_S = 3600
LEEWAY_S = 30
MAX_JTI = 256


class AssertionRefused(CountersignError):
    """An assertion does not prove who calls. The message is for logs."""


@dataclass(frozen=True, slots=True)
class Once:
    """What may be shown once: a hash in the place of the `jti`, until the assertion is over."""

    place: str
    until: datetime


def named_in(assertion: str) -> str | None:
    """The client that an assertion says it is of: nothing is proved yet; null for what cannot be read."""
    payload = assertion.split(".")[1] if assertion.count(".") == 2 else ""
    try:
        claims = read_object(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TokenRefused):
        return None
    subject = claims.get("sub")
    return subject if is_text(subject) else None


def check(claims: Mapping[str, object], client_id: str, audiences: frozenset[str], now: datetime) -> Once:
    """What a signed assertion claims, for one of our addresses, now. Raises `AssertionRefused`."""
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise AssertionRefused("of another client")
    if _audience(claims.get("aud")) not in audiences:
        raise AssertionRefused("for another audience, or for more than one")
    _check_times(claims, now.timestamp())
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise AssertionRefused("no jti")
    place = hashlib.sha256(f"{client_id} {jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return Once(place, datetime.fromtimestamp(_seconds(claims, "exp") + LEEWAY_S, UTC))


def _audience(value: object) -> object:
    """The one audience."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else _text(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _check_times(claims: Mapping[str, object], now: float) -> None:
    exp = _seconds(claims, "exp")
    if not now - LEEWAY_S < exp <= now + MAX_LIFE_S + LEEWAY_S:
        raise AssertionRefused("over, or good for too long")
    if any(_seconds(claims, name) > now + LEEWAY_S for name in ("iat", "nbf") if name in claims):
        raise AssertionRefused("not yet good")


def _seconds(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if not is_seconds(value) or not isinstance(value, int):
        raise AssertionRefused(f"{name} is no time")
    return value
