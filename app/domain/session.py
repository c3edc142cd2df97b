"""The life of a session as its entries tell it, and the arithmetic of coverage.

open ◄──► lost
 │          │
 └──────────┴──► ended, terminated
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from app.domain.data import Value, replaced
from app.domain.errors import IllegalTransition, require
from app.domain.events import Entry
from app.domain.times import parse_stamp
from app.domain.window import Span, clip, merge, subtract


class State(StrEnum):
    """The states of a session, as the wire names them."""

    OPEN = "open"
    LOST = "lost"
    ENDED = "ended"
    TERMINATED = "terminated"


ENDED = frozenset({State.ENDED, State.TERMINATED})
"""The states of what is over for good."""

_SEALED: Mapping[State, Mapping[str, State]] = MappingProxyType(
    {state: {"session.segment_sealed": state, "session.part_added": state, "recording.read": state} for state in State}
)

TRANSITIONS: Mapping[State, Mapping[str, State]] = MappingProxyType(
    {
        State.OPEN: {
            **_SEALED[State.OPEN],
            "session.ended": State.ENDED,
            "session.terminated": State.TERMINATED,
            "session.lost": State.LOST,
        },
        State.LOST: {
            **_SEALED[State.LOST],
            "session.ended": State.ENDED,
            "session.terminated": State.TERMINATED,
            "session.resumed": State.OPEN,
        },
        # Terminal: what was reported late is still sealed, and can be read.
        State.ENDED: _SEALED[State.ENDED],
        State.TERMINATED: _SEALED[State.TERMINATED],
    }
)
"""State × event → state. A pair that is absent is illegal."""


@dataclass(frozen=True, slots=True)
class Session(Value):
    """One use of a grant. `segments` counts those sealed (numbered from 1), `parts` are the numbers of parts."""

    id: str
    institution: str
    request: str
    grant: str
    jti: str
    engineer_proved: bool
    opened_at: datetime
    state: State = State.OPEN
    ended_at: datetime | None = None
    ended_because: str | None = None
    segments: int = 0
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of an open time is recorded: whole seconds, rounded down, and the spans that are not."""

    open_s: int
    covered_s: int
    gaps: tuple[Span, ...]


def coverage(opened: Span, recorded: Iterable[Span], away: Iterable[Span] = ()) -> Coverage:
    """Coverage of a session open during `opened` but for the spans in which it was lost (`away`)."""
    stretches = subtract(opened, away)
    covered = merge(recorded)
    gaps = [gap for stretch in stretches for gap in subtract(stretch, covered)]
    inside = [clip(span.start, span.end, stretch) for stretch in stretches for span in covered]
    return Coverage(_seconds(stretches), _seconds(span for span in inside if span is not None), tuple(gaps))


def opened(entry: Entry) -> Session:
    """The session that a `session.opened` entry begins. Raises `IllegalTransition`."""
    require(entry.type == "session.opened", f"{entry.type} begins no session")
    data = entry.data
    require(
        data["engineer_proved"] == (entry.actor.kind == "system"), "engineer_proved: exactly for the gate's sessions"
    )
    require(data["engineer_proved"] == bool(data["evidence"]), "evidence: the engineer's sign-in, where proved")
    return Session(
        id=entry.subject,
        institution=entry.institution,
        request=data["request"],
        grant=data["grant"],
        jti=data["jti"],
        engineer_proved=data["engineer_proved"],
        opened_at=entry.at,
    )


def evolve(session: Session, entry: Entry) -> Session:
    """The session after `entry`. Raises `IllegalTransition` and changes nothing where the entry does not fit."""
    require((entry.subject, entry.institution) == (session.id, session.institution), "another session's entry")
    target = TRANSITIONS[session.state].get(entry.type)
    if target is None:
        raise IllegalTransition(f"{entry.type} does not fit a session that is {session.state}")
    change = _CHANGES.get(entry.type)
    changes = {} if change is None else change(session, entry)
    return replaced(session, {"state": target, **changes})


_Changes = Mapping[str, Any]
"""Fields of a session, and what they become."""


def _sealed(session: Session, entry: Entry) -> _Changes:
    begins, ends = parse_stamp(entry.data["from"]), parse_stamp(entry.data["to"])
    require(entry.data["n"] == session.segments + 1, "n: segments are numbered one by one")
    require(session.opened_at <= begins <= ends, "from, to: inside the session's time")
    return {"segments": session.segments + 1}


def _part(session: Session, entry: Entry) -> _Changes:
    n = entry.data["n"]
    require(n >= 1 and n not in session.parts, "n: each part once, from 1")
    return {"parts": tuple(sorted((*session.parts, n)))}


def _ended(_: Session, entry: Entry) -> _Changes:
    require(entry.data["covered_s"] <= entry.data["open_s"], "covered_s: at most open_s")
    return {"ended_at": entry.at, "ended_because": entry.data.get("because", "ended")}


def _lost(session: Session, entry: Entry) -> _Changes:
    require(
        session.opened_at <= parse_stamp(entry.data["last_seen"]) <= entry.at, "last_seen: inside the session's time"
    )
    return {"ended_at": entry.at, "ended_because": "lost"}


def _resumed(_: Session, __: Entry) -> _Changes:
    return {"ended_at": None, "ended_because": None}


def _seconds(spans: Iterable[Span]) -> int:
    return sum((span.length for span in spans), timedelta()) // timedelta(seconds=1)


_CHANGES: Mapping[str, Callable[[Session, Entry], _Changes]] = MappingProxyType(
    {
        "session.segment_sealed": _sealed,
        "session.part_added": _part,
        "session.ended": _ended,
        "session.terminated": _ended,
        "session.lost": _lost,
        "session.resumed": _resumed,
    }
)
