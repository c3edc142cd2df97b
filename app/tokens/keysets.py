"""ES256 key sets (RFC 7517, RFC 7518) with rotation: a directory's files of one use, or keys given as values.

`<use>-<kid>.pem` with their states in `<use>-keys.json`. Rules:

* a key file is created once, never overwritten;
* `next` is published before it signs; `retired` is published and accepted until the last thing it signed is over;
* a running service follows the directory: each use asks whether the states changed, so a rotation needs no restart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.jwk import ECKey

from app.domain.times import parse_stamp, stamp
from app.tokens.keyfiles import KeysError, Mark, create_file, locked, mark, read_private, replace_file

State = Literal["current", "next", "retired"]
RETIRED_FOR = timedelta(hours=2)
"""How long a retired key is kept: longer than any token lives (an hour at most, by policy)."""
ALGORITHM = "ES256"
_ORDER: tuple[State, ...] = ("current", "next", "retired")
PEM_BLOCK = re.compile(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Use:
    """What keys are for: the beginning of their files' names, and the one `typ` they sign under."""

    name: str
    typ: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of one use. `kid` is its RFC 7638 thumbprint, `header` the one JWS header segment it signs under."""

    kid: str
    state: State
    retired_at: datetime | None
    key: ECKey = field(repr=False)
    header: str = field(repr=False)

    def counts(self, now: datetime) -> bool:
        """Whether what this key signed may still live."""
        return self.retired_at is None or now < self.retired_at + RETIRED_FOR

    def public(self) -> dict[str, Any]:
        """The public JWK, as published."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": ALGORITHM}


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did, by `kid`: which key signs now, was added as the next, retired, and deleted as over."""

    current: str
    added: str
    retired: str
    deleted: tuple[str, ...]


class KeySet:
    """The keys of one use: those of a directory (`create` makes them), or given. Safe to use from several threads."""

    def __init__(self, use: Use, directory: Path | None, given: Iterable[SigningKey] = ()) -> None:
        """Reads the directory, if there is one. Raises `KeysError` for missing keys or a file that others may read."""
        self._use, self._directory = use, directory
        self._states = None if directory is None else str(_states_path(directory, use))
        self._seen: Mark | None = None
        self._keys = _by_header(given) if directory is None else {}
        self._follow()

    @classmethod
    def from_pems(cls, use: Use, pems: str, where: str) -> KeySet:
        """Of a text (PEM: the current key, then perhaps the next)."""
        blocks = PEM_BLOCK.findall(pems)
        if not 1 <= len(blocks) <= 2:
            raise KeysError(f"{where}: give the current key as a PEM block, and perhaps the next as another")
        return cls(
            use,
            None,
            [_read(use, pem.encode(), state, None, where) for pem, state in zip(blocks, _ORDER, strict=False)],
        )

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        return self.every()[0]

    def every(self) -> list[SigningKey]:
        """All of them: current, next, retired."""
        self._follow()
        return list(self._keys.values())

    def by_header(self, header: str, now: datetime | None) -> SigningKey | None:
        """The key that signs under exactly this header segment, if it still counts (at any time, for null)."""
        self._follow()
        key = self._keys.get(header)
        return key if key is not None and (now is None or key.counts(now)) else None

    def jwks(self, now: datetime) -> dict[str, list[dict[str, Any]]]:
        """The public key set (RFC 7517): current, next, and retired while what they signed lives."""
        return {"keys": [key.public() for key in self.every() if key.counts(now)]}

    def _follow(self) -> None:
        """Reads the keys again when another process changed their states."""
        if self._directory is not None and self._states is not None and mark(self._states) != self._seen:
            # The mark is older than what is read under it, so a change in between is seen by the next call.
            seen, found = _read_all(self._directory, self._use)
            self._keys, self._seen = _by_header(found), seen


def create(directory: Path, use: Use) -> None:
    """Makes the directory and the keys of a use, current and next, where there are none yet."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(directory):
        if not has_keys(directory, use):
            _write_states(directory, use, [_new(directory, use, "current"), _new(directory, use, "next")])


