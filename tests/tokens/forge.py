"""Tokens as an attacker, or a broken signer, would make them: any header and payload, signed by any key."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.tokens.keys import KeyRing


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def private_key(ring: KeyRing) -> ec.EllipticCurvePrivateKey:
    key = ring.current.key.private_key
    assert key is not None
    return key


def signature(key: ec.EllipticCurvePrivateKey, signed: str) -> bytes:
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def token(ring: KeyRing, payload: bytes | dict[str, Any], header: bytes | dict[str, Any] | None = None) -> str:
    """Signed by the ring's own key, under its own header unless another is given."""
    segment = ring.current.header if header is None else encode(_bytes(header))
    signed = segment + "." + encode(_bytes(payload))
    return signed + "." + encode(signature(private_key(ring), signed))


def _bytes(value: bytes | dict[str, Any]) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
