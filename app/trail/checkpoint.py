"""Checkpoints (C2SP tlog-checkpoint v1.0.0, https://c2sp.org/tlog-checkpoint): a tree's size and root under its origin.

The text is three lines: origin, size in canonical decimal, base64 of the root. Extension lines are refused. The origin
is the name of the key that signs.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from app.trail import note
from app.trail.hashing import EMPTY_ROOT, HASH_SIZE

MAX_TREE = 2**63 - 1

_TEXT = re.compile(rf"({note.NAME})\n(0|[1-9][0-9]{{0,18}})\n([A-Za-z0-9+/]{{43}}=)\n")
_ORIGIN = re.compile(note.NAME)


class CheckpointError(ValueError):
    """Not a checkpoint, or not one signed by its origin."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself. Raises `CheckpointError` for values no log can have."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin) or not 0 <= self.size <= MAX_TREE or len(self.root) != HASH_SIZE:
            raise CheckpointError("not a checkpoint")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError("not a checkpoint")

    def text(self) -> str:
        """The note text."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text; `CheckpointError` for anything but the one form."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise CheckpointError("not a checkpoint")
        try:
            return cls(match[1], int(match[2]), note.from_base64(match[3]))
        except note.NoteError as error:
            raise CheckpointError("not a checkpoint") from error


def sign_checkpoint(checkpoint: Checkpoint, *signers: note.Signer) -> bytes:
    """The signed note. While a key is being rotated the old and the new one both sign.

    Only a committed root may be given here, and only one that is consistent with all signed before.
    """
    if not signers or any(signer.name != checkpoint.origin for signer in signers):
        raise CheckpointError("a checkpoint is signed under its origin")
    return note.sign(checkpoint.text(), signers)


def open_checkpoint(data: bytes, keys: Sequence[note.VerifierKey]) -> Checkpoint:
    """The checkpoint in a note that one of `keys` has signed under its origin; `CheckpointError` otherwise."""
    try:
        signed = note.parse(data)
        known = note.verify(signed, keys)
    except note.NoteError as error:
        raise CheckpointError("not a checkpoint of this log") from error
    checkpoint = Checkpoint.parse(signed.text)
    if all(key.name != checkpoint.origin for key in known):
        raise CheckpointError("not a checkpoint of this log")
    return checkpoint
