"""The zip profile of a bundle, byte for byte (PKWARE APPNOTE 6.3.10; `trail-format.md`, "Bundle").

Every header is a function of six values, and only these functions make one. The writer writes what they return; the
reader rebuilds each header from the values it parsed and compares bytes, so no field of a header, redundant or not,
can differ from what the profile says. The fields are those of Python's `zipfile` for a plain file:

* version needed 20, made by 3.20 (Unix), attributes of a regular file with mode 0600, dated 1980-01-01 00:00:00;
* method stored (0) or deflate (8); no flag but bit 3, which says that sizes follow the data in a descriptor;
* no extra field, no comment, no disk but the first; a zip64 end record exactly where there are 65,535 members or more.

A member, and the whole file, stay under 4 GiB (zip64 sizes would need extra fields).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

STORED, DEFLATED = 0, 8
FLAG_DESCRIPTOR = 8
MAX_OFFSET = 0xFFFFFFFE
NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")

_DATE, _NEEDED, _MADE_BY, _ATTRIBUTES = 0x0021, 20, (3 << 8) | 20, 0o600 << 16
_LOCAL = struct.Struct("<4s5H3I2H")
_DESCRIPTOR = struct.Struct("<4s3I")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
LOCAL_SIZE, CENTRAL_SIZE, DESCRIPTOR_SIZE, END_SIZE = _LOCAL.size, _CENTRAL.size, _DESCRIPTOR.size, _END.size
END64_SIZE = _END64.size + _LOCATOR.size


@dataclass(frozen=True, slots=True)
class Member:
    """One file in the zip: `offset` of its header; sizes in bytes; `streamed` when a descriptor follows the data."""

    name: str
    method: int
    streamed: bool
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def data_offset(self) -> int:
        """Where its packed bytes begin."""
        return self.offset + LOCAL_SIZE + len(self.name)

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.data_offset + self.packed + (DESCRIPTOR_SIZE if self.streamed else 0)


def good_name(name: str) -> bool:
    """Whether `name` is one of the profile: relative, no empty, `.` or `..` part, no directory."""
    return NAME.fullmatch(name) is not None and len(name) <= 255 and not {".", ".."} & set(name.split("/"))


def local_header(member: Member) -> bytes:
    """What stands before a member's data."""
    known = (0, 0, 0) if member.streamed else (member.crc, member.packed, member.size)
    flags = FLAG_DESCRIPTOR if member.streamed else 0
    name = member.name.encode("ascii")
    return _LOCAL.pack(b"PK\3\4", _NEEDED, flags, member.method, 0, _DATE, *known, len(name), 0) + name


def descriptor(member: Member) -> bytes:
    """What stands after a member's data: nothing, or its checksum and sizes."""
    return _DESCRIPTOR.pack(b"PK\7\x08", member.crc, member.packed, member.size) if member.streamed else b""


def central_header(member: Member) -> bytes:
    """The member's line of the central directory."""
    flags = FLAG_DESCRIPTOR if member.streamed else 0
    name = member.name.encode("ascii")
    sizes = (member.crc, member.packed, member.size)
    fixed = (b"PK\1\2", _MADE_BY, _NEEDED, flags, member.method, 0, _DATE, *sizes, len(name), 0, 0, 0, 0, _ATTRIBUTES)
    return _CENTRAL.pack(*fixed, member.offset) + name


def end_records(count: int, directory_size: int, directory_offset: int) -> bytes:
    """What ends the file, for `count` members."""
    short = min(count, 0xFFFF)
    end = _END.pack(b"PK\5\6", 0, 0, short, short, directory_size, directory_offset, 0)
    if count < 0xFFFF:
        return end
    end64 = _END64.pack(b"PK\6\6", 44, _MADE_BY, 45, 0, 0, count, count, directory_size, directory_offset)
    return end64 + _LOCATOR.pack(b"PK\6\7", 0, directory_offset + directory_size, 1) + end


def parse_end(tail: bytes) -> tuple[int, int, int]:
    """Count, directory size and offset as the end of a file claims them. Raises `struct.error`."""
    _, _, _, _, count, size, offset, _ = _END.unpack(tail[-END_SIZE:])
    if count == 0xFFFF:
        count = _END64.unpack(tail[-END_SIZE - END64_SIZE : -END_SIZE - _LOCATOR.size])[6]
    return count, size, offset


def parse_central(directory: bytes, at: int) -> Member:
    """The member whose central header begins `at`. Raises `struct.error`, `UnicodeDecodeError`."""
    fields = _CENTRAL.unpack_from(directory, at)
    name = directory[at + CENTRAL_SIZE : at + CENTRAL_SIZE + fields[10]].decode("ascii")
    crc, packed, size = fields[7:10]
    return Member(name, fields[4], bool(fields[3] & FLAG_DESCRIPTOR), crc, packed, size, fields[16])
