"""What passes through a browser on its way to a provider and back: random values, PKCE, cookies, the callback. Pure.

RFC 7636 (PKCE), RFC 6749 §4.1.2 (authorization response), RFC 9207 (issuer identification), RFC 6265bis (`__Host-`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from app.identity.errors import CallbackRefused

COOKIE_PREFIX: Final = "__Host-"
_MAX_PARAMETER: Final = 4096
_MAX_PATH: Final = 2000
# A path alone: neither another host (`//host`, `/\host`) nor anything a header could not hold.
_OWN_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_OURS: Final = frozenset({"code", "state", "iss", "error"})
_PROVIDER_ERRORS: Final = frozenset(
    "access_denied account_selection_required consent_required interaction_required invalid_request invalid_scope "
    "login_required server_error temporarily_unavailable unauthorized_client unmet_authentication_requirements "
    "unsupported_response_type".split(),
)


def new_secret() -> str:
    """256 random bits for a `state`, a `nonce`, a PKCE verifier or a session id: 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def code_challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())


def is_own_path(path: str) -> bool:
    """Whether a browser that is sent to `path` stays at the host that sends it."""
    return len(path) <= _MAX_PATH and _OWN_PATH.fullmatch(path) is not None


def cookie_name(name: str, *, secure: bool) -> str:
    """A cookie's name: bound to our host and to TLS by its prefix, but for an `http` base URL (development only)."""
    return COOKIE_PREFIX + name if secure else name


def cookie_of(header: str, name: str) -> str | None:
    """The value of a cookie in a `Cookie` header, the first where there are several; null for none or an empty one."""
    for pair in header.split(";"):
        given, _, value = pair.strip(" ").partition("=")
        if given == name:
            return value or None
    return None


def csrf_token(key: bytes, session: str) -> str:
    """The token that this session's forms carry. `key` is derived for this purpose alone."""
    return _base64url(hmac.digest(key, session.encode(), "sha256"))


def callback_code(parameters: Iterable[tuple[str, str]], *, state: str, issuer: str, iss_required: bool) -> str:
    """The code of the callback's query, once `state` and `iss` fit; nothing was asked of a token endpoint before.

    `iss` is compared wherever it stands, and missed where the provider says that it sends it, in error answers too.
    Raises `CallbackRefused`: `callback-malformed`, `callback-state` (no institution's event: this browser never left),
    `callback-iss`, `callback-code`, or what the provider said, `provider-access-denied` and its like.
    """
    answer = _once(parameters)
    if not same(answer.get("state", ""), state) or not state:
        raise CallbackRefused("callback-state")
    if answer.get("iss", None if iss_required else issuer) != issuer:
        raise CallbackRefused("callback-iss")
    if "error" in answer:
        known = answer["error"] if answer["error"] in _PROVIDER_ERRORS else "error"
        raise CallbackRefused(f"provider-{known.replace('_', '-')}")
    if not answer.get("code"):
        raise CallbackRefused("callback-code")
    return answer["code"]


def _once(parameters: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters that we read; none of them may stand twice. Others are the provider's own affair."""
    answer: dict[str, str] = {}
    for name, value in parameters:
        if name in _OURS:
            if name in answer or len(value) > _MAX_PARAMETER:
                raise CallbackRefused("callback-malformed")
            answer[name] = value
    return answer


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
