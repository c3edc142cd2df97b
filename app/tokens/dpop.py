"""DPoP proofs (RFC 9449): that whoever uses a token holds the key it is bound to.

A proof is a JWT whose header carries its own public key. It is good for one method and address, once, and for a minute:
by its `iat`, or by a nonce of ours where its sender's clock is wrong. Its `jti` the caller has to take once.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from app.domain.errors import CountersignError
from app.tokens.jwt import TokenRefused, is_seconds, is_text, read_object
from app.tokens.secrets import Secrets

ALGORITHMS = ("ES256", "ES384", "PS256", "Ed25519", "EdDSA")
WINDOW_S = 60
KEPT_FOR = timedelta(seconds=2 * WINDOW_S + 10)
"""How long a `jti` has to be remembered: until no window could hold its proof any more."""
MAX_PROOF = 8192
MAX_JTI = 256
_TYPE = "dpop+jwt"
_LABEL = "dpop-nonce"
_NONCE_S = WINDOW_S // 2
_RSA_BITS = range(2048, 4097)
_ALIASES = {"EdDSA": "Ed25519"}  # no other curve of EdDSA is ours
_MEMBERS: Mapping[str, tuple[type[ECKey | RSAKey | OKPKey], tuple[str, ...]]] = {
    "EC": (ECKey, ("crv", "x", "y")),
    "RSA": (RSAKey, ("n", "e")),
    "OKP": (OKPKey, ("crv", "x")),
}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PORTS = {"https": 443, "http": 80}


ProofError = Literal["invalid_dpop_proof", "use_dpop_nonce"]


class ProofRefused(CountersignError):
    """A proof does not prove what it has to. `error` is the code of RFC 9449; the message is for logs."""

    def __init__(self, detail: str, error: ProofError = "invalid_dpop_proof") -> None:
        super().__init__(detail)
        self.error = error


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature holds; only `read_proof` makes one. `jkt` is the RFC 7638 thumbprint of its key."""

    jkt: str
    jti: str
    method: str
    address: str
    iat: int
    nonce: str | None
    token_hash: str | None

    @property
    def place(self) -> str:
        """Under what it is remembered: a hash, whatever its sender called it."""
        return hashlib.sha256(f"{self.jkt} {self.jti}".encode("utf-8", "surrogatepass")).hexdigest()


def read_proof(text: str) -> Proof:
    """The proof of a `DPoP` header. Raises `ProofRefused`."""
    if len(text) > MAX_PROOF or text.count(".") != 2 or not text.isascii():
        raise ProofRefused("not a compact JWS of at most 8 KiB")
    try:
        key, claims = _open(*text.split("."))
    except (JoseError, TokenRefused, ValueError) as error:
        raise ProofRefused("the header, the key or the signature is not as it must be") from error
    if any(name not in claims or not holds(claims[name]) for name, holds in _CLAIMS.items()) or not all(
        is_text(claims[name]) for name in ("ath", "nonce") if name in claims
    ):
        raise ProofRefused("a claim is missing or not as it must be")
    jti, method, address, iat = (claims[name] for name in ("jti", "htm", "htu", "iat"))
    return Proof(key.thumbprint(), jti, method, address, iat, claims.get("nonce"), claims.get("ath"))


def judge(proof: Proof, secrets: Secrets, method: str, address: str, now: datetime, token: str | None) -> None:
    """Whether it is for this call and this moment, and, where there is a token beside it, for that one.

    Raises `ProofRefused`.
    """
    if proof.method != method or _plain(proof.address) != _plain(address):
        raise ProofRefused("for another method or address")
    if token is not None and proof.token_hash != token_hash(token):
        raise ProofRefused("for another token")
    if proof.nonce is not None:
        if proof.nonce not in (nonce(secrets, now), nonce(secrets, now - timedelta(seconds=_NONCE_S))):
            raise ProofRefused("an older nonce, or none of ours", "use_dpop_nonce")
    elif abs(now.timestamp() - proof.iat) > WINDOW_S:
        raise ProofRefused("made at another time", "use_dpop_nonce")


def nonce(secrets: Secrets, now: datetime) -> str:
    """The nonce to use now; it is taken for at least half of a proof's minute, by every replica."""
    place = str(math.floor(now.timestamp()) // _NONCE_S)
    return base64.urlsafe_b64encode(secrets.mac(_LABEL, place)[:18]).decode()


def token_hash(token: str) -> str:
    """`ath`: the unpadded base64url of the token's SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def _open(head: str, payload: str, signature: str) -> tuple[Key, dict[str, Any]]:
    """The key in the header, and what it signed. Raises `ProofRefused`, `TokenRefused`, `JoseError`, `ValueError`."""
    header = read_object(urlsafe_b64decode(head.encode()))
    algorithm = header.get("alg")
    if header.keys() != {"typ", "alg", "jwk"} or header["typ"] != _TYPE or algorithm not in ALGORITHMS:
        raise ProofRefused("the header is none of a proof")
    key = _key(header["jwk"])
    model = JWSRegistry.algorithms[_ALIASES.get(algorithm, algorithm)]
    model.check_key(key)
    if not model.verify(f"{head}.{payload}".encode(), urlsafe_b64decode(signature.encode()), key):
        raise ProofRefused("the signature does not hold")
    return key, read_object(urlsafe_b64decode(payload.encode()))


def _key(jwk: Any) -> Key:
    """The public key, by the members that make it one. Raises `ProofRefused`, `JoseError`, `ValueError`."""
    if not isinstance(jwk, dict):
        raise ProofRefused("the key is no key")
    kind, members = _MEMBERS.get(str(jwk.get("kty")), (ECKey, ()))
    if not members or _PRIVATE & jwk.keys() or not all(is_text(jwk.get(name)) for name in members):
        raise ProofRefused("the key is not a public one of a known kind")
    if kind is RSAKey and len(jwk["n"]) * 6 // 8 * 8 not in _RSA_BITS:
        raise ProofRefused("the RSA key is too short or too long")
    return kind.import_key({"kty": jwk["kty"], **{name: jwk[name] for name in members}})


def _plain(address: str) -> tuple[str, str, int | None, str]:
    """An address without query and fragment, in the form in which two are compared (RFC 3986, section 6.2)."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise ProofRefused("the address is none") from error
    return parts.scheme, (parts.hostname or ""), port, parts.path or "/"


_CLAIMS = {
    "jti": lambda value: is_text(value) and len(value) <= MAX_JTI,
    "htm": is_text,
    "htu": is_text,
    "iat": is_seconds,
}
