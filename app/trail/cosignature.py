"""Witness cosignatures (C2SP tlog-cosignature v1.0.1, https://c2sp.org/tlog-cosignature), algorithm 0x04.

A witness vouches that a checkpoint is consistent with every one it saw before, and says when it saw this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.trail.note import Key, Note, NoteError

# The last second of the year 9999: every time accepted is also a datetime.
_MAX_TIME = 253_402_300_799


@dataclass(frozen=True, slots=True)
class CosignerKey(Key):
    """The key of a witness."""

    ALGORITHM = 0x04


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that verified, made at `time` (seconds since 1970)."""

    key: CosignerKey
    time: int


def verify_cosignatures(note: Note, keys: Sequence[CosignerKey]) -> tuple[Cosignature, ...]:
    """The cosignatures these witnesses made, perhaps none; `NoteError` when one of theirs fails."""
    return tuple(
        Cosignature(key, _check(key, note.text, each.payload))
        for key in dict.fromkeys(keys)
        for each in note.signatures
        if key.made(each)
    )


def cosigned_message(text: str, time: int) -> bytes:
    """What a witness signs for the note text of a checkpoint."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _check(key: CosignerKey, text: str, payload: bytes) -> int:
    """The time of a cosignature: its payload is the time as big-endian uint64, then the signature."""
    time = int.from_bytes(payload[:8])
    if len(payload) != 8 + 64 or time > _MAX_TIME:
        raise NoteError("a cosignature fails")
    key.check(cosigned_message(text, time), payload[8:])
    return time
