"""A grant is derived again before a token: rows behind the service's back open nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from app.audit.derive import derive, evidence_named
from app.domain.errors import Refusal
from app.domain.events import Actor, Entry, Event
from app.domain.policy import Policy
from app.domain.request import Grant, may_mint
from app.domain.times import stamp
from tests.audit.world import AUDITOR, CODE, HEAD, SECOND, World


@dataclass(frozen=True)
class Row:
    """What storage gives."""

    entry: Entry
    leaf: bytes
    private: bytes | None


def _rows(world: World, request: str) -> list[Row]:
    trail = world.trail
    return [
        Row(entry, trail.leaves[entry.index], trail.private[entry.index])
        for entry in trail.entries
        if world._about(entry, request)
    ]


def _derived(world: World, request: str) -> Grant | Refusal:
    rows = _rows(world, request)
    evidence = {digest: world.evidence[digest] for digest in evidence_named(rows) if digest in world.evidence}
    derived = derive(rows, evidence, request)
    return derived if isinstance(derived, Refusal) else may_mint(derived.request, world.now)


def _approved() -> tuple[World, str]:
    world = World().begin(SECOND, AUDITOR)
    world.ask()
    request = world.ask()
    world.ask()
    world.pass_time(minutes=5)
    world.approve(request)
    world.pass_time(minutes=1)
    return world, request


def test_the_grant_follows_from_the_requests_own_entries() -> None:
    world, request = _approved()
    grant = _derived(world, request)
    assert grant == world.requests[request].grant


def test_the_implementation_phase_is_a_ground() -> None:
    world = World().begin(SECOND)
    request = world.ask(environment="leganto-sandbox", escalated=False)
    assert _derived(world, request) == world.requests[request].grant


@pytest.mark.parametrize(
    "prepare, problem",
    [
        (lambda world, request: world.revoke(request), "grant-ended"),
        (lambda world, _: world.pass_time(hours=5), "grant-ended"),
    ],
)
def test_a_grant_that_is_over_gives_nothing(prepare: Callable[[World, str], object], problem: str) -> None:
    world, request = _approved()
    prepare(world, request)
    refusal = _derived(world, request)
    assert isinstance(refusal, Refusal)
    assert refusal.problem == problem


def test_a_request_that_nobody_answered_gives_nothing() -> None:
    world = World().begin(SECOND)
    request = world.ask()
    refusal = _derived(world, request)
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "not-approved"


def test_an_approval_slipped_into_the_database_gives_nothing() -> None:
    world = World().begin(SECOND)
    request = world.ask()
    forged = {
        "decisions": [0], "grant": world.new("grt"), "ground": "approval", "standing": None,
        "not_before": stamp(world.now), "not_after": stamp(world.now + timedelta(hours=1)),
        "roles": ["Circulation", "Fulfillment"],
    }  # fmt: skip
    world.append(Event("request.approved", request, Actor("person", HEAD.id), forged))
    refusal = _derived(world, request)
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "grant-not-derivable"


def test_a_vote_with_forged_evidence_gives_nothing() -> None:
    world = World().begin(SECOND)
    request = world.ask()
    statement = world.statement(request, HEAD, world.requests[request].asked)
    world.approve(request, evidence=world.countersign(statement, HEAD.sub, nonce="forged"))
    refusal = _derived(world, request)
    assert isinstance(refusal, Refusal)
    assert "id-token-nonce" in refusal.detail


def test_evidence_that_is_gone_gives_nothing() -> None:
    world, request = _approved()
    vote = next(entry for entry in world.trail.entries if entry.type == "decision.made")
    del world.evidence[vote.data["evidence"][0]]
    assert isinstance(_derived(world, request), Refusal)


def test_a_changed_leaf_or_private_part_gives_nothing() -> None:
    world, request = _approved()
    rows = _rows(world, request)
    place = next(place for place, row in enumerate(rows) if row.entry.type == "request.created")
    other = next(row for row in rows if row.entry.type == "person.bound")
    for changed in (replace(rows[place], leaf=rows[place].leaf + b" "), replace(rows[place], private=other.private)):
        assert isinstance(derive([*rows[:place], changed, *rows[place + 1 :]], world.evidence, request), Refusal)


def test_a_policy_tightened_since_revokes_first() -> None:
    world, request = _approved()
    data: dict[str, Any] = {"change": None, "policy": Policy(max_window_minutes=60).to_data(), "evidence": []}
    world.append(Event("policy.set", CODE, Actor("person", HEAD.id), data))
    refusal = _derived(world, request)
    assert isinstance(refusal, Refusal)
    assert "grant-kept" in refusal.detail
