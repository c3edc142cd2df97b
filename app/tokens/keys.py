"""The service's signing keys: ES256 for tokens and for its own sign-in at providers, Ed25519 for each trail (RFC 8032).

A directory of PEM files: `token-…` and `client-…` as `keysets.py` says, and `trail-<log>.pem`. Or the same as values of
the environment, which cannot be rotated from here. A key has one use: the ring refuses one that stands in two sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.tokens import keysets
from app.tokens.keyfiles import KeysError, create_file, read_private
from app.tokens.keysets import ALGORITHM, RETIRED_FOR, KeySet, Rotation, SigningKey, Use
from app.tokens.memory import Memory

__all__ = ["ALGORITHM", "RETIRED_FOR", "KeyRing", "Rotation", "SigningKey", "TrailKey"]

TOKEN_TYPE = "at+jwt"  # noqa: S105 -- a media type, not a secret
TOKENS = Use("token", TOKEN_TYPE)
CLIENT = Use("client", "JWT")
"""Our own sign-in as a client of identity providers (`private_key_jwt`)."""
_LOG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class TrailKey:
    """The Ed25519 key of a log: 32 bytes public, 32 bytes private (the seed)."""

    log: str
    public: bytes
    private: bytes = field(repr=False)


class KeyRing:
    """The keys of a directory (`create` makes them), or given as values. Safe to use from several threads.

    `access_tokens` and `approvals` are what was opened with them (`memory.py`).
    """

    def __init__(
        self,
        directory: Path | None,
        tokens: KeySet | None = None,
        trails: Iterable[TrailKey] = (),
        clients: KeySet | None = None,
    ) -> None:
        """Reads the directory, if there is one. Raises `KeysError` for missing keys or a file that others may read."""
        self._directory = directory
        self._trails = {key.log: key for key in trails}
        self.access_tokens: Memory[Any] = Memory()
        self.approvals: Memory[Any] = Memory()
        self._tokens = tokens or KeySet(TOKENS, directory)
        self._clients = clients
        if self._clients is not None:
            self._keep_apart(self._clients)

    @classmethod
    def from_values(cls, token_pems: str, trail_pems: Mapping[str, str], client_pems: str | None = None) -> KeyRing:
        """Of `COUNTERSIGN_TOKEN_KEY`, `COUNTERSIGN_TRAIL_KEYS` and, where there is one, `COUNTERSIGN_CLIENT_KEY`."""
        tokens = KeySet.from_pems(TOKENS, token_pems, "COUNTERSIGN_TOKEN_KEY")
        trails = [_trail_key(log, pem.encode(), f"COUNTERSIGN_TRAIL_KEYS: {log}") for log, pem in trail_pems.items()]
        clients = None if client_pems is None else KeySet.from_pems(CLIENT, client_pems, "COUNTERSIGN_CLIENT_KEY")
        return cls(None, tokens, trails, clients)

    @property
    def directory(self) -> Path | None:
        """Where the keys are, and new ones are made; null when they were given as values."""
        return self._directory

    @property
    def current(self) -> SigningKey:
        """The token key that signs now."""
        return self._tokens.current

    def token_keys(self) -> list[SigningKey]:
        """All token keys: current, next, retired."""
        return self._tokens.every()

    def by_header(self, header: str, now: datetime | None) -> SigningKey | None:
        """The token key that signs under exactly this header segment, if its tokens still count (ever, for null)."""
        return self._tokens.by_header(header, now)

    def jwks(self, now: datetime) -> dict[str, list[dict[str, Any]]]:
        """The public key set of tokens (RFC 7517): current, next, and retired while tokens live."""
        return self._tokens.jwks(now)

    def client_keys(self) -> KeySet:
        """The keys of our own sign-in at identity providers. Raises `KeysError` where there are none."""
        if self._clients is None:
            if self._directory is None:
                raise KeysError("COUNTERSIGN_CLIENT_KEY is not set; private_key_jwt needs it")
            clients = KeySet(CLIENT, self._directory)
            self._keep_apart(clients)
            self._clients = clients
        return self._clients

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

    def _keep_apart(self, clients: KeySet) -> None:
        if {key.kid for key in clients.every()} & {key.kid for key in self.token_keys()}:
            raise KeysError("a token key stands among the client keys; each use has keys of its own")


def create(directory: Path) -> None:
    """Makes the directory and its keys for tokens and for our own sign-in, where there are none yet."""
    keysets.create(directory, TOKENS)
    keysets.create(directory, CLIENT)


def create_trail(directory: Path, log: str) -> TrailKey:
    """A new key for a log. Raises `KeysError` when it has one: a trail's key is never replaced in place."""
    path = _trail_path(directory, log)
    pem = keysets.pem(Ed25519PrivateKey.generate())
    create_file(path, pem)
    return _trail_key(log, pem, str(path))


def rotate(directory: Path, now: datetime, use: Use = TOKENS) -> Rotation:
    """Next -> current -> retired, a new next, and away with retired keys when what they signed is all over."""
    return keysets.rotate(directory, use, now)


def _trail_path(directory: Path, log: str) -> Path:
    if not _LOG.fullmatch(log):
        raise KeysError(f"{log!r} is no name of a log")
    return directory / f"trail-{log}.pem"


def _trail_key(log: str, pem: bytes, where: str) -> TrailKey:
    key = keysets.load(pem, where)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{where}: the key of a trail is an Ed25519 key")
    return TrailKey(log, key.public_key().public_bytes_raw(), key.private_bytes_raw())
