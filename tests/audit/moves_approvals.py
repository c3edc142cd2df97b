"""Dishonest moves about approvals: votes, countersignatures, outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app.domain.events import Actor, Event
from app.domain.policy import Policy
from app.domain.times import stamp
from tests.audit.moves import append, found_as, pending
from tests.audit.provider import Provider
from tests.audit.world import AUDITOR, CODE, HEAD, SECOND, Someone, World


@found_as("outcome-unfounded")
def a_grant_that_nobody_voted_for(world: World) -> int:
    request = pending(world)
    data = {
        "decisions": [0], "grant": world.new("grt"), "ground": "approval", "standing": None, "roles": ["Circulation"],
        "not_before": stamp(world.now), "not_after": stamp(world.now + timedelta(hours=1)),
    }  # fmt: skip
    entry = world.append(Event("request.approved", request, Actor("person", HEAD.id), data))[0]
    return entry.index


@found_as("outcome-differs")
def a_grant_longer_than_the_policy_gives(world: World) -> int:
    request = pending(world)
    vote, approved, activated = world.approval(request)
    late = {**approved.data, "not_after": stamp(world.now + timedelta(minutes=239))}
    return world.append(vote, replace(approved, data=late), activated)[1].index


@found_as("outcome-differs")
def a_grant_with_roles_that_the_approver_left_out(world: World) -> int:
    request = pending(world)
    asked = world.requests[request].asked
    vote, approved, activated = world.approval(request, terms=replace(asked, roles=("Circulation",)))
    wide = {**approved.data, "roles": list(asked.roles)}
    return world.append(vote, replace(approved, data=wide), activated)[1].index


@found_as("outcome-missing")
def an_outcome_left_out(world: World) -> int:
    request = pending(world)
    return world.append(world.approval(request)[0])[0].index


@found_as("statement-differs")
def a_vote_with_the_countersignature_of_other_terms(world: World) -> int:
    request = pending(world)
    asked = world.requests[request].asked
    signed = world.countersign(world.statement(request, HEAD, replace(asked, minutes=15)), HEAD.sub)
    return world.approve(request, evidence=signed)[0].index


@found_as("statement-differs")
def a_statement_about_another_request(world: World) -> int:
    other, request = pending(world), pending(world)
    statement = world.statement(other, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("statement-differs")
def a_statement_under_another_policy(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, policy_digest="sha256:" + "0" * 64)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("statement-differs")
def another_comment_than_was_signed(world: World) -> int:
    request = pending(world)
    signed = world.countersign(world.statement(request, HEAD, world.requests[request].asked, "no!"), HEAD.sub)
    return world.approve(request, evidence=signed, comment="fine")[0].index


@found_as("text-differs")
def a_sentence_that_hides_what_is_approved(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, text="I agree to the new opening hours.")
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("statement-form")
def a_statement_with_a_member_more(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, extra="x")
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("id-token-nonce")
def a_sign_in_that_was_for_something_else(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, nonce="something-else"))[0].index


@found_as("id-token-aud")
def a_token_of_the_sign_in_client(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, world.idp))[0].index


@found_as("id-token-iat")
def a_sign_in_of_an_hour_ago(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    at = int(world.now.timestamp()) - 3600
    signed = world.countersign(statement, HEAD.sub, iat=at, auth_time=at, exp=at + 7200)
    return world.approve(request, evidence=signed)[0].index


@found_as("id-token-auth-time")
def a_sign_in_without_a_fresh_password(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    at = int(world.now.timestamp()) - 600
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, auth_time=at))[0].index


@found_as("id-token-exp")
def a_token_that_had_run_out(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    at = int(world.now.timestamp())
    signed = world.countersign(statement, HEAD.sub, iat=at - 500, auth_time=at - 500, exp=at - 400)
    return world.approve(request, evidence=signed)[0].index


@found_as("statement-differs")
def a_token_of_somebody_else(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, SECOND.sub))[0].index


@found_as("subject-differs")
def somebody_else_signing_as_the_approver(world: World) -> int:
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, sub="sub-of-the-operator")
    return world.approve(request, evidence=world.countersign(statement, "sub-of-the-operator"))[0].index


@found_as("key-not-given")
def a_provider_key_that_the_operator_made(world: World) -> int:
    forger = Provider(world.idp.issuer, world.approvals.client_id, "OKP")
    world.see_keys(forger)
    request = pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, forger))[0].index


@found_as("evidence-reused")
def evidence_that_counted_before(world: World) -> int:
    request = pending(world)
    signed = world.countersign(world.statement(request, HEAD, world.requests[request].asked), HEAD.sub)
    world.approve(request, evidence=signed)
    again = pending(world)
    return world.approve(again, evidence=signed)[0].index


@found_as("evidence-form")
def a_plain_sign_in_as_countersignature(world: World) -> int:
    request = pending(world)
    return world.approve(request, evidence=world.sign_in(HEAD))[0].index


@found_as("evidence-missing")
def a_vote_whose_evidence_is_gone(world: World) -> int:
    request = pending(world)
    vote = world.approve(request)[0]
    del world.evidence[vote.data["evidence"][0]]
    return vote.index


@found_as("decision-not-approver")
def a_vote_by_an_auditor(world: World) -> int:
    return _forged_vote(world, AUDITOR)


@found_as("decision-not-approver")
def a_vote_by_an_approver_who_was_removed(world: World) -> int:
    world.append(Event("person.removed", SECOND.id, Actor("person", HEAD.id), {}))
    return _forged_vote(world, SECOND)


@found_as("decision-already-answered")
def a_second_vote_by_the_same_person(world: World) -> int:
    world.append(
        Event("policy.set", CODE, Actor("person", HEAD.id),
              {"change": None, "policy": Policy(approvals_required=2).to_data(), "evidence": []})
    )  # fmt: skip
    request = pending(world)
    world.approve(request)
    world.pass_time(minutes=1)
    return _forged_vote(world, HEAD, request)


def _forged_vote(world: World, person: Someone, request: str | None = None) -> int:
    request = request or pending(world)
    asked = world.requests[request].asked
    signed = world.countersign(world.statement(request, person, asked), person.sub)
    data = {"decision": world.new("dec"), "verdict": "approve", "terms": asked.to_data(), "evidence": [signed]}
    return append(world, Event("decision.made", request, Actor("person", person.id), data, {"comment": ""}))


@found_as("decision-validation")
def terms_beyond_what_was_asked(world: World) -> int:
    request = pending(world)
    terms = replace(world.requests[request].asked, minutes=241)
    signed = world.countersign(world.statement(request, HEAD, terms), HEAD.sub)
    data = {"decision": world.new("dec"), "verdict": "approve", "terms": terms.to_data(), "evidence": [signed]}
    return append(world, Event("decision.made", request, Actor("person", HEAD.id), data, {"comment": ""}))


@found_as("decision-wrong-state")
def an_approval_after_the_deadline(world: World) -> int:
    request = pending(world)
    world.pass_time(days=4)
    return _forged_vote(world, HEAD, request)


@found_as("not-by-rules")
def an_approval_after_a_denial(world: World) -> int:
    request = pending(world)
    world.append(*world.decide(request, SECOND, "deny", None, []))
    data = {
        "decisions": [1], "grant": world.new("grt"), "ground": "approval", "standing": None, "roles": [],
        "not_before": stamp(world.now), "not_after": stamp(world.now + timedelta(hours=1)),
    }  # fmt: skip
    return append(world, Event("request.approved", request, Actor("person", HEAD.id), data))
