"""What a log and a witness say to each other (C2SP tlog-witness v1.0.0, https://c2sp.org/tlog-witness), the log's side.

The log sends `add-checkpoint`: the size the witness knows, a consistency proof from there, a blank line, the signed
checkpoint. The witness answers with signature lines, or with `409` and the size it knows. Lines of other keys are
ignored; one of the witness's own that fails, or tells no time, rejects the answer.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.trail import note
from app.trail.checkpoint import MAX_TREE
from app.trail.cosignature import CosignerKey, verify_cosignatures
from app.trail.note import Note, NoteError, Signature

MAX_PROOF = 63
MAX_ANSWER = 1 << 16
SIZE_TYPE = "text/x.tlog.size"
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class WitnessError(ValueError):
    """Not the answer of a witness."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A cosignature that verified: its line with its newline, and its time (seconds since 1970)."""

    line: str
    time: int


def request(old_size: int, proof: Sequence[bytes], signed: bytes) -> bytes:
    """The body of `add-checkpoint`. Raises `WitnessError` past 63 hashes."""
    if len(proof) > MAX_PROOF:
        raise WitnessError("a proof has at most 63 hashes")
    lines = [f"old {old_size}", *(b64encode(each).decode() for each in proof), ""]
    return "".join(f"{line}\n" for line in lines).encode() + signed


def read_answer(body: bytes, signed: bytes, key: CosignerKey) -> Cosigned:
    """The witness's cosignature of a checkpoint. Raises `WitnessError` where it is not there, false, or of no time."""
    if len(body) > MAX_ANSWER:
        raise WitnessError("the answer is too long")
    try:
        asked = note.parse(signed)
        answered = note.parse(asked.text.encode() + b"\n" + body)
        lines = answered.signatures if answered.text == asked.text else ()
        found = verify_cosignatures(Note(asked.text, lines), [key])
    except NoteError as error:
        raise WitnessError("the cosignature fails") from error
    if not found or found[0].time == 0:
        raise WitnessError("the witness has not signed")
    line = next(each.line() for each in lines if key.made(each))
    return Cosigned(line, found[0].time)


def read_size(media_type: str, body: bytes) -> int:
    """The size that a witness knows, of its `409`. Raises `WitnessError`."""
    match = _SIZE.fullmatch(body)
    if media_type.partition(";")[0].strip().lower() != SIZE_TYPE or match is None or int(match[1]) > MAX_TREE:
        raise WitnessError("the witness tells no size")
    return int(match[1])


def read_line(line: str) -> Signature:
    """A signature line that was kept. Raises `ValueError` for anything else."""
    (found,) = note.parse(f"-\n\n{line}".encode()).signatures
    return found


def attach(signed: bytes, lines: Sequence[tuple[str, str]]) -> bytes:
    """A signed checkpoint with kept cosignatures: (verifier key, line) of each. Those that do not hold are left out."""
    whole = note.parse(signed)
    held = tuple(found for vkey, line in lines if (found := holding(whole, vkey, line)) is not None)
    return replace(whole, signatures=whole.signatures + held).to_bytes()


def holding(signed: Note, vkey: str, line: str) -> Signature | None:
    """The cosignature of a kept line, if it is this key's and of this very checkpoint."""
    try:
        found = read_line(line)
        made = verify_cosignatures(Note(signed.text, (found,)), [CosignerKey.parse(vkey)])
    except ValueError:
        return None  # somebody changed the row; the doctor tells which
    return found if made else None
