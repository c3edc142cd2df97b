"""Dishonest moves about what is erased: too early, what was never there, without saying so, or only said."""

from __future__ import annotations

from typing import Any

from app.domain.events import SERVICE, Event
from app.domain.policy import Policy
from tests.audit.moves import append, found_as, pending, running
from tests.audit.world import CODE, World

DIGEST = "sha256:" + "d" * 64


def _erased(kind: str, named: list[Any], **changes: Any) -> Event:
    data = {"because": "retention", "change": None, "evidence": [], **changes}
    listed = {"private": "indexes", "evidence": "digests"}[kind]
    return Event(f"{kind}.erased", CODE, SERVICE, {**data, listed: named})


def _vote(world: World) -> str:
    running(world)
    entry = next(each for each in world.trail.entries if each.type == "decision.made")
    return str(entry.data["evidence"][0])


@found_as("evidence-missing")
def evidence_erased_in_silence(world: World) -> int:
    digest = _vote(world)
    del world.evidence[digest]
    return next(each.index for each in world.trail.entries if each.data.get("evidence") == [digest])


@found_as("erased-early")
def evidence_erased_before_its_time(world: World) -> int:
    digest = _vote(world)
    del world.evidence[digest]
    world.pass_time(days=7 * 365)
    return append(world, _erased("evidence", [digest]))


@found_as("erased-early")
def a_private_part_erased_under_a_shorter_policy_that_came_later(world: World) -> int:
    index = world.requests[pending(world)].created_index
    world.pass_time(days=400)
    world.trail.private[index] = None
    found = append(world, _erased("private", [index]))
    policy = Event("policy.set", CODE, SERVICE, {"policy": Policy(retention_years=1).to_data()})
    world.change(policy)
    return found


@found_as("erased-early")
def an_old_part_erased_together_with_a_young_one(world: World) -> int:
    old = world.requests[pending(world)].created_index
    world.pass_time(days=8 * 365)
    young = world.requests[pending(world)].created_index
    world.trail.private[old] = world.trail.private[young] = None
    return append(world, _erased("private", [old, young]))


@found_as("erased-but-there")
def an_erasure_that_did_not_happen(world: World) -> int:
    index = world.requests[pending(world)].created_index
    world.pass_time(days=8 * 365)
    return append(world, _erased("private", [index]))


@found_as("erased-but-there")
def evidence_said_to_be_erased_that_is_there(world: World) -> int:
    digest = _vote(world)
    world.pass_time(days=8 * 365)
    return append(world, _erased("evidence", [digest]))


@found_as("erased-but-there")
def evidence_erased_that_nobody_named(world: World) -> int:
    return append(world, _erased("evidence", [DIGEST]))


@found_as("erased-but-there")
def a_private_part_erased_twice(world: World) -> int:
    index = world.requests[pending(world)].created_index
    world.pass_time(days=8 * 365)
    world.trail.private[index] = None
    append(world, _erased("private", [index]))
    world.pass_time(days=1)
    return append(world, _erased("private", [index]))


@found_as("erased-early")
def an_input_erased_by_the_age_of_its_first_use(world: World) -> int:
    world.see_keys()
    world.pass_time(days=6 * 365)
    (digest,) = world.see_keys().data["evidence"]
    world.pass_time(days=6 * 365)
    del world.evidence[digest]
    return append(world, _erased("evidence", [digest]))
