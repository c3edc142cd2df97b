"""A sealed segment of activity, byte for byte: what the `digest` of `session.segment_sealed` is the SHA-256 of.

The bytes are one JCS object (RFC 8785)

    {"events":[{"at","detail","kind","late","n","received_at","summary"},…],"n","salt","session","v"}

* `v` is `countersign/segment/1`, `session` the session's id, `n` the segment's number, from 1;
* `events` are those of the segment in their order; their `n` run on from the segment before without a gap;
* `at` (the reporter's time) and `received_at` (ours) are stamps as in the trail; `kind` and `summary` are what was
  reported; `detail` is JSON text, as a string, or null; `late` says that it came after the session's end;
* `salt` is 22 characters of unpadded base64url, new for each segment, so that nobody guesses what was done from the
  digest in the trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.times import stamp
from app.trail import canonical

VERSION = "countersign/segment/1"


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a segment."""

    n: int
    at: datetime
    received_at: datetime
    kind: str
    summary: str
    detail: str | None
    late: bool


def segment_bytes(session: str, n: int, salt: str, events: Sequence[Told]) -> bytes:
    """The canonical bytes of a segment."""
    told = [
        {
            "at": stamp(event.at),
            "detail": event.detail,
            "kind": event.kind,
            "late": event.late,
            "n": event.n,
            "received_at": stamp(event.received_at),
            "summary": event.summary,
        }
        for event in events
    ]
    return canonical.encode({"events": told, "n": n, "salt": salt, "session": session, "v": VERSION})


def segment_digest(session: str, n: int, salt: str, events: Sequence[Told]) -> str:
    """Their `sha256:<hex>`."""
    return canonical.sha(segment_bytes(session, n, salt, events))
