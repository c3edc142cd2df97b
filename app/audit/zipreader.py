"""Reading a zip of the profile in `zipform`: strict, bounded, and blind to nothing.

`ZipReader` walks the directory once and refuses the file unless its members lie end to end from byte 0 to the
directory and every header is the one the profile gives. Data is read in pieces, against checksum, sizes and caps.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from app.audit import zipform
from app.audit.zipform import Member

MAX_MEMBERS = 250_000
MAX_UNPACKED = 8 << 30
MAX_RATIO = 250
RATIO_FREE = 1 << 20
_PIECE = 1 << 16


class BundleError(Exception):
    """The file is not a bundle that can be read; the message says in plain words where it goes wrong."""


class ZipReader:
    """The members of a zip by name. The file object is read by position and stays the caller's to close."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.members = _directory(file)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The unpacked bytes of one member, in pieces of at most 64 KiB. Raises `BundleError` at the first doubt."""
        member = self.members.get(name)
        if member is None:
            raise BundleError(f"{name} is missing")
        crc = size = 0
        for piece in _unpacked(self._packed(member), member):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if size > member.size:
                break
            yield piece
        if (crc, size) != (member.crc, member.size):
            raise BundleError(f"{name} differs from its checksum")

    def read(self, name: str, cap: int) -> bytes:
        """All bytes of one member. Raises `BundleError` when it is missing, broken or longer than `cap`."""
        member = self.members.get(name)
        if member is not None and member.size > cap:
            raise BundleError(f"{name} is longer than {cap} bytes")
        return b"".join(self.pieces(name))

    def raw(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of the zip file itself, from `start` to `stop`."""
        position = start
        while position < stop:
            self._file.seek(position)
            piece = self._file.read(min(_PIECE, stop - position))
            if not piece:
                raise BundleError("the file ends early")
            position += len(piece)
            yield piece

    def _packed(self, member: Member) -> Iterator[bytes]:
        return self.raw(member.data_offset, member.data_offset + member.packed)


def _unpacked(packed: Iterator[bytes], member: Member) -> Iterator[bytes]:
    if member.method == zipform.STORED:
        yield from packed
        return
    inflate = zlib.decompressobj(-15)
    try:
        for piece in packed:
            if inflate.eof:
                raise BundleError(f"{member.name} goes on after its end")
            yield inflate.decompress(piece, _PIECE)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, _PIECE)
        while not inflate.eof:
            more = inflate.decompress(b"", _PIECE)
            if not more:
                break
            yield more
    except zlib.error as error:
        raise BundleError(f"{member.name} cannot be unpacked") from error
    if not inflate.eof or inflate.unused_data:
        raise BundleError(f"{member.name} does not end where its data ends")


def _directory(file: BinaryIO) -> dict[str, Member]:
    length = file.seek(0, 2)
    tail = _at(file, max(0, length - zipform.END_SIZE - zipform.END64_SIZE), length)
    try:
        count, size, offset = zipform.parse_end(tail)
    except struct.error as error:
        raise BundleError("not a zip file of this form") from error
    if count > MAX_MEMBERS:
        raise BundleError(f"more than {MAX_MEMBERS} members")
    end = zipform.end_records(count, size, offset) if max(size, offset) <= zipform.MAX_OFFSET else b""
    if offset + size + len(end) != length or not tail.endswith(end) or size > count * (zipform.CENTRAL_SIZE + 255):
        raise BundleError("the end of the zip file is not of this form")
    return _members(file, _at(file, offset, offset + size), count, offset)


def _members(file: BinaryIO, directory: bytes, count: int, stop: int) -> dict[str, Member]:
    members: dict[str, Member] = {}
    position = place = unpacked = 0
    for _ in range(count):
        try:
            member = zipform.parse_central(directory, position)
        except (struct.error, UnicodeDecodeError) as error:
            raise BundleError("the directory of the zip file is broken") from error
        _check_member(file, member, directory, position, place)
        if member.name in members:
            raise BundleError(f"{member.name} is there twice")
        members[member.name] = member
        position += zipform.CENTRAL_SIZE + len(member.name)
        place, unpacked = member.end, unpacked + member.size
    if position != len(directory) or place != stop:
        raise BundleError("the zip file has bytes that belong to no member")
    if unpacked > MAX_UNPACKED:
        raise BundleError("unpacks to more than 8 GiB")
    return members


def _check_member(file: BinaryIO, member: Member, directory: bytes, position: int, place: int) -> None:
    name = member.name
    if not zipform.good_name(name):
        raise BundleError("a member's name is not of this form")
    if member.method not in (zipform.STORED, zipform.DEFLATED) or member.offset != place:
        raise BundleError(f"{name} is packed in a way that is not of this form")
    header = zipform.central_header(member)
    if directory[position : position + len(header)] != header:
        raise BundleError(f"the directory's line of {name} is not of this form")
    if _at(file, place, member.data_offset) != zipform.local_header(member):
        raise BundleError(f"the header of {name} is not of this form")
    end = member.data_offset + member.packed
    if _at(file, end, member.end) != zipform.descriptor(member):
        raise BundleError(f"the sizes after {name} are not those of the directory")
    if member.method == zipform.STORED and member.packed != member.size:
        raise BundleError(f"{name} has two sizes")
    if member.size > RATIO_FREE and member.size > MAX_RATIO * member.packed:
        raise BundleError(f"{name} is packed more than {MAX_RATIO} to 1")


def _at(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)
