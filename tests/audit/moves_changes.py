"""Dishonest moves about countersigned changes: by whom, of what, when, and at which sign-in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.domain.events import SERVICE, Actor, Event
from app.domain.ids import encode
from app.domain.policy import Policy
from app.domain.statement import change_input, change_statement
from app.trail import canonical, log
from tests.audit.moves import append, found_as
from tests.audit.moves_loosened import BY_HEAD, general_set, policy_set, roles_set
from tests.audit.world import AUDITOR, CODE, HEAD, OPERATOR, SECOND, Someone, World

BY_SECOND = Actor("person", SECOND.id)
LOOSER = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})


def bare(event: Event) -> Event:
    """An event without change and evidence, as the builder of changes wants it."""
    return replace(
        event, data={name: value for name, value in event.data.items() if name not in {"change", "evidence"}}
    )


def two_admins(world: World) -> None:
    """The second is an admin from now on, by the head's countersignature."""
    world.change(bare(roles_set(SECOND.id, ["admin", "approver"], [])))
    world.pass_time(minutes=1)


# --- another admin ----------------------------------------------------------------------------------------------------


@found_as("not-by-rules")
def an_admin_who_countersigns_the_gain_of_a_role_of_their_own(world: World) -> int:
    two_admins(world)
    gain = bare(roles_set(SECOND.id, ["admin", "approver", "backup_approver"], []))
    return world.change(gain, SECOND).index


@found_as("not-by-rules")
def an_admin_who_countersigns_more_products_for_themselves(world: World) -> int:
    two_admins(world)
    world.append(roles_set(SECOND.id, ["admin", "approver"], ["leganto"]))
    return world.change(bare(roles_set(SECOND.id, ["admin", "approver"], [])), SECOND).index


@found_as("not-by-rules")
def a_proposer_who_countersigns_where_there_are_two_admins(world: World) -> int:
    two_admins(world)
    return world.change(LOOSER, SECOND, BY_SECOND).index


@found_as("not-by-rules")
def a_proposer_who_removes_the_other_admin_and_countersigns(world: World) -> int:
    two_admins(world)
    proposal, applied = world.changing(LOOSER, SECOND, BY_SECOND)
    world.append(proposal)
    world.append(Event("person.removed", HEAD.id, BY_SECOND, {}))
    return append(world, applied)


@found_as("not-by-rules")
def a_change_that_nobody_proposed_where_there_are_two_admins(world: World) -> int:
    two_admins(world)
    _, applied = world.changing(LOOSER, SECOND)
    return append(world, applied)


@found_as("not-by-rules")
def a_change_without_a_proposal_where_there_are_two_admins(world: World) -> int:
    two_admins(world)
    data = {**LOOSER.data, "change": None}
    digest = canonical.sha(canonical.encode(change_input(data, None)))
    said = {**_said(world, HEAD, "", digest), "change": None}
    evidence = world.countersign(said, HEAD.sub)
    return append(world, replace(LOOSER, actor=BY_HEAD, data={**data, "evidence": [evidence]}))


def _said(world: World, admin: Someone, change: str, digest: str) -> dict[str, Any]:
    return change_statement(
        origin=world.trail.origin, institution=CODE, change=change, type_="policy.set", subject=CODE,
        data_digest=digest, text=world.change_text(LOOSER), iss=world.idp.issuer, sub=admin.sub, salt=log.new_salt(),
    )  # fmt: skip


@found_as("person")
def a_change_countersigned_by_an_admin_who_was_removed(world: World) -> int:
    two_admins(world)
    proposal, applied = world.changing(LOOSER, SECOND)
    world.append(proposal)
    world.append(Event("person.removed", SECOND.id, BY_HEAD, {}))
    return append(world, applied)


@found_as("person")
def a_change_by_an_admin_who_is_not_bound_at_the_provider_in_force(world: World) -> int:
    moved = {**world.provider_data, "issuer": "https://elsewhere.example.edu"}
    world.change(Event("identity_provider.set", CODE, OPERATOR, {"identity_provider": moved}))
    return append(world, policy_set(Policy(max_window_minutes=60)))


@found_as("role-not-shown")
def a_change_by_an_admin_whose_sign_in_does_not_show_the_role(world: World) -> int:
    claiming = {**world.provider_data, "roles_claim": "groups", "roles": {"root": "admin"}}
    world.change(Event("identity_provider.set", CODE, OPERATOR, {"identity_provider": claiming}))
    signed = world.sign_in(AUDITOR, groups=["root"])
    data = {"change": None, "roles": ["admin"], "products": [], "source": "claim", "evidence": [signed]}
    world.append(Event("person.roles_changed", AUDITOR.id, SERVICE, data))
    return world.change(LOOSER, AUDITOR, groups=["staff"]).index


# --- what was proposed ------------------------------------------------------------------------------------------------


@found_as("change-reused")
def a_change_proposed_twice(world: World) -> int:
    proposal, _ = world.changing(LOOSER)
    world.append(proposal)
    return append(world, proposal)


@found_as("not-by-rules")
def a_change_applied_after_it_was_rejected(world: World) -> int:
    proposal, applied = world.changing(LOOSER)
    world.append(proposal)
    world.append(Event("change.rejected", proposal.subject, BY_HEAD, {"because": "admin"}, {"reason": ""}))
    return append(world, applied)


@found_as("not-by-rules")
def a_change_applied_a_second_time(world: World) -> int:
    proposal, applied = world.changing(LOOSER)
    world.append(proposal, applied)
    world.append(policy_set(Policy()))
    said = _said(world, HEAD, proposal.subject, str(proposal.data["data_digest"]))
    again = {**applied.data, "evidence": [world.countersign(said, HEAD.sub)]}
    return append(world, replace(applied, data=again))


