"""A policy that exists is valid, goes through JSON unchanged, and knows what tightens."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policy import DAYS, TIGHTER, Blackout, Hours, Policy, tightens

hours = st.builds(
    lambda day, start, length: Hours(day, start, min(1440, start + length)),
    st.sampled_from(DAYS),
    st.integers(0, 1439),
    st.integers(1, 600),
)
policies = st.builds(
    Policy,
    approvals_required=st.integers(1, 5),
    second_approval_over_minutes=st.none() | st.integers(15, 4320),
    working_hours=st.lists(hours, max_size=4).map(tuple),
    access_hours=st.lists(hours, max_size=4).map(tuple),
    blackouts=st.lists(
        st.sampled_from(
            [Blackout("2026-12-23T18:00", "2027-01-04T07:00"), Blackout("2026-12-24T00:00", "2026-12-25T00:00")]
        ),
        max_size=2,
    ).map(tuple),
    max_window_minutes=st.integers(15, 4320),
    acr_values=st.lists(st.sampled_from(["mfa", "phr", "loa3"]), unique=True).map(tuple),
    standing_approvals_allowed=st.booleans(),
    recording_required=st.booleans(),
    vendor_sees_evidence=st.booleans(),
    escalate_after_minutes=st.none() | st.integers(1, 20160),
)


@given(policies)
def test_a_policy_goes_through_json_unchanged(policy: Policy) -> None:
    assert Policy.from_data(policy.to_data()) == policy


@given(policies)
def test_the_same_policy_does_not_loosen(policy: Policy) -> None:
    assert tightens(policy, policy)


@given(policies, policies, policies)
def test_steps_that_tighten_add_up(first: Policy, second: Policy, third: Policy) -> None:
    if tightens(first, second) and tightens(second, third):
        assert tightens(first, third)


def test_every_field_says_what_tightens_it() -> None:
    assert set(TIGHTER) == {field.name for field in fields(Policy)}


WEEK = (Hours("mon", 480, 1020), Hours("tue", 480, 1020))
XMAS = Blackout("2026-12-23T18:00", "2027-01-04T07:00")


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("approvals_required", 1, 2),
        ("second_approval_over_minutes", None, 240),
        ("second_approval_over_minutes", 240, 120),
        ("working_hours", (), WEEK),
        ("working_hours", WEEK, WEEK[:1]),
        ("access_hours", (), WEEK),
        ("access_hours", WEEK, (Hours("mon", 540, 600), Hours("mon", 600, 720))),
        ("blackouts", (), (XMAS,)),
        ("blackouts", (XMAS,), (Blackout("2026-12-22T00:00", "2027-02-01T00:00"),)),
        ("max_window_minutes", 480, 240),
        ("max_implementation_window_days", 30, 0),
        ("decide_within_minutes", 4320, 60),
        ("sign_in_max_age_s", 300, 0),
        ("acr_values", (), ("mfa",)),
        ("acr_values", ("mfa", "phr"), ("phr",)),
        ("standing_approvals_allowed", True, False),
        ("token_ttl_minutes", 15, 5),
        ("recording_required", False, True),
        ("vendor_sees_evidence", True, False),
    ],
)
def test_what_tightens_one_way_loosens_the_other(name: str, old: Any, new: Any) -> None:
    before, after = replace(Policy(), **{name: old}), replace(Policy(), **{name: new})
    assert tightens(before, after)
    assert not tightens(after, before)


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("remind_after_minutes", (240,), (60,)),
        ("escalate_after_minutes", 1440, None),
        ("recording_retention_days", 90, 91),
        ("retention_years", 7, 6),
        ("acr_values", ("mfa",), ("phr",)),
        ("working_hours", WEEK, ()),
        ("access_hours", WEEK[:1], (Hours("mon", 480, 1021),)),
        ("blackouts", (XMAS,), (Blackout("2026-12-23T18:01", "2027-02-01T00:00"),)),
    ],
)
def test_all_else_loosens(name: str, old: Any, new: Any) -> None:
    assert not tightens(replace(Policy(), **{name: old}), replace(Policy(), **{name: new}))


@pytest.mark.parametrize(
    "name, value",
    [
        ("approvals_required", 0),
        ("approvals_required", 6),
        ("approvals_required", "1"),
        ("approvals_required", True),
        ("approvals_required", None),
        ("second_approval_over_minutes", 14),
        ("working_hours", [{"day": "mon", "from": "08:00", "to": "08:00"}]),
        ("working_hours", [{"day": "monday", "from": "08:00", "to": "09:00"}]),
        ("working_hours", [{"day": "mon", "from": "24:00", "to": "24:00"}]),
        ("working_hours", [{"day": "mon", "from": "8:00", "to": "09:00"}]),
        ("working_hours", [{"day": "mon", "from": "08:00"}]),
        ("access_hours", [{"day": "mon", "from": "08:00", "to": "09:00"}] * 71),
        ("blackouts", [{"from": "2026-12-24", "to": "2026-12-25"}]),
        ("blackouts", [{"from": "2026-12-24T00:00", "to": "2026-12-24T00:00"}]),
        ("blackouts", [{"from": "2026-02-30T00:00", "to": "2026-03-01T00:00"}]),
        ("blackouts", [{"from": "2026-12-24T00:00", "to": "9999-12-31T23:59"}]),
        ("max_window_minutes", 14),
        ("max_implementation_window_days", 91),
        ("decide_within_minutes", 59),
        ("remind_after_minutes", [240, 240]),
        ("remind_after_minutes", [0]),
        ("remind_after_minutes", [1, 2, 3, 4, 5, 6]),
        ("escalate_after_minutes", 0),
        ("sign_in_max_age_s", 86_401),
        ("acr_values", ["mfa", "mfa"]),
        ("acr_values", [""]),
        ("standing_approvals_allowed", 1),
        ("token_ttl_minutes", 61),
        ("recording_required", None),
        ("retention_years", 26),
        ("no_such_rule", 1),
    ],
)
def test_a_wrong_field_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Policy.from_data({**Policy().to_data(), name: value})


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"approvals_required.*token_ttl_minutes"):
        Policy(approvals_required=9, token_ttl_minutes=0)


def test_midnight_as_an_end_is_24_00() -> None:
    assert Hours("sun", 0, 1440).to_data() == {"day": "sun", "from": "00:00", "to": "24:00"}
    assert Hours.from_data({"day": "sun", "from": "00:00", "to": "24:00"}) == Hours("sun", 0, 1440)
