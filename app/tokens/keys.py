"""The service's signing keys: ES256 for tokens (RFC 7518), Ed25519 for each trail (RFC 8032).

A directory of PEM files: `token-<kid>.pem` with their states in `token-keys.json`, and `trail-<log>.pem`. Or the same
as values of the environment, which cannot be rotated from here. Rules:

* a key file is created once, never overwritten;
* `next` is published before it signs; `retired` is published and accepted until the last token it signed is over;
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
from app.tokens.memory import Memory

State = Literal["current", "next", "retired"]
RETIRED_FOR = timedelta(hours=2)
"""How long a retired key is kept: longer than any token lives (an hour at most, by policy)."""
ALGORITHM = "ES256"
TOKEN_TYPE = "at+jwt"  # noqa: S105 -- a media type, not a secret
_ORDER: tuple[State, ...] = ("current", "next", "retired")
_LOG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PEM_BLOCK = re.compile(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key for tokens. `kid` is its RFC 7638 thumbprint, `header` the one JWS header segment it signs under."""

    kid: str
    state: State
    retired_at: datetime | None
    key: ECKey = field(repr=False)
    header: str = field(repr=False)

    def counts(self, now: datetime) -> bool:
        """Whether tokens of this key may still live."""
        return self.retired_at is None or now < self.retired_at + RETIRED_FOR

    def public(self) -> dict[str, Any]:
        """The public JWK, as published."""
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": ALGORITHM}


@dataclass(frozen=True, slots=True)
class TrailKey:
    """The Ed25519 key of a log: 32 bytes public, 32 bytes private (the seed)."""

    log: str
    public: bytes
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did, by `kid`: which key signs now, was added as the next, retired, and deleted as over."""

    current: str
    added: str
    retired: str
    deleted: tuple[str, ...]


class KeyRing:
    """The keys of a directory (`create` makes them), or given as values. Safe to use from several threads.

    `access_tokens` and `approvals` are what was opened with them (`memory.py`).
    """

    def __init__(
        self, directory: Path | None, tokens: Iterable[TokenKey] = (), trails: Iterable[TrailKey] = ()
    ) -> None:
        """Reads the directory, if there is one. Raises `KeysError` for missing keys or a file that others may read."""
        self._directory = directory
        self._states = None if directory is None else str(_states_path(directory))
        self._trails = {key.log: key for key in trails}
        self._seen: Mark | None = None
        self.access_tokens: Memory[Any] = Memory()
        self.approvals: Memory[Any] = Memory()
        self._tokens = _by_header(tokens) if directory is None else {}
        self._follow()

    @classmethod
    def from_values(cls, token_pems: str, trail_pems: Mapping[str, str]) -> KeyRing:
        """Of `COUNTERSIGN_TOKEN_KEY` (PEM: the current key, then perhaps the next) and `COUNTERSIGN_TRAIL_KEYS`."""
        blocks = _PEM_BLOCK.findall(token_pems)
        if not 1 <= len(blocks) <= 2:
            raise KeysError(
                "COUNTERSIGN_TOKEN_KEY: give the current key as a PEM block, and perhaps the next as another"
            )
        tokens = [
            _token_key(pem.encode(), state, None, "COUNTERSIGN_TOKEN_KEY")
            for pem, state in zip(blocks, _ORDER, strict=False)
        ]
        trails = [_trail_key(log, pem.encode(), f"COUNTERSIGN_TRAIL_KEYS: {log}") for log, pem in trail_pems.items()]
        return cls(None, tokens, trails)

    @property
    def directory(self) -> Path | None:
        """Where the keys are, and new ones are made; null when they were given as values."""
        return self._directory

    @property
    def current(self) -> TokenKey:
        """The key that signs now."""
        return self.token_keys()[0]

    def token_keys(self) -> list[TokenKey]:
        """All token keys: current, next, retired."""
        self._follow()
        return list(self._tokens.values())

    def by_header(self, header: str, now: datetime | None) -> TokenKey | None:
        """The key that signs under exactly this header segment, if its tokens still count (at any time, for null)."""
        self._follow()
        key = self._tokens.get(header)
        return key if key is not None and (now is None or key.counts(now)) else None

    def jwks(self, now: datetime) -> dict[str, list[dict[str, Any]]]:
        """The public key set (RFC 7517): current, next, and retired while tokens live."""
        return {"keys": [key.public() for key in self.token_keys() if key.counts(now)]}

    def trail(self, log: str) -> TrailKey:
        """The key of a log. Raises `KeysError` when it has none."""
        key = self._trails.get(log)
        if key is None:
            if self._directory is None:
                raise KeysError(f"COUNTERSIGN_TRAIL_KEYS has no key for the log {log}; add one")
            path = _trail_path(self._directory, log)
            key = self._trails[log] = _trail_key(log, read_private(path), str(path))
        return key

    def trail_keys(self) -> list[TrailKey]:
        """The keys of all logs, by name."""
        if self._directory is not None:
            for path in self._directory.glob("trail-*.pem"):
                self.trail(path.stem.removeprefix("trail-"))
        return [self._trails[log] for log in sorted(self._trails)]

    def _follow(self) -> None:
        """Reads the token keys again when another process changed their states."""
        if self._directory is not None and self._states is not None and mark(self._states) != self._seen:
            # The mark is older than what is read under it, so a change in between is seen by the next call.
            seen, tokens = _read_tokens(self._directory)
            self._tokens, self._seen = _by_header(tokens), seen


def create(directory: Path) -> None:
    """Makes the directory and its token keys, current and next, where there are none yet."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(directory):
        if not _states_path(directory).exists():
            _write_states(directory, [_new_token_key(directory, "current"), _new_token_key(directory, "next")])