@found_as("not-by-rules")
def a_change_rejected_by_somebody_who_is_no_admin(world: World) -> int:
    proposal, _ = world.changing(LOOSER)
    world.append(proposal)
    return append(world, Event("change.rejected", proposal.subject, BY_SECOND, {"because": "admin"}, {"reason": ""}))


@found_as("not-by-rules")
def a_change_that_the_system_rejects_for_an_admin(world: World) -> int:
    proposal, _ = world.changing(LOOSER)
    world.append(proposal)
    return append(world, Event("change.rejected", proposal.subject, SERVICE, {"because": "admin"}, {"reason": ""}))


@found_as("change-differs")
def a_proposal_applied_as_an_entry_of_another_type(world: World) -> int:
    proposal, _ = world.changing(LOOSER)
    world.append(proposal)
    other = world.changing(Event("identity_provider.set", CODE, OPERATOR, {"identity_provider": world.provider_data}))
    return append(world, replace(other[1], data={**other[1].data, "change": proposal.subject}))


@found_as("change-differs")
def another_private_part_than_was_proposed(world: World) -> int:
    honest, other = general_set(world), general_set(world, "friend@evil.example")
    change = world.new("chg")
    data = {**bare(honest).data, "change": change}
    assert honest.private is not None
    commitment = canonical.sha(log.private_part(honest.private, log.new_salt()))
    digest = canonical.sha(canonical.encode(change_input(data, commitment)))
    proposed = {"type": honest.type, "subject": CODE, "data_digest": digest}
    world.append(Event("change.proposed", change, OPERATOR, proposed, {"change": "{}"}))
    said = {**_said(world, HEAD, change, digest), "type": honest.type}
    return append(world, replace(other, data={**data, "evidence": [world.countersign(said, HEAD.sub)]}))


# --- at which sign-in -------------------------------------------------------------------------------------------------


@found_as("text-differs")
def a_sentence_that_hides_what_a_change_does(world: World) -> int:
    return world.change(LOOSER, statement={"text": "I agree to the new opening hours."}).index


@found_as("text-differs")
def a_sentence_that_leaves_out_a_point_of_a_change(world: World) -> int:
    one, both = Policy(token_ttl_minutes=60), Policy(token_ttl_minutes=60, max_window_minutes=4320)
    return world.change(bare(policy_set(both)), statement={"text": world.change_text(policy_set(one))}).index


@found_as("text-differs")
def a_role_for_somebody_else_than_the_sentence_says(world: World) -> int:
    said = world.change_text(roles_set(AUDITOR.id, ["admin", "auditor"], [])).replace(AUDITOR.email, SECOND.email)
    return world.change(bare(roles_set(AUDITOR.id, ["admin", "auditor"], [])), statement={"text": said}).index


def _signed(world: World, **claims: Any) -> int:
    return world.change(LOOSER, **claims).index


@found_as("id-token-aud")
def a_change_countersigned_with_a_token_of_the_sign_in_client(world: World) -> int:
    return _signed(world, provider=world.idp)


@found_as("id-token-nonce")
def a_change_countersigned_by_a_sign_in_for_something_else(world: World) -> int:
    return _signed(world, nonce="something-else")


@found_as("id-token-iat")
def a_change_countersigned_an_hour_ago(world: World) -> int:
    at = int(world.now.timestamp()) - 3600
    return _signed(world, iat=at, auth_time=at, exp=at + 7200)


@found_as("id-token-auth-time")
def a_change_countersigned_without_a_fresh_password(world: World) -> int:
    return _signed(world, auth_time=int(world.now.timestamp()) - 600)


@found_as("id-token-acr")
def a_change_countersigned_without_the_step_up_that_is_asked(world: World) -> int:
    world.append(policy_set(Policy(acr_values=("mfa",))))
    return _signed(world, acr="password")


@found_as("statement-differs")
def a_change_countersigned_by_another_account(world: World) -> int:
    return _signed(world, statement={"sub": "sub-of-the-operator"})


@found_as("evidence-reused")
def one_countersignature_for_two_changes(world: World) -> int:
    applied = world.change(LOOSER)
    world.append(policy_set(Policy()))
    proposal, second = world.changing(LOOSER)
    world.append(proposal)
    return append(world, replace(second, data={**second.data, "evidence": applied.data["evidence"]}))


# --- what no countersignature permits ---------------------------------------------------------------------------------


def _environment(world: World, name: str, **changes: Any) -> int:
    place = replace(world.institution.environments[name], **changes)
    return world.change(Event("environment.set", CODE, OPERATOR, {"environment": place.to_data()})).index


@found_as("not-by-rules")
def an_environment_that_goes_back_to_implementation(world: World) -> int:
    return _environment(world, "alma-production", phase="implementation", implementation_ends="2027-03-01")


@found_as("not-by-rules")
def an_implementation_phase_of_more_than_540_days(world: World) -> int:
    return _environment(world, "leganto-sandbox", implementation_ends="2028-04-26")


@found_as("not-by-rules")
def two_environments_of_one_address(world: World) -> int:
    other = world.institution.environments["leganto-sandbox"].url
    return _environment(world, "alma-production", url=other)


@found_as("vendor-approver")
def an_approver_at_an_address_of_the_vendor(world: World) -> int:
    insider = Someone(encode("per", 9), "insider@support.vendor.example", ("auditor",), "sub-insider")
    row = insider.row()
    data = {name: row[name] for name in ("roles", "products", "email_domain", "email_digest")}
    private = {"email": insider.email, "name": "Insider", "email_salt": insider.salt}
    world.append(Event("person.added", insider.id, BY_HEAD, {**data, "change": None, "evidence": []}, private))
    return world.change(bare(roles_set(insider.id, ["approver", "auditor"], []))).index
