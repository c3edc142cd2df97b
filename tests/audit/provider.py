"""An identity provider as far as evidence goes: real keys, really signing; only the HTTP is left out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.identity.id_token import Jwks

Key = RSAKey | ECKey | OKPKey


@cache
def key_of(kind: str, name: str) -> Key:
    """A key of its own for each name; made once a test run, since RSA keys take time."""
    if kind == "EC":
        return ECKey.generate_key("P-256", {"kid": name, "alg": "ES256", "use": "sig"})
    if kind == "OKP":
        return OKPKey.generate_key("Ed25519", {"kid": name, "alg": "Ed25519", "use": "sig"})
    return RSAKey.generate_key(2048, {"kid": name, "alg": "RS256", "use": "sig"})


class Provider:
    """One issuer with one signing key."""

    def __init__(self, issuer: str, client_id: str, kind: str = "EC") -> None:
        self.issuer, self.client_id = issuer, client_id
        self.key = key_of(kind, issuer)
        self.alg = {"EC": "ES256", "OKP": "Ed25519", "RSA": "RS256"}[kind]

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key."""
        return {name: value for name, value in self.key.as_dict(private=False).items() if isinstance(value, str)}

    @property
    def jwks(self) -> dict[str, Any]:
        """What the provider publishes."""
        return {"keys": [self.jwk]}

    @property
    def thumbprints(self) -> list[str]:
        """The thumbprints of what it publishes."""
        return list(Jwks.read(self.jwks).thumbprints())

    def id_token(self, sub: str, at: int, /, **claims: Any) -> str:
        """An ID token issued at `at` (seconds); `claims` are added, and override (null: left out)."""
        said: Mapping[str, Any] = {
            "iss": self.issuer, "sub": sub, "aud": self.client_id, "iat": at, "exp": at + 300, "auth_time": at,
            "nonce": "n-0S6_WzA2Mj", **claims,
        }  # fmt: skip
        payload = {name: value for name, value in said.items() if value is not None}
        header = {"alg": self.alg, "kid": self.key.kid, "typ": "JWT"}
        return jws.serialize_compact(header, orjson.dumps(payload), self.key, algorithms=[self.alg])
