"""The service's signing keys: ES256 for tokens and for its own sign-in at providers, Ed25519 for each trail (RFC 8032).

A directory of PEM files: `token-…` and `client-…` as `keysets.py` says, and `trail-<log>.pem`, which holds two keys
while it is being rotated: the old one and the new one, and both sign. Or the same as values of
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
from app.tokens.keyfiles import KeysError, Mark, create_file, locked, mark, read_private, replace_file
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
        self._trails: dict[str, tuple[Mark | None, tuple[TrailKey, ...]]] = {}
        for key in trails:
            self._trails[key.log] = None, (*self._trails.get(key.log, (None, ()))[1], key)
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
        where = "COUNTERSIGN_TRAIL_KEYS: {}".format
        trails = [key for log, pem in trail_pems.items() for key in _trail_keys(log, pem.encode(), where(log))]
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
        """The key of a log; the old one while it is being rotated. Raises `KeysError` when it has none."""
        return self.trails(log)[0]

    def trails(self, log: str) -> tuple[TrailKey, ...]:
        """The keys that sign a log: one, or the old and the new one. Raises `KeysError` when it has none."""
        kept = self._trails.get(log)
        if self._directory is None:
            if kept is None:
                raise KeysError(f"COUNTERSIGN_TRAIL_KEYS has no key for the log {log}; add one")
            return kept[1]
        path = _trail_path(self._directory, log)
        if kept is None or kept[0] != _mark(path):
            kept = self._trails[log] = _read_trail(path, log)
        return kept[1]

    def trail_keys(self) -> list[TrailKey]:
        """The keys of all logs, by name; of one that is being rotated both."""
        if self._directory is not None:
            for path in self._directory.glob("trail-*.pem"):
                self.trails(path.stem.removeprefix("trail-"))
        return [key for log in sorted(self._trails) for key in self._trails[log][1]]

    def _keep_apart(self, clients: KeySet) -> None:
        if {key.kid for key in clients.every()} & {key.kid for key in self.token_keys()}:
            raise KeysError("a token key stands among the client keys; each use has keys of its own")


def create(directory: Path) -> None:
    """Makes the directory and its keys for tokens and for our own sign-in, where there are none yet."""
    keysets.create(directory, TOKENS)
    keysets.create(directory, CLIENT)


def create_trail(directory: Path, log: str) -> TrailKey:
    """A new key for a log. Raises `KeysError` when it has one: that is rotated."""
    path = _trail_path(directory, log)
    pem = keysets.pem(Ed25519PrivateKey.generate())
    create_file(path, pem)
    return _trail_key(log, pem, str(path))


def new_trail(directory: Path, log: str) -> TrailKey:
    """The key that a log is to have next: made, but not signing yet. Raises `KeysError` while two sign."""
    path, waiting = _trail_path(directory, log), _trail_path(directory, log).with_suffix(".new")
    with locked(directory):
        if len(_read_trail(path, log)[1]) > 1:
            raise KeysError(f"the key of {log} is being rotated: the old one and the new one sign; finish that first")
        if not waiting.exists():
            create_file(waiting, keysets.pem(Ed25519PrivateKey.generate()))
        return _trail_key(log, read_private(waiting), str(waiting))


def overlap_trail(directory: Path, log: str) -> None:
    """The old key and the new one both sign from now on. Raises `KeysError` where there is no new one."""
    path, waiting = _trail_path(directory, log), _trail_path(directory, log).with_suffix(".new")
    with locked(directory):
        replace_file(path, read_private(path).rstrip() + b"\n" + read_private(waiting))
        waiting.unlink()


def finish_trail(directory: Path, log: str) -> None:
    """The new key signs alone from now on; the old one is gone. Raises `KeysError` unless two sign."""
    path = _trail_path(directory, log)
    with locked(directory):
        blocks = keysets.PEM_BLOCK.findall(read_private(path).decode())
        if len(blocks) < 2:
            raise KeysError(f"the key of {log} is not being rotated")
        replace_file(path, f"{blocks[1]}\n".encode())


def rotate(directory: Path, now: datetime, use: Use = TOKENS) -> Rotation:
    """Next -> current -> retired, a new next, and away with retired keys when what they signed is all over."""
    return keysets.rotate(directory, use, now)


def _trail_path(directory: Path, log: str) -> Path:
    if not _LOG.fullmatch(log):
        raise KeysError(f"{log!r} is no name of a log")
    return directory / f"trail-{log}.pem"


def _mark(path: Path) -> Mark:
    """The mark of a key's file. Raises `KeysError` when there is none."""
    try:
        return mark(path)
    except KeysError as error:
        raise KeysError(f"no key at {path}") from error


def _read_trail(path: Path, log: str) -> tuple[Mark, tuple[TrailKey, ...]]:
    seen, data = _mark(path), read_private(path)  # in this order: a change in between is read again
    return seen, _trail_keys(log, data, str(path))


def _trail_keys(log: str, pems: bytes, where: str) -> tuple[TrailKey, ...]:
    """One key, or two: the old and the new one."""
    blocks = keysets.PEM_BLOCK.findall(pems.decode(errors="replace"))
    if len(blocks) > 2:
        raise KeysError(f"{where}: give the key as a PEM block, and perhaps the one that follows it as another")
    return tuple(_trail_key(log, each.encode(), where) for each in blocks) or (_trail_key(log, pems, where),)


def _trail_key(log: str, pem: bytes, where: str) -> TrailKey:
    key = keysets.load(pem, where)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeysError(f"{where}: the key of a trail is an Ed25519 key")
    return TrailKey(log, key.public_key().public_bytes_raw(), key.private_bytes_raw())
