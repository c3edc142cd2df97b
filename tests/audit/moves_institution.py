"""Dishonest moves about people, provider, policy, and the log itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from app.audit.evidence import input_blob
from app.domain.events import SERVICE, Actor, Event
from app.domain.ids import encode
from app.domain.policy import Policy
from app.trail import canonical, log
from tests.audit.moves import append, found_as, pending, running
from tests.audit.provider import Provider
from tests.audit.world import CODE, HEAD, OPERATOR, SECOND, Someone, World


def _newcomer(roles: tuple[str, ...] = ("approver",)) -> tuple[Someone, dict[str, Any], dict[str, Any]]:
    person = Someone(encode("per", 9), "friend@example.edu", roles, "sub-friend")
    row = person.row()
    data = {name: row[name] for name in ("roles", "products", "email_domain", "email_digest")}
    return person, data, {"email": person.email, "name": "Friend", "email_salt": person.salt}


@found_as("not-by-rules")
def an_approver_added_without_a_countersignature(world: World) -> int:
    person, data, private = _newcomer()
    event = Event(
        "person.added", person.id, Actor("person", HEAD.id), {**data, "change": None, "evidence": []}, private
    )
    return append(world, event)


@found_as("statement-differs")
def an_approver_added_with_the_countersignature_of_another_change(world: World) -> int:
    person, data, private = _newcomer()
    policy = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})
    proposal, applied = world.changing(policy)
    world.append(proposal)
    added = {**data, "change": None, "evidence": applied.data["evidence"]}
    return append(world, Event("person.added", person.id, Actor("person", HEAD.id), added, private))


@found_as("address-differs")
def a_person_added_under_another_address(world: World) -> int:
    person, data, private = _newcomer(("auditor",))
    private["email"] = "someone-else@example.edu"
    event = Event(
        "person.added", person.id, Actor("person", HEAD.id), {**data, "change": None, "evidence": []}, private
    )
    return append(world, event)


@found_as("added-not-bound")
def a_person_the_system_slips_in(world: World) -> int:
    person, data, private = _newcomer(())
    event = Event("person.added", person.id, SERVICE, {**data, "change": None, "evidence": []}, private)
    return append(world, event)


@found_as("not-by-rules")
def a_provider_set_without_a_countersignature(world: World) -> int:
    provider = {**world.provider_data, "issuer": "https://evil.example"}
    data: dict[str, Any] = {"change": world.new("chg"), "identity_provider": provider, "evidence": []}
    return append(world, Event("identity_provider.set", CODE, Actor("person", HEAD.id), data))


@found_as("key-not-given")
def a_provider_countersigned_at_the_new_provider_itself(world: World) -> int:
    evil = Provider(world.idp.issuer, world.approvals.client_id, "OKP")
    event = Event("identity_provider.set", CODE, OPERATOR, {"identity_provider": world.provider_data})
    proposal, applied = world.changing(event)
    world.append(proposal)
    statement = _statement_of(world, applied)
    forged = world.countersign(statement, HEAD.sub, evil)
    data = {**applied.data, "evidence": [forged]}
    return append(world, replace(applied, data=data))


def _statement_of(world: World, applied: Event) -> dict[str, Any]:
    statement = orjson.loads(world.evidence[applied.data["evidence"][0]])["statement"]
    assert isinstance(statement, dict)
    return statement


@found_as("not-by-rules")
def a_policy_loosened_without_a_countersignature(world: World) -> int:
    data: dict[str, Any] = {"change": None, "policy": Policy(max_window_minutes=4320).to_data(), "evidence": []}
    return append(world, Event("policy.set", CODE, Actor("person", HEAD.id), data))


@found_as("change-differs")
def another_policy_than_was_proposed(world: World) -> int:
    event = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})
    proposal, applied = world.changing(event)
    world.append(proposal)
    data = {**applied.data, "policy": Policy(max_window_minutes=4320).to_data()}
    return append(world, replace(applied, data=data))


@found_as("not-by-rules")
def a_change_by_somebody_who_is_no_admin(world: World) -> int:
    event = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})
    proposal, applied = world.changing(event, SECOND)
    world.append(proposal)
    return append(world, applied)


@found_as("grant-kept")
def a_grant_that_outlives_the_policy_it_was_given_under(world: World) -> int:
    running(world)
    data: dict[str, Any] = {"change": None, "policy": Policy(max_window_minutes=60).to_data(), "evidence": []}
    return append(world, Event("policy.set", CODE, Actor("person", HEAD.id), data))


@found_as("keys-differ")
def keys_seen_that_are_not_in_the_key_set(world: World) -> int:
    blob = world.keep(input_blob("application/json", b'{"keys":[]}'))
    data = {"issuer": world.idp.issuer, "thumbprints": world.idp.thumbprints, "evidence": [blob]}
    return append(world, Event("identity_provider.keys_seen", CODE, SERVICE, data))


@found_as("not-by-rules")
def a_person_removed_by_the_operator(world: World) -> int:
    return append(world, Event("person.removed", SECOND.id, OPERATOR, {}))


@found_as("person")
def an_entry_by_somebody_unknown(world: World) -> int:
    return append(world, Event("stop_codes.made", CODE, Actor("person", encode("per", 77)), {"count": 10}))


@found_as("private-missing")
def a_private_part_erased_in_silence(world: World) -> int:
    request = pending(world)
    index = world.requests[request].created_index
    world.trail.private[index] = None
    return index


@found_as("erased-early")
def a_private_part_erased_before_its_time(world: World) -> int:
    request = pending(world)
    index = world.requests[request].created_index
    world.trail.private[index] = None
    data: dict[str, Any] = {"because": "retention", "indexes": [index], "change": None, "evidence": []}
    return append(world, Event("private.erased", CODE, SERVICE, data))


@found_as("private-changed")
def a_private_part_rewritten(world: World) -> int:
    request = pending(world)
    index = world.requests[request].created_index
    world.trail.private[index] = log.private_part({**world.private_of[request], "reason": "other"}, log.new_salt())
    return index


@found_as("time")
def an_entry_dated_back(world: World) -> int:
    pending(world)
    world.pass_time(minutes=-30)
    index = append(world, Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10}))
    world.pass_time(minutes=30)
    return index


@found_as("id-twice")
def an_id_used_twice(world: World) -> int:
    event = Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10})
    return world.trail.add(event, world.now, id=world.trail.entries[0].id).index


@found_as("index")
def an_entry_left_out(world: World) -> int:
    event = Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10})
    return world.trail.add(event, world.now, index=len(world.trail.leaves) + 1).index


@found_as("catalogue")
def an_entry_of_a_type_that_does_not_exist(world: World) -> int:
    leaf = canonical.encode({"type": "request.blessed", "index": len(world.trail.leaves), "v": 1})
    index = len(world.trail.leaves)
    event = Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10})
    world.trail.add(event, world.now)
    world.trail.leaves[index] = leaf
    return index
