"""Our own JWTs, signed and opened: RFC 7519 in JWS compact form (RFC 7515), ES256 only, as RFC 8725 advises.

Two kinds of token are built on this, approval tokens (`approval.py`) and access tokens of the API (`access.py`).
Opening is strict and has one error. The header is not parsed: it is *recognised*, as a whole, as the one header that
one of our keys signs under. So no algorithm, key, `typ` or `crit` is ever taken from a token. The payload is read after
its signature holds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from app.domain.errors import CountersignError
from app.tokens.keys import ALGORITHM, TOKEN_TYPE, KeyRing

MAX_TOKEN = 8192
"""Characters of the longest token: what common servers still take as one header line."""
_MAX_CONTAINERS = 16
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_JSON_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])

Check = Callable[[Any], bool]


class TokenRefused(CountersignError):
    """A token is not one of ours, not of this kind, or not valid now. The message is for logs, never for the bearer."""


def sign(ring: KeyRing, claims: Mapping[str, Any]) -> str:
    """The compact token of these claims by the current key."""
    key = ring.current
    payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": TOKEN_TYPE}
    return jws.serialize_compact(header, payload, key.key, registry=_REGISTRY)


def open_token(ring: KeyRing, token: str, now: datetime | None) -> dict[str, Any]:
    """The claims, whatever they are, of a token that one of our keys signed. Raises `TokenRefused`.

    Without an instant the key is not asked whether it still counts: `check_key` has to be.
    """
    match = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if match is None:
        raise TokenRefused("not a compact JWS of at most 8 KiB")
    key = ring.by_header(match[1], now)
    if key is None:
        raise TokenRefused("the header is none of those our keys sign under")
    try:
        opened = jws.deserialize_compact(token, key.key, registry=_REGISTRY)
    except JoseError as error:
        raise TokenRefused("the signature does not hold, or its base64url is not canonical") from error
    return read_object(opened.payload or b"")


def check_key(ring: KeyRing, token: str, now: datetime) -> None:
    """Whether the key of a token that was opened before still counts. Raises `TokenRefused`."""
    if ring.by_header(token.partition(".")[0], now) is None:
        raise TokenRefused("the header is none of those our keys sign under")


def check_claims(
    claims: Mapping[str, Any], table: Mapping[str, Check], *, optional: frozenset[str] = frozenset()
) -> None:
    """Every claim stands in the table and passes; none is missing but the optional. Raises `TokenRefused`."""
    strangers = claims.keys() - table.keys()
    missing = table.keys() - claims.keys() - optional
    if strangers or missing or not table:
        raise TokenRefused(f"claims too many {sorted(strangers)}, missing {sorted(missing)}")
    for name, value in claims.items():
        if not table[name](value):
            raise TokenRefused(f"the claim {name} is not as it must be")


def check_times(claims: Mapping[str, Any], begins: str, now: datetime, longest_s: int) -> None:
    """`claims[begins]` <= now < `exp`, to the instant, and a life of at most `longest_s`. Raises `TokenRefused`."""
    if not claims[begins] <= now.timestamp() < claims["exp"]:
        raise TokenRefused("not yet, or no longer, valid")
    if claims["exp"] - min(claims[begins], claims["iat"]) > longest_s:
        raise TokenRefused("valid for longer than any of its kind")


def is_text(value: Any) -> bool:
    """A string that is not empty."""
    return isinstance(value, str) and value != ""


def is_seconds(value: Any) -> bool:
    """A whole number of seconds since 1970 (RFC 7519's NumericDate, without its fractions)."""
    return type(value) is int and 0 <= value < 1 << 53


def is_confirmation(value: Any) -> bool:
    """`cnf` with the thumbprint of a key (RFC 9449, section 6.1), and nothing else."""
    return (
        isinstance(value, dict)
        and value.keys() == {"jkt"}
        and isinstance(value["jkt"], str)
        and _THUMBPRINT.fullmatch(value["jkt"]) is not None
    )


def digest(token: str) -> str:
    """`sha256:<hex>` of the compact token, which stands in the trail in its place."""
    return "sha256:" + hashlib.sha256(token.encode("ascii")).hexdigest()


def read_object(payload: bytes) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, no member twice, little nesting. Raises `TokenRefused`."""
    outside = _JSON_STRING.sub(b"", payload)
    if outside.count(b"[") + outside.count(b"{") > _MAX_CONTAINERS:
        raise TokenRefused("the claims nest or sprawl")
    try:
        claims = json.loads(payload.decode(), object_pairs_hook=_unique)
    except ValueError as error:
        raise TokenRefused("the payload is no strict JSON") from error
    if not isinstance(claims, dict):
        raise TokenRefused("the payload is no JSON object")
    return claims


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenRefused("a key twice in one object")
    return found
