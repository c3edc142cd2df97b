"""Where recordings are kept, through obstore: a directory (`file:///…`) or S3-compatible storage (`s3://bucket/…`).

* Keys are made by the caller, new for each object, so nothing is ever overwritten.
* An object is there whole or not at all; what `put` has answered for is on the disk, or acknowledged by the store.
* A store in doubt is `Unavailable`.

An S3 store is set up by the variables of the AWS SDKs: `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID` and the
like, or the role of the machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from app.domain.errors import Unavailable

_CHUNK = 5 << 20  # the least that S3 takes as a part of an upload
_READ = 1 << 18
_LISTED = 500


class ObjectStore:
    """The store behind one URL; nothing is connected or made before the first use."""

    def __init__(self, url: str) -> None:
        """Raises `ValueError` for a URL of another scheme."""
        parts = urlsplit(url)
        if parts.scheme not in {"file", "s3"}:
            raise ValueError("recordings are kept below file:// or s3://")
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._url = url
        self._store: LocalStore | S3Store | None = None

    async def put(self, key: str, pieces: AsyncIterator[bytes]) -> None:
        """Keep an object under a new key. Raises `Unavailable`, and what `pieces` raise: then nothing is kept."""
        failed: list[Exception] = []

        async def watched() -> AsyncIterator[bytes]:
            try:
                async for piece in pieces:
                    yield piece
            except Exception as error:
                failed.append(error)  # the store would tell it as an error of its own
                raise

        try:
            await obstore.put_async(self._opened(), key, watched(), chunk_size=_CHUNK)
            if self._folder is not None:
                await asyncio.to_thread(_settle, self._folder / key)
        except (BaseError, OSError, ValueError) as error:
            if failed:
                raise failed[0] from None
            raise Unavailable("the store of recordings does not answer") from error

    async def get(self, key: str) -> AsyncIterator[bytes] | None:
        """An object's bytes in pieces, or null where there is none. Raises `Unavailable`, later ones in the stream."""
        try:
            found = await obstore.get_async(self._opened(), key)
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError, ValueError) as error:
            raise Unavailable("the store of recordings does not answer") from error
        return _pieces(found)

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none. Raises `Unavailable`."""
        try:
            if self._folder is None:
                await obstore.delete_async(self._opened(), key)
            else:
                await asyncio.to_thread((self._folder / key).unlink)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError, ValueError) as error:
            raise Unavailable("the store of recordings does not answer") from error

    async def older(self, before: datetime) -> AsyncIterator[list[str]]:
        """The keys of what was last written before an instant, by the store's clock, in chunks. Raises `Unavailable`.

        In a directory, what a killed process left half written is among them, under a name of its own.
        """
        try:
            if self._folder is not None:
                files = _files(self._folder, before.timestamp())
                while keys := await asyncio.to_thread(lambda: list(islice(files, _LISTED))):
                    yield keys
                return
            async for found in obstore.list(self._opened(), chunk_size=_LISTED):
                yield [each["path"] for each in found if each["last_modified"] < before]
        except (BaseError, OSError, ValueError) as error:
            raise Unavailable("the store of recordings does not answer") from error

    def _opened(self) -> LocalStore | S3Store:
        if self._store is None:
            if self._folder is None:
                self._store = S3Store.from_url(self._url)
            else:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._store = LocalStore(self._folder)
        return self._store


async def _pieces(found: obstore.GetResult) -> AsyncIterator[bytes]:
    try:
        async for piece in found.stream(min_chunk_size=_READ):
            yield bytes(piece)
    except (BaseError, OSError) as error:
        raise Unavailable("the store of recordings broke off") from error


def _files(folder: Path, before: float) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with suppress(FileNotFoundError):  # gone since it was listed
                if path.stat().st_mtime < before:
                    yield path.relative_to(folder).as_posix()


def _settle(path: Path) -> None:
    """See to it that a new file, and the names that lead to it, outlast a loss of power."""
    for each in (path, path.parent, path.parent.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
