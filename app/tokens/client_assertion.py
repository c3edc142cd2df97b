"""How Countersign signs in as a client of an identity provider: `private_key_jwt` (RFC 7523, OpenID Connect Core §9).

`aud` is the provider's issuer and nothing else. All providers see one key and perhaps one client id; an audience that a
provider's own description could choose would let a dishonest one have an assertion made for another.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from joserfc import jws

from app.tokens.keys import ALGORITHM, CLIENT, KeyRing

LIFE: Final = timedelta(seconds=60)
_REGISTRY: Final = jws.JWSRegistry(algorithms=[ALGORITHM])


def make(ring: KeyRing, client_id: str, issuer: str, now: datetime) -> str:
    """A new assertion, good once and for a minute, for one provider. Raises `KeysError` where there is no key."""
    key, at = ring.client_keys().current, int(now.timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": uuid4().hex,
        "iat": at,
        "exp": at + int(LIFE.total_seconds()),
    }
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": CLIENT.typ}
    payload = json.dumps(claims, ensure_ascii=False, separators=(",", ":")).encode()
    return jws.serialize_compact(header, payload, key.key, registry=_REGISTRY)
