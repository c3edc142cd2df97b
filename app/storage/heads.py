"""The last signed head of every log, kept outside the database, so that a restored old backup is noticed before it
signs.

One small file a log under a directory; changed by compare-and-swap only, durable before `swap` returns
(`object_heads.py` keeps them in S3-compatible storage). Two processes on one machine are kept apart by a lock file;
past one machine the directory has to be one that all replicas share.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from app.domain.errors import Unavailable


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head that a signature was given for: the log's origin, its size and its root (32 bytes).

    `successor`: the origin that goes on in its place, since when this one neither grows nor signs.
    """

    origin: str
    size: int
    root: bytes
    successor: str | None = None


class HeadStoreError(Exception):
    """The store cannot be read, or holds something that it did not write."""


class Heads(Protocol):
    """A store of heads. `local`: it answers at once, without the network."""

    @property
    def local(self) -> bool:
        """Whether it may be asked inside the event loop."""

    def read(self, origin: str) -> SignedHead | None:
        """The last signed head of `origin`; None if nothing was ever signed. Raises `HeadStoreError`."""

    def swap(self, expected: SignedHead | None, new: SignedHead) -> bool:
        """Put `new` in the place of `expected`; False, and nothing changed, if something else stands there by now.

        Raises `HeadStoreError`.
        """


class FileHeads:
    """Heads as files `<quoted origin>.json` of a directory, which is made when it is missing."""

    local = True

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory

    def read(self, origin: str) -> SignedHead | None:
        """The last signed head of `origin`; None if nothing was ever signed. Raises `HeadStoreError`."""
        try:
            content = self._path(origin).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HeadStoreError(f"the checkpoint store cannot be read: {error.strerror}") from error
        return parse(origin, content)

    def swap(self, expected: SignedHead | None, new: SignedHead) -> bool:
        """Put `new` in the place of `expected`; False, and nothing changed, if something else stands there by now."""
        with self._locked():
            if self.read(new.origin) != expected:
                return False
            self._write(new)
        return True

    def _path(self, origin: str) -> Path:
        return self._directory / f"{quote(origin, safe='')}.json"

    def _write(self, head: SignedHead) -> None:
        path = self._path(head.origin)
        scratch = path.with_suffix(".new")
        with scratch.open("wb") as file:
            file.write(dump(head))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._directory / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def doubt_of(heads: Heads, origin: str, size: int) -> Unavailable | None:
    """Why a log of this size is not to be relied on, where it is not: more was signed, or another continues it."""
    try:
        signed = heads.read(origin)
    except HeadStoreError as error:
        doubt = Unavailable(str(error))
        doubt.__cause__ = error
        return doubt
    if signed is not None and signed.successor is not None:
        detail = f"Another log continues {origin}, {signed.successor}: an old backup was restored."
        return Unavailable(detail, "trail-rolled-back")
    if signed is None or size >= signed.size:
        return None
    detail = f"The log {origin} is shorter than a checkpoint signed before: an old backup was restored."
    return Unavailable(detail, "trail-rolled-back")


async def judged(heads: Heads, origin: str, size: int) -> Unavailable | None:
    """The same, without holding up the event loop where the store is far away."""
    return doubt_of(heads, origin, size) if heads.local else await asyncio.to_thread(doubt_of, heads, origin, size)


def dump(head: SignedHead) -> bytes:
    """A head as it is kept."""
    value: dict[str, str | int] = {"origin": head.origin, "root": head.root.hex(), "size": head.size}
    if head.successor is not None:
        value["successor"] = head.successor
    return json.dumps(value).encode()


def parse(origin: str, content: bytes) -> SignedHead:
    """What is kept of `origin`, as a head. Raises `HeadStoreError`."""
    try:
        value = json.loads(content)
        head = SignedHead(value["origin"], value["size"], bytes.fromhex(value["root"]), value.get("successor"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HeadStoreError(f"the checkpoint store's file of {origin} is damaged") from error
    if head.origin != origin or type(head.size) is not int or len(head.root) != 32:
        raise HeadStoreError(f"the checkpoint store's file of {origin} is damaged")
    if not isinstance(head.successor, str | None):
        raise HeadStoreError(f"the checkpoint store's file of {origin} is damaged")
    return head
