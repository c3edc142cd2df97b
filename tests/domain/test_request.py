"""Votes, grants and the commands on a request, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain import ids
from app.domain.errors import IllegalTransition, Refusal
from app.domain.events import CATALOGUE, SERVICE, WORKER, Event
from app.domain.institution import Institution
from app.domain.policy import Blackout, Hours, Policy
from app.domain.request import (
    TERMINAL,
    TRANSITIONS,
    AccessRequest,
    Grant,
    Status,
    Terms,
    approvals,
    complete,
    due,
    evolve,
    implementation_grant,
    judge_answer,
    may_mint,
    reassess,
    revoke,
    status_at,
    withdraw,
)
from app.domain.times import stamp
from tests.domain.worlds import CLIENT, MINUTE, NOW, SANDBOX, Log, ask, entry, filed, library, per, person

ROLES = ask().roles


def terms(**changes: Any) -> Terms:
    return replace(Terms(None, None, 240, ROLES), **changes)


def log(state: Institution | None = None, **changes: Any) -> Log:
    return Log(filed(state or library(), ask(**changes)))


def grant_of(found: Log) -> Grant:
    assert found.request.grant is not None
    return found.request.grant


def test_every_state_has_its_row_and_what_is_terminal_leads_nowhere_else() -> None:
    assert set(TRANSITIONS) == set(Status)
    about = {kind for kind, spec in CATALOGUE.items() if spec.subject == "req"} - {"request.created"}
    assert {kind for row in TRANSITIONS.values() for kind in row} == about
    assert {state for state, row in TRANSITIONS.items() if set(row.values()) <= {state}} == set(TERMINAL)


def test_one_approval_gives_access_at_once_for_what_was_asked() -> None:
    state, found = library(), log()
    assert found.decide(state, 1, "approve") is None
    assert [made.type for made in found.entries] == ["decision.made", "request.approved", "request.activated"]
    given = grant_of(found)
    assert (given.not_before, given.not_after, given.roles) == (NOW, NOW + 240 * MINUTE, ROLES)
    assert (given.ground, given.decisions) == ("approval", (11,))
    assert (found.request.status, may_mint(found.request, NOW)) == (Status.ACTIVE, given)


def test_a_window_that_begins_later_is_approved_then_active_then_elapsed() -> None:
    begins = NOW + 60 * MINUTE
    state, found = library(), log(not_before=begins)
    found.decide(state, 1, "approve")
    assert found.request.status is Status.APPROVED
    wait = may_mint(found.request, NOW + timedelta(microseconds=1))
    assert isinstance(wait, Refusal)
    assert (wait.problem, wait.retry_after) == ("window-not-open", 3600)
    end = begins + 240 * MINUTE
    assert [status_at(found.request, at) for at in (begins - MINUTE, begins, end - MINUTE, end)] == [
        Status.APPROVED,
        Status.ACTIVE,
        Status.ACTIVE,
        Status.ELAPSED,
    ]
    later = due(found.request, end + MINUTE, WORKER)
    assert [(made.type, made.data["effective_at"]) for made in later] == [
        ("request.activated", stamp(begins)),
        ("request.elapsed", stamp(end)),
    ]
    found.append(later, end + MINUTE)
    assert (grant_of(found).ended_at, grant_of(found).ended_because) == (end, "elapsed")
    assert due(found.request, end + timedelta(days=1)) == []


def test_two_approvals_narrow_each_other() -> None:
    state = library(Policy(approvals_required=2))
    found = log(state)
    found.decide(state, 1, "approve", terms(not_before=NOW + 30 * MINUTE, roles=ROLES[:1]))
    assert approvals(found.request, state, NOW) == (2, 1)
    found.decide(state, 2, "approve", terms(minutes=60, not_after=NOW + 80 * MINUTE), now=NOW + 10 * MINUTE)
    given = grant_of(found)
    assert (given.not_before, given.not_after) == (NOW + 30 * MINUTE, NOW + 80 * MINUTE)
    assert (given.roles, given.decisions) == (ROLES[:1], (11, 12))
    assert approvals(found.request, state, NOW) == (2, 2)


@pytest.mark.parametrize(
    "second",
    [
        {"not_before": NOW + 60 * MINUTE},
        {"roles": ROLES[1:]},
    ],
)
def test_approvals_that_leave_nothing_in_common_deny(second: dict[str, Any]) -> None:
    state = library(Policy(approvals_required=2))
    found = log(state)
    found.decide(state, 1, "approve", terms(not_after=NOW + 30 * MINUTE, roles=ROLES[:1]))
    found.decide(state, 2, "approve", terms(**second))
    assert found.request.status is Status.DENIED
    assert found.request.denied_because == "empty-intersection"
    assert found.entries[-1].data["decisions"] == [11, 12]


def test_one_denial_ends_it_also_by_someone_who_had_approved() -> None:
    state = library(Policy(approvals_required=2))
    found = log(state)
    found.decide(state, 1, "approve")
    again = found.decide(state, 1, "approve")
    assert again.problem == "already-answered"
    found.decide(state, 1, "deny")
    assert (found.request.status, found.request.denied_because) == (Status.DENIED, "decision")
    assert found.entries[-1].data["decisions"] == [12]
    late = found.decide(state, 2, "approve")
    assert (late.problem, dict(late.extra)) == ("wrong-state", {"status": "denied"})


@pytest.mark.parametrize(
    "given, pointer",
    [
        ({"minutes": 241}, "/terms/minutes"),
        ({"not_before": NOW}, "/terms/not_before"),
        ({"not_before": NOW + 300 * MINUTE}, "/terms/not_before"),
        ({"not_after": NOW + 301 * MINUTE}, "/terms/not_after"),
        ({"not_after": NOW + 60 * MINUTE}, "/terms/not_after"),
        ({"roles": ("Vault Keeper",)}, "/terms/roles"),
        ({"roles": ()}, "/terms/roles"),
    ],
)
def test_an_approver_narrows_and_never_widens(given: dict[str, Any], pointer: str) -> None:
    state, found = library(), log(not_before=NOW + 60 * MINUTE)
    refusal = found.decide(state, 1, "approve", terms(**given))
    assert (refusal.problem, refusal.errors[0].pointer) == ("validation", pointer)
    assert found.request.status is Status.PENDING


def test_without_asked_roles_none_can_be_named() -> None:
    state, found = library(), log(roles=())
    assert found.decide(state, 1, "approve", terms()).errors[0].pointer == "/terms/roles"
    found.decide(state, 1, "approve", terms(roles=()))
    assert grant_of(found).roles == ()


def test_a_window_far_ahead_is_not_given() -> None:
    state, found = library(), log()
    refusal = found.decide(state, 1, "approve", terms(not_before=NOW + timedelta(days=31)))
    assert refusal.errors[0].pointer == "/terms/not_before"


WORK = tuple(Hours(day, 480, 1020) for day in ("mon", "tue", "wed", "thu", "fri"))


@pytest.mark.parametrize(
    "policy, minutes, required",
    [
        (Policy(second_approval_over_minutes=240), 240, 1),
        (Policy(second_approval_over_minutes=239), 240, 2),
        (Policy(working_hours=WORK), 420, 1),  # 10:00 to 17:00
        (Policy(working_hours=WORK), 421, 2),
        (Policy(working_hours=WORK, second_approval_over_minutes=60), 421, 2),
        (Policy(approvals_required=4, working_hours=WORK), 421, 5),
    ],
)
def test_long_windows_and_odd_hours_need_one_approval_more(policy: Policy, minutes: int, required: int) -> None:
    state = library(policy)
    assert approvals(filed(state, ask(minutes=minutes)), state, NOW) == (required, 0)


def test_quorum_is_judged_on_the_intersection_so_far() -> None:
    state = library(Policy(second_approval_over_minutes=120))
    found = log(state)
    found.decide(state, 1, "approve", terms(minutes=120))
    assert found.request.status is Status.ACTIVE


def test_a_vote_counts_only_while_its_giver_holds_the_role_but_still_narrows() -> None:
    state = library(Policy(approvals_required=2))
    found = log(state)
    found.decide(state, 1, "approve", terms(minutes=30))
    left = replace(state, people={**state.people, per(1): replace(state.people[per(1)], removed=True)})
    found.decide(left, 2, "approve")
    assert (found.request.status, approvals(found.request, left, NOW)) == (Status.PENDING, (2, 1))
    found.decide(left, 3, "approve")
    assert (grant_of(found).decisions, grant_of(found).window.length) == ((11, 12, 13), 30 * MINUTE)


def test_a_vote_given_at_a_former_provider_still_counts() -> None:
    state = library(Policy(approvals_required=2))
    found = log(state)
    found.decide(state, 1, "approve")
    moved = replace(state, provider=replace(state.provider, issuer="https://new.example.edu"))
    assert found.decide(moved, 2, "approve").problem == "not-approver"
    bound = replace(state.people[per(2)].bindings[0], iss="https://new.example.edu")
    moved = replace(moved, people={**moved.people, per(2): replace(moved.people[per(2)], bindings=(bound,))})
    found.decide(moved, 2, "approve")
    assert found.request.status is Status.ACTIVE


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": ("admin", "auditor")},
        {"removed": True},
        {"bindings": ()},
        {"products": ("esploro",)},
        {"email_domain": "mail.vendor.example"},
    ],
)
def test_who_is_not_an_approver_for_it_decides_nothing(changes: dict[str, Any]) -> None:
    state = library(people=[person(1, "approver", **changes)])
    assert log(state).decide(state, 1, "approve").problem == "not-approver"
    assert log(state).decide(state, 1, "deny").problem == "not-approver"


def test_policy_cuts_the_window_that_approvals_leave() -> None:
    closed = Policy(blackouts=(Blackout("2026-11-17T11:00", "2026-11-17T12:00"),))
    state = library(closed)
    found = log(state)
    found.decide(state, 1, "approve")
    assert grant_of(found).not_after == NOW + 60 * MINUTE


def test_what_policy_cuts_to_nothing_is_denied() -> None:
    state, found = library(), log()
    found.decide(library(Policy(access_hours=(Hours("sun", 0, 60),))), 1, "approve")
    assert found.request.denied_because == "empty-intersection"
    assert state.policy == Policy()


def test_the_implementation_phase_approves_at_once() -> None:
    state = library()
    found = Log(filed(state, ask(environment=SANDBOX.environment, escalated=False, minutes=14400)))
    found.append(implementation_grant(found.request, state, NOW, ids.encode("grt", 1)), NOW)
    assert [made.type for made in found.entries] == ["request.approved", "request.activated"]
    assert (grant_of(found).ground, found.entries[0].actor) == ("implementation", SERVICE)
    assert not reassess(found.request, state, NOW)
    switched = replace(SANDBOX, phase="support", implementation_ends=None)
    assert reassess(found.request, replace(state, environments={switched.environment: switched}), NOW)
    sooner = replace(SANDBOX, implementation_ends="2026-11-18")
    assert reassess(found.request, replace(state, environments={sooner.environment: sooner}), NOW)
    assert isinstance(implementation_grant(filed(state), state, NOW, ids.encode("grt", 2)), Refusal)


@pytest.mark.parametrize(
    "policy, revoked",
    [
        (Policy(), False),
        (Policy(approvals_required=2), True),
        (Policy(second_approval_over_minutes=240), False),
        (Policy(second_approval_over_minutes=120), True),
        (Policy(max_window_minutes=239), True),
        (Policy(blackouts=(Blackout("2026-11-17T10:00", "2026-11-17T11:30"),)), False),  # over by now
        (Policy(blackouts=(Blackout("2026-11-17T13:00", "2026-11-17T13:30"),)), True),
        (Policy(access_hours=(Hours("tue", 0, 840),)), False),
        (Policy(access_hours=(Hours("tue", 0, 839),)), True),
        (Policy(sign_in_max_age_s=0, acr_values=("mfa",)), False),
    ],
)
def test_a_tightened_policy_takes_back_what_it_would_not_give_today(policy: Policy, revoked: bool) -> None:
    state, found = library(), log()
    found.decide(state, 1, "approve")
    later = NOW + 90 * MINUTE
    assert reassess(found.request, replace(state, policy=policy), later) is revoked
    assert not reassess(found.request, replace(state, policy=policy, people={}), found.request.decide_by)


def test_an_approver_who_left_does_not_undo_what_they_gave() -> None:
    state, found = library(), log()
    found.decide(state, 1, "approve")
    assert not reassess(found.request, replace(state, people={}), NOW)


def test_commands_fit_the_state_that_won() -> None:
    state, found = library(), log()
    assert isinstance(complete(found.request, CLIENT, "", NOW), Refusal)
    found.decide(state, 1, "approve")
    refused = withdraw(found.request, CLIENT, "", NOW)
    assert isinstance(refused, Refusal)
    assert dict(refused.extra) == {"status": "active"}
    found.append(revoke(found.request, SERVICE, "rules", "", NOW + MINUTE), NOW + MINUTE)
    assert (grant_of(found).ended_at, grant_of(found).ended_because) == (NOW + MINUTE, "rules")
    ended = may_mint(found.request, NOW + MINUTE)
    assert isinstance(ended, Refusal)
    assert ended.problem == "grant-ended"
    assert isinstance(complete(found.request, CLIENT, "", NOW), Refusal)


def test_a_request_nobody_answers_lapses() -> None:
    found = log()
    assert [made.type for made in due(found.request, found.request.decide_by)] == ["request.expired"]
    late = found.decide(library(), 1, "approve", now=found.request.decide_by)
    assert dict(late.extra) == {"status": "expired"}
    unasked = may_mint(found.request, NOW)
    assert isinstance(unasked, Refusal)
    assert unasked.problem == "not-approved"


def test_nobody_decides_on_their_own_request_or_before_enrolment() -> None:
    found = filed(library())
    own = judge_answer(found, library(), per(1), "approve", None, NOW, own_request=True)
    early = judge_answer(found, library(enrolled_at=None), per(1), "approve", None, NOW)
    assert own is not None
    assert early is not None
    assert (own.problem, early.problem) == ("own-request", "institution-not-enrolled")


def _approved(found: AccessRequest, **changes: Any) -> Event:
    data = {
        "decisions": [],
        "grant": ids.encode("grt", 1),
        "ground": "implementation",
        "standing": None,
        "not_before": stamp(NOW),
        "not_after": stamp(NOW + 240 * MINUTE),
        "roles": list(ROLES),
    }
    return Event("request.approved", found.id, SERVICE, {**data, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"not_after": stamp(NOW + 241 * MINUTE)},
        {"not_before": stamp(NOW - MINUTE)},
        {"not_after": stamp(NOW)},
        {"roles": []},
        {"roles": ["Vault Keeper"]},
    ],
)
def test_no_grant_goes_beyond_what_was_asked(changes: dict[str, Any]) -> None:
    found = filed(library())
    evolve(found, entry(_approved(found), 11, NOW))
    with pytest.raises(IllegalTransition, match="beyond"):
        evolve(found, entry(_approved(found, **changes), 11, NOW))


def test_what_relies_on_the_state_is_illegal_while_the_clocks_event_is_unrecorded() -> None:
    found = log()
    withdrawn = Event("request.withdrawn", found.request.id, CLIENT, {}, {"reason": ""})
    evolve(found.request, entry(withdrawn, 11, found.request.decide_by - MINUTE))
    with pytest.raises(IllegalTransition, match="unrecorded"):
        evolve(found.request, entry(withdrawn, 11, found.request.decide_by))


@pytest.mark.parametrize("off", [-MINUTE, MINUTE])
def test_an_event_of_the_clock_names_the_instant_that_was_due(off: timedelta) -> None:
    found = filed(library())
    wrong = Event("request.expired", found.id, SERVICE, {"effective_at": stamp(found.decide_by + off)})
    with pytest.raises(IllegalTransition, match="due"):
        evolve(found, entry(wrong, 11, found.decide_by + 2 * MINUTE))


def test_an_event_of_the_clock_does_not_come_early() -> None:
    found = filed(library())
    early = Event("request.expired", found.id, SERVICE, {"effective_at": stamp(found.decide_by)})
    with pytest.raises(IllegalTransition, match="due"):
        evolve(found, entry(early, 11, found.decide_by - MINUTE))


def test_a_request_goes_through_json_unchanged() -> None:
    state, found = library(), log(not_before=NOW + MINUTE)
    found.decide(state, 1, "approve")
    assert AccessRequest.from_data(found.request.to_data()) == found.request


@pytest.mark.parametrize("at", [NOW, NOW + 300 * MINUTE])
def test_another_requests_entry_is_illegal(at: datetime) -> None:
    found = filed(library())
    other = Event("request.withdrawn", ids.encode("req", 2), CLIENT, {}, {"reason": ""})
    with pytest.raises(IllegalTransition):
        evolve(found, entry(other, 11, at))
