"""Dishonest moves that loosen without a countersignature, each field of a policy among them, or by another's hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import orjson

from app.domain.catalogue import CATALOGUE
from app.domain.events import SERVICE, Actor, Event
from app.domain.policy import TIGHTER, Blackout, Hours, Policy
from app.trail import canonical
from tests.audit.moves import MOVES, Move, append, found_as, running
from tests.audit.world import AUDITOR, CLIENT, CODE, HEAD, OPERATOR, SECOND, World

BY_HEAD = Actor("person", HEAD.id)
MONDAY, SATURDAY = Hours("mon", 480, 1020), Hours("sat", 480, 1020)
LOOSER: Mapping[str, tuple[Any, Any]] = {
    "approvals_required": (2, 1),
    "second_approval_over_minutes": (60, None),
    "working_hours": ((MONDAY,), (MONDAY, SATURDAY)),
    "access_hours": ((MONDAY,), (MONDAY, SATURDAY)),
    "blackouts": ((Blackout("2026-12-24T00:00", "2026-12-27T00:00"),), ()),
    "max_window_minutes": (480, 481),
    "max_implementation_window_days": (30, 31),
    "decide_within_minutes": (4320, 4321),
    "remind_after_minutes": ((240, 1440), (240,)),
    "escalate_after_minutes": (1440, None),
    "sign_in_max_age_s": (0, 1),
    "acr_values": (("mfa",), ("mfa", "password")),
    "standing_approvals_allowed": (False, True),
    "token_ttl_minutes": (15, 16),
    "recording_required": (True, False),
    "recording_retention_days": (90, 89),
    "retention_years": (7, 6),
    "vendor_sees_evidence": (False, True),
}
"""For each field of a policy what is in force, and a step that makes it looser, or may."""

assert LOOSER.keys() == TIGHTER.keys()


_ORDERED: Mapping[str, Any] = {"because": "order", "change": None, "evidence": []}


def policy_set(policy: Policy) -> Event:
    """A policy set by an admin, with nothing signed."""
    return Event("policy.set", CODE, BY_HEAD, {"change": None, "policy": policy.to_data(), "evidence": []})


def roles_set(person: str, roles: list[str], products: list[str]) -> Event:
    """Roles of the roster set by an admin, with nothing signed."""
    data = {"change": None, "roles": roles, "products": products, "source": "roster", "evidence": []}
    return Event("person.roles_changed", person, BY_HEAD, data)


def environment_set(world: World, name: str = "alma-production", **changes: Any) -> Event:
    """An environment set by an admin, with nothing signed."""
    place = replace(world.institution.environments[name], **changes)
    data: dict[str, Any] = {"change": world.new("chg"), "environment": place.to_data(), "evidence": []}
    return Event("environment.set", CODE, BY_HEAD, data)


def general_set(world: World, notify: str = "library-systems@example.edu", **data: Any) -> Event:
    """Time zone and addresses for notices set by an admin, with nothing signed."""
    named = {"change": None, "locale": "en", "time_zone": world.institution.time_zone, "evidence": [], **data}
    return Event("institution.changed", CODE, BY_HEAD, named, {"name": "Example University Library", "notify": notify})


# --- a policy ---------------------------------------------------------------------------------------------------------


def _looser(field: str) -> Move:
    before, after = LOOSER[field]

    def move(world: World) -> int:
        kept = replace(world.institution.policy, **{field: before})
        if kept != world.institution.policy:
            world.append(policy_set(kept))
        return append(world, policy_set(replace(kept, **{field: after})))

    return move


for _field in LOOSER:
    MOVES[f"a_policy_whose_{_field}_is_loosened_without_a_countersignature"] = ("not-by-rules", _looser(_field))


@found_as("not-by-rules")
def a_policy_looser_in_one_field_and_stricter_in_another(world: World) -> int:
    return append(world, policy_set(Policy(approvals_required=2, max_window_minutes=4320)))


# --- people, environments, addresses, what is kept --------------------------------------------------------------------


def _given(role: str) -> Move:
    return lambda world: append(world, roles_set(AUDITOR.id, sorted({"auditor", role}), []))


for _role in ("approver", "backup_approver", "admin"):
    MOVES[f"the_role_{_role}_given_without_a_countersignature"] = ("not-by-rules", _given(_role))


@found_as("not-by-rules")
def products_widened_without_a_countersignature(world: World) -> int:
    world.append(roles_set(SECOND.id, ["approver"], ["leganto"]))
    return append(world, roles_set(SECOND.id, ["approver"], ["alma", "leganto"]))


@found_as("not-by-rules")
def an_environment_added_without_a_countersignature(world: World) -> int:
    return append(world, environment_set(world, environment="shadow", url="https://shadow.alma.vendor.example"))


@found_as("not-by-rules")
def another_gateway_of_an_environment_without_a_countersignature(world: World) -> int:
    return append(world, environment_set(world, audience="https://gateway.vendor.example/another"))


@found_as("not-by-rules")
def another_time_zone_without_a_countersignature(world: World) -> int:
    return append(world, general_set(world, time_zone="Pacific/Auckland"))


@found_as("not-countersigned")
def another_address_for_notices_without_a_countersignature(world: World) -> int:
    return append(world, general_set(world, "friend@evil.example"))


@found_as("private-missing")
def a_private_part_erased_on_an_order_that_nobody_countersigned(world: World) -> int:
    kept = append(world, general_set(world))
    world.trail.private[kept] = None
    slip(world, Event("private.erased", CODE, BY_HEAD, {"indexes": [kept], **_ORDERED}))
    return kept


@found_as("evidence-missing")
def evidence_erased_on_an_order_that_nobody_countersigned(world: World) -> int:
    seen = next(entry for entry in world.trail.entries if entry.type == "identity_provider.keys_seen")
    digest = seen.data["evidence"][0]
    del world.evidence[digest]
    slip(world, Event("evidence.erased", CODE, BY_HEAD, {"digests": [digest], **_ORDERED}))
    return seen.index


@found_as("grant-kept")
def a_grant_of_the_implementation_phase_that_outlives_the_switch(world: World) -> int:
    world.ask(environment="leganto-sandbox", escalated=False)
    switched = {"environment": "leganto-sandbox"}
    return append(world, Event("environment.switched_to_support", CODE, BY_HEAD, switched))


@found_as("grant-kept")
def a_grant_that_outlives_other_access_hours(world: World) -> int:
    running(world)
    return append(world, policy_set(Policy(access_hours=(SATURDAY,))))


# --- by another than an admin -----------------------------------------------------------------------------------------


def _provider_set(world: World) -> Event:
    data: dict[str, Any] = {"change": world.new("chg"), "identity_provider": world.provider_data, "evidence": []}
    return Event("identity_provider.set", CODE, BY_HEAD, data)


def _switched() -> Event:
    return Event("environment.switched_to_support", CODE, BY_HEAD, {"environment": "leganto-sandbox"})


_ADMINS_ALONE: Mapping[str, tuple[str, Callable[[World], Event]]] = {
    "a_policy_tightened": ("policy.set", lambda _: policy_set(Policy(max_window_minutes=60))),
    "a_provider_set": ("identity_provider.set", _provider_set),
    "an_environment_set": ("environment.set", environment_set),
    "a_role_taken_away": ("person.roles_changed", lambda _: roles_set(SECOND.id, ["auditor"], [])),
    "an_approver_removed": ("person.removed", lambda _: Event("person.removed", SECOND.id, BY_HEAD, {})),
    "stop_codes_made": ("stop_codes.made", lambda _: Event("stop_codes.made", CODE, BY_HEAD, {"count": 10})),
    "people_reviewed": ("roster.reviewed", lambda _: Event("roster.reviewed", CODE, BY_HEAD, {"people": 3})),
    "an_environment_switched": ("environment.switched_to_support", lambda _: _switched()),
}
_OTHERS = {
    "an_auditor": Actor("person", AUDITOR.id),
    "an_approver": Actor("person", SECOND.id),
    "the_operator": OPERATOR,
    "the_system": SERVICE,
    "a_client": CLIENT,
}
_MAY = {("an_environment_switched", "a_client")}


def _slipped_in(make: Callable[[World], Event], actor: Actor) -> Move:
    return lambda world: slip(world, replace(make(world), actor=actor))


def slip(world: World, event: Event) -> int:
    """An entry whatever the catalogue says to its actor; its index."""
    index = append(world, Event("stop_codes.made", CODE, BY_HEAD, {"count": 10}))
    actor = {"kind": event.actor.kind, "id": event.actor.id}
    told = {"type": event.type, "subject": event.subject, "actor": actor, "data": dict(event.data)}
    world.trail.leaves[index] = canonical.encode({**orjson.loads(world.trail.leaves[index]), **told})
    world.trail.rebuild()
    return index


for (_what, (_type, _make)), (_who, _actor) in product(_ADMINS_ALONE.items(), _OTHERS.items()):
    if (_what, _who) not in _MAY:
        _code = "not-by-rules" if _actor.kind in CATALOGUE[_type].actors else "catalogue"
        MOVES[f"{_what}_by_{_who}"] = (_code, _slipped_in(_make, _actor))


@found_as("loosened-by-nobody")
def another_time_zone_by_the_operator(world: World) -> int:
    return append(world, replace(general_set(world, time_zone="Pacific/Auckland"), actor=OPERATOR))


@found_as("loosened-by-nobody")
def another_address_for_notices_by_the_operator(world: World) -> int:
    return append(world, replace(general_set(world, "friend@evil.example"), actor=OPERATOR))


@found_as("not-by-rules")
def somebody_said_to_be_away_by_another_who_is_no_admin(world: World) -> int:
    data: dict[str, Any] = {"from": None, "to": None}
    return append(world, Event("person.away_set", HEAD.id, Actor("person", SECOND.id), data))


@found_as("not-by-rules")
def a_domain_of_the_vendor_forgotten(world: World) -> int:
    data = {"vendor_domains": [], "vendor_issuers": list(world.institution.vendor_issuers)}
    return append(world, Event("vendor.changed", CODE, OPERATOR, data))
