"""Instants, ids, accounts, and the codec of values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import ids
from app.domain.accounts import ACCOUNTS
from app.domain.institution import Institution
from app.domain.request import Terms
from app.domain.times import parse_stamp, parse_wire, stamp, wire
from tests.domain.worlds import NOW, library

instants = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(instants)
def test_instants_go_through_both_forms_unchanged(at: datetime) -> None:
    assert parse_stamp(stamp(at)) == at
    assert parse_wire(wire(at)) == at
    assert stamp(at.astimezone(timezone(timedelta(hours=5, minutes=45)))) == stamp(at)


@pytest.mark.parametrize("text", ["", "2026-11-17", "2026-11-17T09:00:00.000000+00:00", "2026-13-17T09:00:00.000000Z"])
def test_other_forms_are_no_stamps(text: str) -> None:
    with pytest.raises(ValueError):
        parse_stamp(text)


def test_an_instant_needs_a_zone() -> None:
    with pytest.raises(ValueError):
        stamp(NOW.replace(tzinfo=None))


@given(instants, instants)
def test_ids_sort_by_the_millisecond_they_were_made(first: datetime, second: datetime) -> None:
    earlier, later = sorted((first, second))
    if later - earlier >= timedelta(milliseconds=1):
        assert ids.new_id("req", earlier) < ids.new_id("req", later)


@pytest.mark.parametrize("text", ["", "req_", "req_8" + "0" * 25, "xxx_" + "0" * 26, "req_" + "0" * 25 + "l"])
def test_what_is_no_id(text: str) -> None:
    assert not any(ids.is_id(text, prefix) for prefix in ids.PREFIXES)


def test_only_one_account_may_be_requested() -> None:
    assert [account.id for account in ACCOUNTS.values() if account.problem is None] == ["exl_impl"]
    assert {name for account in ACCOUNTS.values() for name in account.names} == {
        "Staff, Ex Libris",
        "Implementor, Ex Libris",
        "Support, Ex Libris",
        "Ex Libris, BLOCKED - Not in Use",
        "API, Ex Libris",
    }


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": True}, "minutes"),
        ({"not_before": "soon"}, "not_before"),
        ({"roles": ["b", "a"]}, "roles"),
        ({"roles": [None]}, "roles: 0"),
        ({"more": 1}, "more"),
    ],
)
def test_the_codec_names_what_is_wrong(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ValueError, match=path):
        Terms.from_data({**Terms(NOW, None, 60, ("a",)).to_data(), **changes})


@pytest.mark.parametrize(
    "member, value",
    [
        ("keys_seen", {"i": ["b", "a"]}),
        ("keys_seen", {"ü": []}),
        ("keys_seen", []),
        ("policy", None),
        ("people", {"x": {}}),
    ],
)
def test_the_codec_is_strict_all_the_way_down(member: str, value: Any) -> None:
    state = library()
    assert Institution.from_data(state.to_data()) == state
    with pytest.raises(ValueError, match=member):
        Institution.from_data({**state.to_data(), member: value})
