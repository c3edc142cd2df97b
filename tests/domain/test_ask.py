"""What may be asked, and the problem that each wrong ask is refused with."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.errors import Refusal
from app.domain.institution import Institution
from app.domain.policy import Blackout, Hours, Policy
from app.domain.request import Ask, Permit, judge_ask
from app.domain.window import Span
from tests.domain.worlds import MINUTE, NOW, SANDBOX, ask, library


def _refused(state: Institution, wanted: Ask, now: datetime = NOW) -> tuple[str, list[str]]:
    answer = judge_ask(wanted, state, now)
    assert isinstance(answer, Refusal), answer
    return answer.problem, [error.pointer for error in answer.errors]


def _permitted(state: Institution, wanted: Ask, now: datetime = NOW) -> Permit:
    answer = judge_ask(wanted, state, now)
    assert isinstance(answer, Permit), answer
    return answer


@pytest.mark.parametrize(
    "changes, problem, pointer",
    [
        ({"environment": "moodle"}, "environment-unknown", "/environment"),
        ({"account": "root"}, "account-unknown", "/account"),
        ({"account": "exl_support"}, "account-deactivated", "/account"),
        ({"account": "exl_api"}, "account-technical", "/account"),
        ({"escalated": False}, "case-not-escalated", "/case/escalated"),
        ({"minutes": 481}, "window-too-long", "/window/minutes"),
        ({"minutes": 14}, "validation", "/window/minutes"),
        ({"minutes": 4321}, "validation", "/window/minutes"),
        ({"not_before": NOW - 61 * timedelta(seconds=1)}, "validation", "/window/not_before"),
        ({"not_before": NOW + timedelta(days=30, seconds=1)}, "validation", "/window/not_before"),
        ({"case_number": ""}, "validation", "/case/number"),
        ({"case_number": "1" * 41}, "validation", "/case/number"),
        ({"severity": "urgent"}, "validation", "/case/severity"),
        ({"roles": ("",)}, "validation", "/roles"),
        ({"roles": ("x" * 101,)}, "validation", "/roles"),
        ({"roles": ("a", "a")}, "validation", "/roles"),
        ({"roles": tuple(f"{n:03}" for n in range(41))}, "validation", "/roles"),
    ],
)
def test_a_wrong_ask_is_refused_with_its_problem_and_field(changes: dict[str, Any], problem: str, pointer: str) -> None:
    assert _refused(library(), ask(**changes)) == (problem, [pointer])


def test_every_wrong_field_is_named_at_once() -> None:
    problem, pointers = _refused(library(), ask(minutes=1, severity="?", case_number=""))
    assert (problem, pointers) == ("validation", ["/window/minutes", "/case/number", "/case/severity"])


def test_the_bounds_themselves_are_permitted() -> None:
    for changes in (
        {"minutes": 15},
        {"minutes": 480},
        {"not_before": NOW - timedelta(seconds=60)},
        {"not_before": NOW + timedelta(days=30)},
    ):
        _permitted(library(), ask(**changes))


def test_an_answer_is_due_before_the_asked_end() -> None:
    assert _permitted(library(), ask()).decide_by == NOW + 4320 * MINUTE
    begins = NOW + 60 * MINUTE
    assert _permitted(library(), ask(not_before=begins)).decide_by == begins + 240 * MINUTE


def test_before_enrolment_no_support_request_is_taken() -> None:
    assert _refused(library(enrolled_at=None), ask())[0] == "institution-not-enrolled"
    assert _permitted(library(enrolled_at=None), ask(environment=SANDBOX.environment)).ground == "implementation"


@pytest.mark.parametrize(
    "policy",
    [
        Policy(blackouts=(Blackout("2026-11-17T00:00", "2026-11-18T00:00"),)),
        Policy(access_hours=(Hours("wed", 0, 1440),)),
    ],
)
def test_a_window_that_policy_leaves_empty_is_refused(policy: Policy) -> None:
    assert _refused(library(policy), ask()) == ("window-closed", ["/window/not_before"])
    assert _permitted(library(policy), ask(not_before=NOW + timedelta(days=1))).ground is None


def test_in_implementation_any_case_is_approved_at_once_for_days() -> None:
    permit = _permitted(library(), ask(environment=SANDBOX.environment, escalated=False, minutes=30 * 1440))
    assert permit.ground == "implementation"
    assert permit.window == Span(NOW, NOW + timedelta(days=30))
    too_long = ask(environment=SANDBOX.environment, minutes=30 * 1440 + 1)
    assert _refused(library(), too_long)[0] == "window-too-long"


def test_with_no_implementation_window_the_approvers_are_asked() -> None:
    state = library(Policy(max_implementation_window_days=0))
    assert _permitted(state, ask(environment=SANDBOX.environment, escalated=False)).ground is None
    assert _refused(state, ask(environment=SANDBOX.environment, minutes=1440))[0] == "window-too-long"


def test_when_the_last_day_of_implementation_is_over_the_phase_gives_no_ground() -> None:
    ending = replace(SANDBOX, implementation_ends="2026-11-17")
    state = library(environments={ending.environment: ending})
    over = NOW.replace(hour=23)  # midnight in Vienna
    wanted = ask(environment=ending.environment, minutes=1440, escalated=False)
    assert _permitted(state, wanted).window == Span(NOW, over)
    assert _refused(state, replace(wanted, minutes=480), over)[0] == "case-not-escalated"
    assert _refused(state, replace(wanted, not_before=over))[0] == "window-closed"


def test_an_ask_goes_through_its_events_data_unchanged() -> None:
    wanted = ask(not_before=NOW, extends="req_x")
    assert Ask.from_data(wanted.to_data()) == wanted
