"""Evidence blobs (`events.md`): canonical JSON, named by its SHA-256, made and read here alone.

* `countersignature/1`: a statement, and the ID token whose nonce is the statement's hash;
* `binding/1`: an ID token of a sign-in that bound a person, set claim roles, or proved an engineer;
* `input/1`: bytes that something was computed from, such as a key set, a scan, sign-in records.
"""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from app.trail import canonical

MAX_BLOB = 2 << 20
COUNTERSIGNATURE, BINDING, INPUT = (f"countersign/{name}/1" for name in ("countersignature", "binding", "input"))


class EvidenceError(ValueError):
    """The bytes are no evidence blob of the catalogue."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An ID token and the key that is said to have signed it; `statement` is null for a binding."""

    id_token: str
    jwk: Mapping[str, Any]
    statement: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes that were worked on, and what they are."""

    media_type: str
    data: bytes


def countersignature_blob(statement: Mapping[str, Any], id_token: str, jwk: Mapping[str, Any]) -> bytes:
    """The evidence of a decision, a standing approval or a change. The statement stands in it as an object."""
    members = {"v": COUNTERSIGNATURE, "statement": dict(statement), "id_token": id_token, "jwk": dict(jwk)}
    return canonical.encode(members)


def binding_blob(id_token: str, jwk: Mapping[str, Any]) -> bytes:
    """The evidence of a sign-in."""
    return canonical.encode({"v": BINDING, "id_token": id_token, "jwk": dict(jwk)})


def input_blob(media_type: str, data: bytes) -> bytes:
    """The evidence of an input. Raises `EvidenceError` when the blob would be larger than 2 MiB."""
    digest, encoded = canonical.sha(data), b64encode(data).decode()
    blob = canonical.encode({"v": INPUT, "media_type": media_type, "sha256": digest, "bytes": encoded})
    if len(blob) > MAX_BLOB:
        raise EvidenceError("larger than 2 MiB")
    return blob


def nonce_of(statement: bytes) -> str:
    """What binds a sign-in to a statement (or to `{"grant","jti"}`): unpadded base64url of the SHA-256 of its JCS."""
    return urlsafe_b64encode(sha256(statement).digest()).rstrip(b"=").decode()


def read_evidence(blob: bytes) -> SignedIn | Input:
    """The blob's content. Raises `EvidenceError` for anything but the three forms."""
    try:
        members = canonical.decode_object(blob, MAX_BLOB)
    except canonical.CanonicalError as error:
        raise EvidenceError("not canonical JSON") from error
    match members:
        case {"v": kind, "statement": dict(statement), "id_token": str(token), "jwk": dict(jwk), **rest} if (
            kind == COUNTERSIGNATURE and not rest
        ):
            return SignedIn(token, jwk, statement)
        case {"v": kind, "id_token": str(token), "jwk": dict(jwk), **rest} if kind == BINDING and not rest:
            return SignedIn(token, jwk, None)
        case {"v": kind, "media_type": str(media_type), "sha256": str(digest), "bytes": str(data), **rest} if (
            kind == INPUT and not rest
        ):
            return _input(media_type, digest, data)
    raise EvidenceError("not an evidence blob")


def _input(media_type: str, digest: str, encoded: str) -> Input:
    try:
        data = b64decode(encoded, validate=True)
    except (Base64Error, ValueError) as error:
        raise EvidenceError("not base64") from error
    if b64encode(data).decode() != encoded or canonical.sha(data) != digest:
        raise EvidenceError("the input's bytes are not those of its hash")
    return Input(media_type, data)
