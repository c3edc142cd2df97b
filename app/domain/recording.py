"""What counts as recorded of a session, kept so that its coverage is a figure at any instant.

* A session that owes a recording (its gateway supplies one, and policy asks for it), or has begun one, is recorded by
  its parts: each covers the time from the part before it (or the opening, or the resumption) to its arrival, at most
  `REACH` of it.
* Any other session is recorded by what is reported of it: all its time but the silences after which it was lost. At
  the gate nothing passes unrecorded, so this is what counts there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.data import Value
from app.domain.session import Coverage, coverage
from app.domain.window import Span, clip, merge, subtract

HEARTBEAT = timedelta(seconds=30)
"""How often a gateway says at least that it is there."""
SILENCE = timedelta(seconds=90)
"""A session that is silent for so long is lost."""
REACH = timedelta(seconds=120)
"""How much time a part covers at most; a session that owes a recording and adds none for so long is ended."""


@dataclass(frozen=True, slots=True)
class Record(Value):
    """`owed`: policy asks for parts. `mark`: up to where they were accounted for. `parts`: what they cover. `silences`:
    from the last sign of life to the moment of being lost. `away`: while it was lost; it still is where `lost_at` is.
    """

    opened_at: datetime
    gate: bool
    owed: bool
    mark: datetime
    parts: tuple[Span, ...] = ()
    silences: tuple[Span, ...] = ()
    away: tuple[Span, ...] = ()
    lost_at: datetime | None = None

    @property
    def by_parts(self) -> bool:
        """Whether parts are what counts."""
        return not self.gate and (self.owed or bool(self.parts))


def begun(at: datetime, *, gate: bool, owed: bool) -> Record:
    """A session opened just now."""
    return Record(at, gate, owed, at)


def required(record: Record) -> Record:
    """Policy asks for parts from now on. What no part covers is not recorded, the time before this included."""
    return record if record.gate else replace(record, owed=True)


def with_part(record: Record, at: datetime) -> Record:
    """A part arrived."""
    if at <= record.mark:
        return record
    return replace(record, mark=at, parts=tuple(merge((*record.parts, Span(max(record.mark, at - REACH), at)))))


def lost(record: Record, last_seen: datetime, at: datetime) -> Record:
    """Nothing was heard since `last_seen`."""
    return replace(record, silences=(*record.silences, Span(last_seen, at)), lost_at=at)


def resumed(record: Record, at: datetime) -> Record:
    """It was heard again."""
    away = record.away
    if record.lost_at is not None and record.lost_at < at:
        away = (*away, Span(record.lost_at, at))
    return replace(record, away=away, lost_at=None, mark=at)


def covered(record: Record, until: datetime) -> Coverage:
    """The coverage of a session from its opening to `until`."""
    if until <= record.opened_at:
        return Coverage(0, 0, ())
    opened, away = Span(record.opened_at, until), record.away
    if record.lost_at is not None and record.lost_at < until:
        away = (*away, Span(record.lost_at, until))
    inside = [clip(span.start, span.end, opened) for span in away]
    recorded = record.parts if record.by_parts else subtract(opened, record.silences)
    return coverage(opened, recorded, [span for span in inside if span is not None])
