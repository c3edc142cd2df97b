"""DPoP proofs and client assertions, honest and hostile, as a client's library would sign them."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from app.tokens.dpop import token_hash
from tests.tokens import forge

KEY = ECKey.generate_key("P-256", private=True)
OTHER_KEY = ECKey.generate_key("P-256", private=True)


@cache
def key_of(algorithm: str) -> Key:
    """A key for an algorithm."""
    if algorithm.startswith("ES"):
        return ECKey.generate_key({"256": "P-256", "384": "P-384", "512": "P-521"}[algorithm[2:]], private=True)
    if algorithm in {"Ed25519", "EdDSA"}:
        return OKPKey.generate_key("Ed25519", private=True)
    return RSAKey.generate_key(2048, private=True)


def public(key: Key) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


def sign(header: dict[str, Any], claims: dict[str, Any] | bytes, key: Key) -> str:
    """Whatever the header says, by the algorithm that it names."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = forge.encode(json.dumps(header).encode()) + "." + forge.encode(payload)
    model = JWSRegistry.algorithms[{"EdDSA": "Ed25519"}.get(header["alg"], header["alg"])]
    return signed + "." + forge.encode(model.sign(signed.encode(), key))


def proof(
    url: str,
    now: datetime,
    *,
    method: str = "POST",
    key: Key = KEY,
    algorithm: str = "ES256",
    token: str | None = None,
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A proof; `...` leaves a claim or a header member out."""
    head = {"typ": "dpop+jwt", "alg": algorithm, "jwk": public(key)} | (header or {})
    claims = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": int(now.timestamp())}
    claims |= {} if token is None else {"ath": token_hash(token)}
    kept = {name: value for name, value in (claims | changes).items() if value is not ...}
    return sign({name: value for name, value in head.items() if value is not ...}, kept, key)


def assertion(
    client_id: str,
    audience: Any,
    now: datetime,
    *,
    key: Key = KEY,
    algorithm: str = "ES256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A client assertion; `...` leaves a claim out."""
    seconds = int(now.timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": seconds, "exp": seconds + 60}
    claims |= {"jti": secrets.token_hex(8)}
    kept = {name: value for name, value in (claims | changes).items() if value is not ...}
    return sign({"alg": algorithm, **(header or {})}, kept, key)


def unsigned(token: str, algorithm: str) -> str:
    """The same without a signature."""
    head = json.loads(forge.decode(token.split(".", maxsplit=1)[0])) | {"alg": algorithm}
    return f"{forge.encode(json.dumps(head).encode())}.{token.split('.')[1]}."
