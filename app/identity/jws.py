"""Compact JWS of identity providers: strict form, header, key and signature. What it claims is judged elsewhere.

RFC 7515 (JWS), RFC 7517 (JWK), RFC 7638 (thumbprints), RFC 8725 (JWT practice), RFC 9864 (`Ed25519`).

joserfc holds the primitives; key sets, JSON and headers are read here, since they are where verifiers get lenient: no
member twice, no key from the token, one key that is meant for the algorithm or none at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from joserfc import jwk as jose_keys
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import base64_to_int, urlsafe_b64decode

from app.identity.errors import IdTokenRefused
from app.identity.strict_json import strict_json

MAX_TOKEN_CHARS: Final = 65_536
MAX_KID_CHARS: Final = 255
MAX_KEYS: Final = 100
RSA_BITS: Final = range(2048, 8193)
_DOTS: Final = 2

ALGORITHMS: Final[Mapping[str, tuple[str, str | None, str]]] = {
    **{f"{family}{bits}": ("RSA", None, f"sha{bits}") for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256", "sha256"),
    "ES384": ("EC", "P-384", "sha384"),
    "ES512": ("EC", "P-521", "sha512"),
    "Ed25519": ("OKP", "Ed25519", "sha512"),
}
"""Algorithm → key type, curve, digest that belongs to it."""

_ALIASES: Final = {"EdDSA": "Ed25519"}  # no other curve of EdDSA is ours
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "cty", "enc", "zip"})
_PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_LABELS: Final = ("kid", "alg", "use")


@dataclass(frozen=True, slots=True)
class Jwks:
    """A key set as published. Unknown types, symmetric keys and keys that show private members never fit a token."""

    keys: tuple[Mapping[str, object], ...]

    @classmethod
    def read(cls, data: object) -> Jwks:
        """The set of decoded JSON `{"keys": [objects]}`. Raises `IdTokenRefused("keys-malformed")` for any other."""
        keys = data.get("keys") if isinstance(data, dict) else None
        if not isinstance(keys, list) or len(keys) > MAX_KEYS or not all(isinstance(key, dict) for key in keys):
            raise IdTokenRefused("keys-malformed")
        return cls(tuple(keys))

    def thumbprints(self) -> tuple[str, ...]:
        """The thumbprints of every key that could sign an ID token, sorted, each once."""
        fitting = (key for key in self.keys if any(_fits(key, algorithm) for algorithm in ALGORITHMS))
        return tuple(sorted({thumbprint(key) for key in fitting}))

    def find(self, kid: str | None, algorithm: str) -> Mapping[str, object]:
        """The one key that fits. Raises `IdTokenRefused` where none does, or more than one."""
        fitting = [key for key in self.keys if kid in (None, key.get("kid")) and _fits(key, algorithm)]
        if len(fitting) != 1:
            raise IdTokenRefused("id-token-key-ambiguous" if fitting else "id-token-key-unknown")
        return fitting[0]


@dataclass(frozen=True, slots=True)
class Opened:
    """The payload of a token whose signature holds, with the public key that shows it and the algorithm's digest."""

    payload: dict[str, object]
    jwk: dict[str, str]
    digest: str


def open_token(token: str, keys: Jwks, algorithms: frozenset[str], types: Collection[str] = ("JWT",)) -> Opened:
    """Checks form, header (`typ` absent or one of `types`), key and signature. Raises `IdTokenRefused`."""
    if len(token) > MAX_TOKEN_CHARS or not token.isascii() or token.count(".") != _DOTS:
        raise IdTokenRefused("id-token-malformed")
    header, payload, signature = (_bytes(part) for part in token.split("."))
    kid, algorithm = _judge_header(_object(header), algorithms, types)
    jwk = public_jwk(keys.find(kid, algorithm))
    if not _holds(token.rpartition(".")[0].encode(), signature, jwk, algorithm):
        raise IdTokenRefused("id-token-signature")
    return Opened(_object(payload), jwk, ALGORITHMS[algorithm][2])


def thumbprint(jwk: Mapping[str, object]) -> str:
    """The RFC 7638 thumbprint of an RSA, EC or OKP key: unpadded base64url of a SHA-256. Raises `IdTokenRefused`."""
    members = _PUBLIC.get(str(jwk.get("kty")), ())
    if not members or not all(isinstance(jwk.get(member), str) for member in members):
        raise IdTokenRefused("id-token-key-unfit")
    return jose_keys.thumbprint({member: jwk[member] for member in ("kty", *members)})


def public_jwk(jwk: Mapping[str, object]) -> dict[str, str]:
    """What is kept of a key: its public members, `kid`, `alg` and `use`."""
    members = ("kty", *_PUBLIC.get(str(jwk.get("kty")), ()), *_LABELS)
    return {name: value for name in members if isinstance(value := jwk.get(name), str)}


def _judge_header(
    header: Mapping[str, object], algorithms: frozenset[str], types: Collection[str]
) -> tuple[str | None, str]:
    kid, algorithm = header.get("kid"), header.get("alg")
    if _FORBIDDEN_HEADERS & header.keys() or ("typ" in header and header["typ"] not in types):
        raise IdTokenRefused("id-token-header")
    if "kid" in header and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_CHARS):
        raise IdTokenRefused("id-token-header")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise IdTokenRefused("id-token-alg")
    return kid if isinstance(kid, str) else None, _ALIASES.get(algorithm, algorithm)


def _fits(jwk: Mapping[str, object], algorithm: str) -> bool:
    """Whether the key is whole, public, of the algorithm's type, and meant for nothing else."""
    kty, crv, _ = ALGORITHMS[algorithm]
    meant, operations = jwk.get("alg", algorithm), jwk.get("key_ops", ["verify"])
    return (
        jwk.get("kty") == kty
        and jwk.get("crv") == crv
        and all(isinstance(jwk.get(member), str) for member in _PUBLIC[kty])
        and not _PRIVATE & jwk.keys()
        and jwk.get("use", "sig") == "sig"
        and isinstance(meant, str)
        and _ALIASES.get(meant, meant) == algorithm
        and isinstance(operations, list)
        and "verify" in operations
    )


def _holds(message: bytes, signature: bytes, jwk: Mapping[str, str], algorithm: str) -> bool:
    model = JWSRegistry.algorithms[algorithm]
    try:
        key = _key(tuple(sorted((name, value) for name, value in jwk.items() if name not in _LABELS)))
        model.check_key(key)
    except (JoseError, ValueError):
        raise IdTokenRefused("id-token-key-unfit") from None
    return model.verify(message, signature, key)


@lru_cache(maxsize=64)
def _key(members: tuple[tuple[str, str], ...]) -> jose_keys.Key:
    """The public key of these members. Remembered, since a verifier meets few keys many times."""
    jwk: dict[str, str | list[str]] = dict(members)
    if jwk["kty"] == "RSA" and base64_to_int(str(jwk["n"])).bit_length() not in RSA_BITS:
        raise IdTokenRefused("id-token-key-unfit")
    return jose_keys.import_key(jwk)


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode())
    except ValueError:
        raise IdTokenRefused("id-token-malformed") from None


def _object(data: bytes) -> dict[str, object]:
    try:
        value = strict_json(data)
    except ValueError:
        raise IdTokenRefused("id-token-malformed") from None
    if not isinstance(value, dict):
        raise IdTokenRefused("id-token-malformed")
    return value
