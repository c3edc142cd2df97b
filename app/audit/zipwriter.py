"""Writing a zip of the profile in `zipform`, forwards only and in constant memory (but for one line a member)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TypeVar

from app.audit import zipform
from app.audit.zipform import Member

T = TypeVar("T")
Each = Iterable[T] | AsyncIterable[T]


class ZipWriter:
    """Makes the bytes of a zip, member by member; whoever holds it passes them on in order.

    `digests` has the SHA-256 (hex) of each member's unpacked bytes, `sizes` their lengths; `sha256()` is that of all
    zip bytes made so far.
    """

    def __init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self._members: list[Member] = []
        self._sha = hashlib.sha256()
        self._offset = 0

    def sha256(self) -> str:
        """The SHA-256 (hex) of every zip byte made so far."""
        return self._sha.hexdigest()

    def whole(self, name: str, data: bytes, method: int = zipform.DEFLATED) -> bytes:
        """A member whose bytes are at hand. Raises `ValueError` for a name or size outside the profile."""
        packed = data if method == zipform.STORED else zlib.compress(data, 6, -15)
        member = Member(name, method, False, zlib.crc32(data), len(packed), len(data), self._offset)
        self._add(member, hashlib.sha256(data).hexdigest())
        return self._count(zipform.local_header(member) + packed)

    async def streamed(self, name: str, pieces: Each[bytes]) -> AsyncIterator[bytes]:
        """A member whose bytes come in `pieces`; its sizes follow in a descriptor."""
        start = Member(name, zipform.DEFLATED, True, 0, 0, 0, self._offset)
        yield self._count(zipform.local_header(start))
        deflate, digest = zlib.compressobj(6, zlib.DEFLATED, -15), hashlib.sha256()
        crc = size = packed = 0
        async for piece in each(pieces):
            digest.update(piece)
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if out := deflate.compress(piece):
                packed += len(out)
                yield self._count(out)
        out = deflate.flush()
        member = Member(name, zipform.DEFLATED, True, crc, packed + len(out), size, start.offset)
        self._add(member, digest.hexdigest())
        yield self._count(out + zipform.descriptor(member))

    def finish(self) -> bytes:
        """The directory and the end of the file."""
        directory = b"".join(map(zipform.central_header, self._members))
        return directory + zipform.end_records(len(self._members), len(directory), self._offset)

    def _add(self, member: Member, digest: str) -> None:
        if not zipform.good_name(member.name) or member.name in self.digests:
            raise ValueError(f"no member of a bundle: {member.name!r}")
        if max(member.end, member.size) > zipform.MAX_OFFSET:
            raise ValueError("a bundle, and each file in it, stays under 4 GiB")
        self._members.append(member)
        self.digests[member.name], self.sizes[member.name] = digest, member.size

    def _count(self, data: bytes) -> bytes:
        self._sha.update(data)
        self._offset += len(data)
        return data


async def each(source: Each[T]) -> AsyncIterator[T]:
    """The items of either kind of iterable."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item
