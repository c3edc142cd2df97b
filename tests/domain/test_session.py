"""A session's life, and how much of it is recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import ids
from app.domain.errors import IllegalTransition
from app.domain.events import CATALOGUE, SERVICE, Actor, Event
from app.domain.session import TRANSITIONS, Session, State, coverage, evolve, opened
from app.domain.times import stamp
from app.domain.window import Span
from tests.domain.worlds import CLIENT, MINUTE, NOW, SHA, entry

SES = ids.encode("ses", 1)
OVER = {"open_s": 60, "covered_s": 60}


def _event(type_: str, actor: Actor, data: dict[str, Any]) -> Event:
    private = dict.fromkeys(CATALOGUE[type_].private, "x") or None
    return Event(type_, SES, actor, data, private)


def _after(session: Session, type_: str, data: dict[str, Any], at: datetime = NOW + MINUTE) -> Session:
    return evolve(session, entry(_event(type_, SERVICE, data), 6, at))


def _opening(actor: Actor = SERVICE, **changes: Any) -> Session:
    data = {
        "grant": ids.encode("grt", 1),
        "jti": "j",
        "request": ids.encode("req", 1),
        "engineer_proved": True,
        "evidence": [SHA],
    }
    return opened(entry(_event("session.opened", actor, {**data, **changes}), 5, NOW))


def _segment(n: int) -> dict[str, Any]:
    return {"n": n, "from": stamp(NOW), "to": stamp(NOW + MINUTE), "events": 1, "digest": SHA, "late": 0}


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(State)
    about = {kind for kind, spec in CATALOGUE.items() if spec.subject == "ses"} - {"session.opened"}
    assert {kind for row in TRANSITIONS.values() for kind in row} == about


def test_a_session_is_lost_resumes_and_ends() -> None:
    session = _opening()
    session = _after(session, "session.segment_sealed", _segment(1))
    session = _after(session, "session.lost", {"last_seen": stamp(NOW), **OVER})
    assert (session.state, session.ended_at) == (State.LOST, NOW + MINUTE)
    session = _after(session, "session.resumed", {"gap_s": 30})
    assert (session.state, session.ended_at) == (State.OPEN, None)
    session = _after(session, "session.terminated", {"because": "revoked", **OVER})
    assert (session.state, session.ended_because) == (State.TERMINATED, "revoked")
    session = _after(session, "session.segment_sealed", _segment(2))
    assert Session.from_data(session.to_data()) == session
    for type_, data in (("session.ended", OVER), ("session.resumed", {"gap_s": 1})):
        with pytest.raises(IllegalTransition, match="does not fit"):
            _after(session, type_, data)


def test_the_engineer_is_proved_exactly_at_the_gate() -> None:
    assert not _opening(CLIENT, engineer_proved=False, evidence=[]).engineer_proved
    for actor, changes in (
        (CLIENT, {}),
        (SERVICE, {"engineer_proved": False, "evidence": []}),
        (SERVICE, {"evidence": []}),
        (CLIENT, {"engineer_proved": False}),
    ):
        with pytest.raises(IllegalTransition):
            _opening(actor, **changes)


def test_segments_are_numbered_one_by_one_and_parts_come_once() -> None:
    session = _opening()
    for n in (0, 2):
        with pytest.raises(IllegalTransition, match="numbered"):
            _after(session, "session.segment_sealed", _segment(n))
    part = {"n": 2, "bytes": 1, "content_type": "text/plain", "digest": SHA}
    session = _after(_after(session, "session.part_added", part), "session.part_added", {**part, "n": 1})
    assert session.parts == (1, 2)
    for n in (0, 2):
        with pytest.raises(IllegalTransition, match="each part"):
            _after(session, "session.part_added", {**part, "n": n})


def test_more_is_not_covered_than_was_open() -> None:
    with pytest.raises(IllegalTransition, match="covered_s"):
        _after(_opening(), "session.ended", {"open_s": 1, "covered_s": 2})
    with pytest.raises(IllegalTransition, match="another"):
        evolve(replace(_opening(), id=ids.encode("ses", 2)), entry(_event("session.ended", SERVICE, OVER), 6, NOW))


stretches = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), max_size=5)


def _span(start: int, length: int) -> Span:
    return Span(NOW + start * MINUTE, NOW + (start + length) * MINUTE)


@given(stretches, stretches)
def test_coverage_counts_each_minute_once(recorded: list[tuple[int, int]], away: list[tuple[int, int]]) -> None:
    whole = Span(NOW + 10 * MINUTE, NOW + 70 * MINUTE)
    told = coverage(whole, [_span(*pair) for pair in recorded], [_span(*pair) for pair in away])
    lost = {m for start, length in away for m in range(start, start + length)}
    seen = {m for start, length in recorded for m in range(start, start + length)}
    open_minutes = set(range(10, 70)) - lost
    gaps = {m for m in range(10, 70) if any(NOW + m * MINUTE in gap for gap in told.gaps)}
    assert told.open_s == 60 * len(open_minutes)
    assert told.covered_s == 60 * len(open_minutes & seen)
    assert gaps == open_minutes - seen
