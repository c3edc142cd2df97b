"""Standing approvals: one event a giver, the same terms, so many uses, an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.domain import ids
from app.domain.errors import IllegalTransition
from app.domain.events import SERVICE, Actor, Entry, Event
from app.domain.standing import StandingApproval, evolve, given
from app.domain.times import stamp
from tests.domain.worlds import NOW, SHA, entry, per

STA = ids.encode("sta", 1)
END = NOW + timedelta(days=30)


def _giving(number: int, index: int, decisions: list[int], **changes: Any) -> Entry:
    data = {
        "case": None,
        "environment": "alma-production",
        "roles": ["A", "B"],
        "max_window_minutes": 60,
        "uses": 1,
        "not_after": stamp(END),
        "decisions": decisions,
        "evidence": [SHA],
    }
    event = Event("standing_approval.given", STA, Actor("person", per(number)), {**data, **changes}, {"comment": ""})
    return entry(event, index, NOW)


def _use(**changes: Any) -> Entry:
    data = {
        "decisions": [],
        "grant": ids.encode("grt", 1),
        "ground": "standing",
        "standing": STA,
        "not_before": stamp(NOW),
        "not_after": stamp(NOW + timedelta(hours=1)),
        "roles": ["A"],
    }
    return entry(Event("request.approved", ids.encode("req", 1), SERVICE, {**data, **changes}), 9, NOW)


def test_givers_add_up_and_uses_run_out() -> None:
    standing = given(given(None, _giving(1, 5, [])), _giving(2, 6, [5]))
    assert [giver.index for giver in standing.givers] == [5, 6]
    assert StandingApproval.from_data(standing.to_data()) == standing
    assert standing.open_at(NOW)
    assert not standing.open_at(END)
    used = evolve(standing, _use())
    assert not used.open_at(NOW)
    with pytest.raises(IllegalTransition, match="over"):
        evolve(used, _use())


def test_it_ends_once() -> None:
    end = entry(Event("standing_approval.ended", STA, SERVICE, {"because": "rules"}), 7, NOW)
    ended = evolve(given(None, _giving(1, 5, [])), end)
    assert not ended.open_at(NOW)
    with pytest.raises(IllegalTransition):
        evolve(ended, end)
    with pytest.raises(IllegalTransition):
        evolve(ended, _giving(2, 8, [5]))


@pytest.mark.parametrize(
    "wrong",
    [
        _giving(1, 6, [5]),  # the same person
        _giving(2, 6, []),
        _giving(2, 6, [5], uses=2),
        _giving(2, 6, [5], evidence=[]),
    ],
)
def test_a_second_giver_is_another_person_with_the_same_terms(wrong: Entry) -> None:
    with pytest.raises(IllegalTransition):
        evolve(given(None, _giving(1, 5, [])), wrong)


@pytest.mark.parametrize(
    "changes",
    [
        {"case": "1"},
        {"environment": None},
        {"not_after": stamp(END + timedelta(seconds=1))},
        {"not_after": stamp(NOW)},
        {"uses": 0},
        {"max_window_minutes": 0},
    ],
)
def test_what_cannot_be_given(changes: dict[str, Any]) -> None:
    with pytest.raises(IllegalTransition):
        given(None, _giving(1, 5, [], **changes))


def test_a_grant_does_not_outlast_its_ground() -> None:
    standing = given(None, _giving(1, 5, []))
    with pytest.raises(IllegalTransition, match="outlasts"):
        evolve(standing, _use(not_after=stamp(END + timedelta(seconds=1))))


@pytest.mark.parametrize(
    "changes, fits",
    [
        ({}, True),
        ({"environment": "other"}, False),
        ({"minutes": 61}, False),
        ({"roles": ("A", "C")}, False),
        ({"roles": ()}, False),
    ],
)
def test_only_what_fits_is_admitted(changes: dict[str, Any], fits: bool) -> None:
    asked = {"case_number": "1", "environment": "alma-production", "roles": ("A",), "minutes": 60, **changes}
    assert given(None, _giving(1, 5, [])).admits(**asked) is fits
    anything = given(None, _giving(1, 5, [], roles=[], case="1", environment=None))
    assert anything.admits(case_number="1", environment="other", roles=(), minutes=1)