def has_keys(directory: Path, use: Use) -> bool:
    """Whether the keys of a use were made there."""
    return _states_path(directory, use).exists()


def rotate(directory: Path, use: Use, now: datetime) -> Rotation:
    """Next -> current -> retired, a new next, and away with retired keys when what they signed is all over."""
    with locked(directory):
        _, keys = _read_all(directory, use)
        states = {key.state: key for key in keys}
        if not {"current", "next"} <= states.keys():
            path = _states_path(directory, use)
            raise KeysError(f"{path} names no current or no next key; restore it from the backup")
        current = replace(states["next"], state="current")
        added = _new(directory, use, "next")
        retired = replace(states["current"], state="retired", retired_at=now)
        kept = [key for key in keys if key.state == "retired" and key.counts(now)]
        over = [key for key in keys if not key.counts(now)]
        _write_states(directory, use, [current, added, retired, *kept])
        for key in over:
            _path(directory, use, key.kid).unlink(missing_ok=True)
    return Rotation(current.kid, added.kid, retired.kid, tuple(key.kid for key in over))


def pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    """A private key as its file holds it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load(data: bytes, where: str) -> object:
    """The private key of a PEM. Raises `KeysError`."""
    try:
        return serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysError(f"{where}: not a private key in PEM ({error})") from error


def _states_path(directory: Path, use: Use) -> Path:
    return directory / f"{use.name}-keys.json"


def _path(directory: Path, use: Use, kid: str) -> Path:
    return directory / f"{use.name}-{kid}.pem"


def _read_all(directory: Path, use: Use) -> tuple[Mark, list[SigningKey]]:
    """The keys and the mark of their states; read again when a rotation comes in between."""
    path = _states_path(directory, use)
    seen = mark(path)
    try:
        return seen, [_read_file(directory, use, row) for row in json.loads(read_private(path))["keys"]]
    except KeysError:
        if mark(path) == seen:
            raise
        return _read_all(directory, use)
    except (ValueError, TypeError, KeyError) as error:
        raise KeysError(f"{path} cannot be read ({error!r}); restore it from the backup") from error


def _read_file(directory: Path, use: Use, row: Mapping[str, Any]) -> SigningKey:
    path = _path(directory, use, row["kid"])
    retired_at = None if row["retired_at"] is None else parse_stamp(row["retired_at"])
    return _read(use, read_private(path), row["state"], retired_at, str(path))


def _write_states(directory: Path, use: Use, keys: list[SigningKey]) -> None:
    rows = [
        {"kid": key.kid, "state": key.state, "retired_at": None if key.retired_at is None else stamp(key.retired_at)}
        for key in keys
    ]
    replace_file(_states_path(directory, use), json.dumps({"keys": rows}, indent=1).encode() + b"\n")


def _new(directory: Path, use: Use, state: State) -> SigningKey:
    data = pem(ec.generate_private_key(ec.SECP256R1()))
    key = _read(use, data, state, None, "a new key")
    create_file(_path(directory, use, key.kid), data)
    return key


def _read(use: Use, data: bytes, state: State, retired_at: datetime | None, where: str) -> SigningKey:
    raw = load(data, where)
    if not isinstance(raw, ec.EllipticCurvePrivateKey) or not isinstance(raw.curve, ec.SECP256R1):
        raise KeysError(f"{where}: a {use.name} key is an EC key on P-256")
    if state not in _ORDER or (state == "retired") != (retired_at is not None):
        raise KeysError(f"{where}: a key is current, next, or retired at a given time")
    key = ECKey.import_key(raw)
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": use.typ}
    segment = jws.serialize_compact(header, b"", key, [ALGORITHM]).partition(".")[0]
    return SigningKey(key.thumbprint(), state, retired_at, key, segment)


def _by_header(keys: Iterable[SigningKey]) -> dict[str, SigningKey]:
    """By header segment; current, next, retired. Raises `KeysError` unless exactly one is current."""
    ordered = sorted(keys, key=lambda key: _ORDER.index(key.state))
    if [key.state for key in ordered].count("current") != 1:
        raise KeysError("exactly one key of each use has to be current")
    return {key.header: key for key in ordered}