def create_trail(directory: Path, log: str) -> TrailKey:
    """A new key for a log. Raises `KeysError` when it has one: a trail's key is never replaced in place."""
    path = _trail_path(directory, log)
    pem = _pem(Ed25519PrivateKey.generate())
    create_file(path, pem)
    return _trail_key(log, pem, str(path))


def rotate(directory: Path, now: datetime) -> Rotation:
    """Next -> current -> retired, a new next, and away with retired keys whose tokens are all over."""
    with locked(directory):
        _, keys = _read_tokens(directory)
        states = {key.state: key for key in keys}
        if not {"current", "next"} <= states.keys():
            raise KeysError(f"{_states_path(directory)} names no current or no next key; restore it from the backup")
        current = replace(states["next"], state="current")
        added = _new_token_key(directory, "next")
        retired = replace(states["current"], state="retired", retired_at=now)
        kept = [key for key in keys if key.state == "retired" and key.counts(now)]
        over = [key for key in keys if not key.counts(now)]
        _write_states(directory, [current, added, retired, *kept])
        for key in over:
            _token_path(directory, key.kid).unlink(missing_ok=True)
    return Rotation(current.kid, added.kid, retired.kid, tuple(key.kid for key in over))


def _states_path(directory: Path) -> Path:
    return directory / "token-keys.json"


def _token_path(directory: Path, kid: str) -> Path:
    return directory / f"token-{kid}.pem"


def _trail_path(directory: Path, log: str) -> Path:
    if not _LOG.fullmatch(log):
        raise KeysError(f"{log!r} is no name of a log")
    return directory / f"trail-{log}.pem"


def _read_tokens(directory: Path) -> tuple[Mark, list[TokenKey]]:
    """The token keys and the mark of their states; read again when a rotation comes in between."""
    path = _states_path(directory)
    seen = mark(path)
    try:
        return seen, [_read_token(directory, row) for row in json.loads(read_private(path))["keys"]]
    except KeysError:
        if mark(path) == seen:
            raise
        return _read_tokens(directory)
    except (ValueError, TypeError, KeyError) as error:
        raise KeysError(f"{path} cannot be read ({error!r}); restore it from the backup") from error


def _read_token(directory: Path, row: Mapping[str, Any]) -> TokenKey:
    path = _token_path(directory, row["kid"])
    retired_at = None if row["retired_at"] is None else parse_stamp(row["retired_at"])
    return _token_key(read_private(path), row["state"], retired_at, str(path))


def _write_states(directory: Path, keys: list[TokenKey]) -> None:
    rows = [
        {"kid": key.kid, "state": key.state, "retired_at": None if key.retired_at is None else stamp(key.retired_at)}
        for key in keys
    ]
    replace_file(_states_path(directory), json.dumps({"keys": rows}, indent=1).encode() + b"\n")


def _new_token_key(directory: Path, state: State) -> TokenKey:
    pem = _pem(ec.generate_private_key(ec.SECP256R1()))
    key = _token_key(pem, state, None, "a new key")
    create_file(_token_path(directory, key.kid), pem)
    return key


def _pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(pem: bytes, where: str) -> object:
    try:
        return serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysError(f"{where}: not a private key in PEM ({error})") from error


def _token_key(pem: bytes, state: State, retired_at: datetime | None, where: str) -> TokenKey:
    raw = _load(pem, where)
    if not isinstance(raw, ec.EllipticCurvePrivateKey) or not isinstance(raw.curve, ec.SECP256R1):
        raise KeysError(f"{where}: a token key is an EC key on P-256")
    if state not in _ORDER or (state == "retired") != (retired_at is not None):
        raise KeysError(f"{where}: a key is current, next, or retired at a given time")
    key = ECKey.import_key(raw)
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": TOKEN_TYPE}
    segment = jws.serialize_compact(header, b"", key, [ALGORITHM]).partition(".")[0]
    return TokenKey(key.thumbprint(), state, retired_at, key, segment)


def _trail_key(log: str, pem: bytes, where: str) -> TrailKey:
    key = _load(pem, where)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{where}: the key of a trail is an Ed25519 key")
    return TrailKey(log, key.public_key().public_bytes_raw(), key.private_bytes_raw())


def _by_header(keys: Iterable[TokenKey]) -> dict[str, TokenKey]:
    """By header segment; current, next, retired. Raises `KeysError` unless exactly one is current."""
    ordered = sorted(keys, key=lambda key: _ORDER.index(key.state))
    if [key.state for key in ordered].count("current") != 1:
        raise KeysError("exactly one token key has to be current")
    return {key.header: key for key in ordered}
