"""The judge of storms finds what it is there to find: histories and trails in which one thing is false."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.faults import invariants
from tests.faults.history import Call, History
from tests.faults.trail import Trail


def entry(index: int, type_: str, subject: str, **data: Any) -> dict[str, Any]:
    return {"index": index, "type": type_, "subject": subject, "data": data, "actor": {"id": "per_a", "kind": "person"}}


def trail(*entries: dict[str, Any]) -> Trail:
    return Trail(tuple(json.dumps(each).encode() for each in entries), {}, {"per_a": "head@example.edu"})


def call(kind: str, what: str, **answer: Any) -> Call:
    made = Call(kind, what)
    made.acknowledge(**answer)
    return made


CREATED = entry(0, "request.created", "req_a", case="1")
FILED = call("create", "key", id="req_a", case="1", replayed=False)


def test_an_honest_run_is_found_to_be_one() -> None:
    assert invariants.acknowledged_is_recorded_once(trail(CREATED), History([FILED])) == 1


def test_what_was_acknowledged_before_its_commit_and_lost_is_found() -> None:
    with pytest.raises(AssertionError):
        invariants.acknowledged_is_recorded_once(trail(), History([FILED]))
    with pytest.raises(AssertionError):
        invariants.acknowledged_is_recorded_once(trail(CREATED), History([FILED, call("withdraw", "req_a")]))


def test_what_is_there_twice_or_that_nobody_asked_for_is_found() -> None:
    with pytest.raises(AssertionError):
        invariants.acknowledged_is_recorded_once(trail(CREATED, CREATED), History([FILED]))
    withdrawn = entry(1, "request.withdrawn", "req_a")
    with pytest.raises(AssertionError):
        invariants.acknowledged_is_recorded_once(trail(CREATED, withdrawn), History([FILED]))


def test_two_ends_of_one_request_are_found() -> None:
    ends = entry(1, "request.denied", "req_a"), entry(2, "request.withdrawn", "req_a")
    with pytest.raises(AssertionError):
        invariants.one_end_each(trail(CREATED, *ends), {"req_a": "denied"})


def test_a_key_that_took_effect_twice_is_found() -> None:
    twice = [FILED, call("create", "key", id="req_b", case="1", replayed=False)]
    with pytest.raises(AssertionError):
        invariants.keys_resolve(trail(CREATED, entry(1, "request.created", "req_b", case="1")), History(twice))
