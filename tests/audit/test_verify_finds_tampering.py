"""Each dishonest move, one at a time: the verifier names it, and the entry it stands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit.verify import verify_bundle
from app.domain.events import SERVICE, Actor, Event
from app.domain.policy import Policy
from app.domain.request import Terms
from app.domain.times import stamp
from tests.audit.provider import Provider
from tests.audit.world import CLIENT, CODE, HEAD, OPERATOR, SECOND, THIRD, AUDITOR, Someone, World
from app.domain.ids import encode

Move = Callable[[World], int]
"""Does something dishonest; the index at which it has to be found."""

MOVES: dict[str, tuple[str, Move]] = {}


def found_as(code: str) -> Callable[[Move], Move]:
    def register(move: Move) -> Move:
        MOVES[move.__name__] = (code, move)
        return move

    return register


def _pending(world: World, **changes: Any) -> str:
    request = world.ask(**changes)
    world.pass_time(minutes=5)
    return request


def _running(world: World) -> str:
    request = _pending(world)
    world.approve(request)
    world.pass_time(minutes=1)
    return request


def _append(world: World, event: Event) -> int:
    return world.append(event)[0].index


# --- approvals --------------------------------------------------------------------------------------------------------


@found_as("outcome-unfounded")
def a_grant_that_nobody_voted_for(world: World) -> int:
    request = _pending(world)
    data = {
        "decisions": [0], "grant": world.new("grt"), "ground": "approval", "standing": None, "roles": ["Circulation"],
        "not_before": stamp(world.now), "not_after": stamp(world.now + timedelta(hours=1)),
    }  # fmt: skip
    entry = world.append(Event("request.approved", request, Actor("person", HEAD.id), data))[0]
    return entry.index


@found_as("outcome-differs")
def a_grant_longer_than_the_policy_gives(world: World) -> int:
    request = _pending(world)
    vote, approved, activated = world.approval(request)
    late = {**approved.data, "not_after": stamp(world.now + timedelta(minutes=239))}
    return world.append(vote, replace(approved, data=late), activated)[1].index


@found_as("outcome-differs")
def a_grant_with_roles_that_the_approver_left_out(world: World) -> int:
    request = _pending(world)
    asked = world.requests[request].asked
    vote, approved, activated = world.approval(request, terms=replace(asked, roles=("Circulation",)))
    wide = {**approved.data, "roles": list(asked.roles)}
    return world.append(vote, replace(approved, data=wide), activated)[1].index


@found_as("outcome-missing")
def an_outcome_left_out(world: World) -> int:
    request = _pending(world)
    return world.append(world.approval(request)[0])[0].index


@found_as("statement-differs")
def a_vote_with_the_countersignature_of_other_terms(world: World) -> int:
    request = _pending(world)
    asked = world.requests[request].asked
    signed = world.countersign(world.statement(request, HEAD, replace(asked, minutes=15)), HEAD.sub)
    return world.approve(request, evidence=signed)[0].index


@found_as("statement-differs")
def a_statement_about_another_request(world: World) -> int:
    other, request = _pending(world), _pending(world)
    statement = world.statement(other, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("statement-differs")
def a_statement_under_another_policy(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, policy_digest="sha256:" + "0" * 64)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("statement-differs")
def another_comment_than_was_signed(world: World) -> int:
    request = _pending(world)
    signed = world.countersign(world.statement(request, HEAD, world.requests[request].asked, "no!"), HEAD.sub)
    return world.approve(request, evidence=signed, comment="fine")[0].index


@found_as("text-differs")
def a_sentence_that_hides_what_is_approved(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, text="I agree to the new opening hours.")
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("statement-form")
def a_statement_with_a_member_more(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, extra="x")
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub))[0].index


@found_as("id-token-nonce")
def a_sign_in_that_was_for_something_else(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, nonce="something-else"))[0].index


@found_as("id-token-aud")
def a_token_of_the_sign_in_client(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, world.idp))[0].index


@found_as("id-token-iat")
def a_sign_in_of_an_hour_ago(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    at = int(world.now.timestamp()) - 3600
    signed = world.countersign(statement, HEAD.sub, iat=at, auth_time=at, exp=at + 7200)
    return world.approve(request, evidence=signed)[0].index


@found_as("id-token-auth-time")
def a_sign_in_without_a_fresh_password(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    at = int(world.now.timestamp()) - 600
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, auth_time=at))[0].index


@found_as("id-token-exp")
def a_token_that_had_run_out(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    at = int(world.now.timestamp())
    signed = world.countersign(statement, HEAD.sub, iat=at - 500, auth_time=at - 500, exp=at - 400)
    return world.approve(request, evidence=signed)[0].index


@found_as("statement-differs")
def a_token_of_somebody_else(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, SECOND.sub))[0].index


@found_as("subject-differs")
def somebody_else_signing_as_the_approver(world: World) -> int:
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked, sub="sub-of-the-operator")
    return world.approve(request, evidence=world.countersign(statement, "sub-of-the-operator"))[0].index


@found_as("key-not-given")
def a_provider_key_that_the_operator_made(world: World) -> int:
    forger = Provider(world.idp.issuer, world.approvals.client_id, "OKP")
    world.see_keys(forger)
    request = _pending(world)
    statement = world.statement(request, HEAD, world.requests[request].asked)
    return world.approve(request, evidence=world.countersign(statement, HEAD.sub, forger))[0].index


@found_as("evidence-reused")
def evidence_that_counted_before(world: World) -> int:
    request = _pending(world)
    signed = world.countersign(world.statement(request, HEAD, world.requests[request].asked), HEAD.sub)
    world.approve(request, evidence=signed)
    again = _pending(world)
    return world.approve(again, evidence=signed)[0].index


@found_as("evidence-form")
def a_plain_sign_in_as_countersignature(world: World) -> int:
    request = _pending(world)
    return world.approve(request, evidence=world.sign_in(HEAD))[0].index


@found_as("evidence-missing")
def a_vote_whose_evidence_is_gone(world: World) -> int:
    request = _pending(world)
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
    request = _pending(world)
    world.approve(request)
    world.pass_time(minutes=1)
    return _forged_vote(world, HEAD, request)


def _forged_vote(world: World, person: Someone, request: str | None = None) -> int:
    request = request or _pending(world)
    asked = world.requests[request].asked
    signed = world.countersign(world.statement(request, person, asked), person.sub)
    data = {"decision": world.new("dec"), "verdict": "approve", "terms": asked.to_data(), "evidence": [signed]}
    return _append(world, Event("decision.made", request, Actor("person", person.id), data, {"comment": ""}))


@found_as("decision-validation")
def terms_beyond_what_was_asked(world: World) -> int:
    request = _pending(world)
    terms = replace(world.requests[request].asked, minutes=241)
    signed = world.countersign(world.statement(request, HEAD, terms), HEAD.sub)
    data = {"decision": world.new("dec"), "verdict": "approve", "terms": terms.to_data(), "evidence": [signed]}
    return _append(world, Event("decision.made", request, Actor("person", HEAD.id), data, {"comment": ""}))


@found_as("decision-wrong-state")
def an_approval_after_the_deadline(world: World) -> int:
    request = _pending(world)
    world.pass_time(days=4)
    return _forged_vote(world, HEAD, request)


@found_as("not-by-rules")
def an_approval_after_a_denial(world: World) -> int:
    request = _pending(world)
    world.append(*world.decide(request, SECOND, "deny", None, []))
    data = {
        "decisions": [1], "grant": world.new("grt"), "ground": "approval", "standing": None, "roles": [],
        "not_before": stamp(world.now), "not_after": stamp(world.now + timedelta(hours=1)),
    }  # fmt: skip
    return _append(world, Event("request.approved", request, Actor("person", HEAD.id), data))


# --- requests, tokens, sessions ---------------------------------------------------------------------------------------


@found_as("ask-case-not-escalated")
def a_request_for_a_case_that_is_not_escalated(world: World) -> int:
    world.ask(escalated=False)
    return len(world.trail.leaves) - 1


@found_as("ask-account-deactivated")
def a_request_for_an_account_that_is_off(world: World) -> int:
    world.ask(account="exl_support")
    return len(world.trail.leaves) - 1


@found_as("decide-by")
def a_deadline_longer_than_the_policy_gives(world: World) -> int:
    world.ask(decide_by=stamp(world.now + timedelta(days=9)))
    return len(world.trail.leaves) - 1


@found_as("number")
def a_number_given_twice(world: World) -> int:
    world.ask(number="2026-0007")
    world.ask(number="2026-0007")
    return len(world.trail.leaves) - 1


@found_as("client")
def a_request_by_a_client_that_does_not_exist(world: World) -> int:
    request = world.ask()
    entry = world.trail.entries[-1]
    event = Event("message.sent", request, Actor("client", encode("cli", 9)), {"from": "vendor"}, {"text": "hello"})
    return _append(world, replace(event, data={"from": "vendor"})) if entry else 0


@found_as("token-not-approved")
def a_token_without_a_grant(world: World) -> int:
    request = _pending(world)
    at = int(world.now.timestamp())
    data = {
        "grant": world.new("grt"), "jti": "j", "token_digest": "sha256:" + "0" * 64, "iat": at, "nbf": at,
        "exp": at + 60, "bound": False,
    }  # fmt: skip
    return _append(world, Event("token.issued", request, CLIENT, data))


@found_as("token-lifetime")
def a_token_that_lives_too_long(world: World) -> int:
    request = _running(world)
    world.token(request, exp=int(world.now.timestamp()) + 3600)
    return len(world.trail.leaves) - 1


@found_as("token-window")
def a_token_beyond_its_grant(world: World) -> int:
    request = _running(world)
    world.pass_time(minutes=238)
    world.token(request, exp=int(world.now.timestamp()) + 900)
    return len(world.trail.leaves) - 1


@found_as("token-grant-ended")
def a_token_after_the_revocation(world: World) -> int:
    request = _running(world)
    world.revoke(request)
    world.token(request)
    return len(world.trail.leaves) - 1


@found_as("session-outside")
def a_session_after_the_revocation(world: World) -> int:
    request = _running(world)
    jti = world.token(request)
    world.revoke(request)
    world.session(request, jti)
    return len(world.trail.leaves) - 1


@found_as("token-reused")
def two_sessions_with_one_token(world: World) -> int:
    request = _running(world)
    jti = world.token(request)
    world.end(world.session(request, jti))
    world.end(world.session(request, jti))
    return len(world.trail.leaves) - 2


@found_as("token-unknown")
def a_session_without_a_token(world: World) -> int:
    request = _running(world)
    world.session(request, "no-such-jti")
    return len(world.trail.leaves) - 1


@found_as("session-lingers")
def a_session_left_open_after_its_grant(world: World) -> int:
    request = _running(world)
    world.session(request, world.token(request))
    index = len(world.trail.leaves) - 1
    world.pass_time(minutes=1)
    world.revoke(request)
    world.pass_time(minutes=20)
    return index


@found_as("activity-late")
def activity_long_after_the_grant(world: World) -> int:
    request = _running(world)
    session = world.session(request, world.token(request))
    world.pass_time(minutes=1)
    world.revoke(request)
    begins, ends = stamp(world.now), stamp(world.now + timedelta(seconds=61))
    world.pass_time(minutes=2)
    world.end(session)
    data = {"n": 1, "from": begins, "to": ends, "events": 1, "digest": "sha256:" + "0" * 64, "late": 1}
    return _append(world, Event("session.segment_sealed", session, SERVICE, data))


@found_as("not-by-rules")
def a_clock_event_with_another_time(world: World) -> int:
    request = _running(world)
    world.pass_time(hours=5)
    data = {"effective_at": stamp(world.now)}
    return _append(world, Event("request.elapsed", request, SERVICE, data))


@found_as("revoked-by-no-rule")
def a_revocation_by_rules_that_still_hold(world: World) -> int:
    request = _running(world)
    return _append(world, Event("request.revoked", request, SERVICE, {"because": "rules"}, {"reason": ""}))


@found_as("not-approver")
def a_revocation_by_an_auditor(world: World) -> int:
    request = _running(world)
    return _append(
        world, Event("request.revoked", request, Actor("person", AUDITOR.id), {"because": "approver"}, {"reason": ""})
    )


# --- institution ------------------------------------------------------------------------------------------------------


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
    return _append(world, event)


@found_as("statement-differs")
def an_approver_added_with_the_countersignature_of_another_change(world: World) -> int:
    person, data, private = _newcomer()
    policy = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})
    proposal, applied = world.changing(policy)
    world.append(proposal)
    added = {**data, "change": None, "evidence": applied.data["evidence"]}
    return _append(world, Event("person.added", person.id, Actor("person", HEAD.id), added, private))


@found_as("address-differs")
def a_person_added_under_another_address(world: World) -> int:
    person, data, private = _newcomer(("auditor",))
    private["email"] = "someone-else@example.edu"
    event = Event(
        "person.added", person.id, Actor("person", HEAD.id), {**data, "change": None, "evidence": []}, private
    )
    return _append(world, event)


@found_as("added-not-bound")
def a_person_the_system_slips_in(world: World) -> int:
    person, data, private = _newcomer(())
    event = Event("person.added", person.id, SERVICE, {**data, "change": None, "evidence": []}, private)
    return _append(world, event)


@found_as("not-by-rules")
def a_provider_set_without_a_countersignature(world: World) -> int:
    provider = {**world.provider_data, "issuer": "https://evil.example"}
    data = {"change": world.new("chg"), "identity_provider": provider, "evidence": []}
    return _append(world, Event("identity_provider.set", CODE, Actor("person", HEAD.id), data))


@found_as("key-not-given")
def a_provider_countersigned_at_the_new_provider_itself(world: World) -> int:
    evil = Provider(world.idp.issuer, world.approvals.client_id, "OKP")
    event = Event("identity_provider.set", CODE, OPERATOR, {"identity_provider": world.provider_data})
    proposal, applied = world.changing(event)
    world.append(proposal)
    statement = orjson_statement(world, applied)
    forged = world.countersign(statement, HEAD.sub, evil)
    data = {**applied.data, "evidence": [forged]}
    return _append(world, replace(applied, data=data))


def orjson_statement(world: World, applied: Event) -> dict[str, Any]:
    import orjson

    statement = orjson.loads(world.evidence[applied.data["evidence"][0]])["statement"]
    assert isinstance(statement, dict)
    return statement


@found_as("not-by-rules")
def a_policy_loosened_without_a_countersignature(world: World) -> int:
    data = {"change": None, "policy": Policy(max_window_minutes=4320).to_data(), "evidence": []}
    return _append(world, Event("policy.set", CODE, Actor("person", HEAD.id), data))


@found_as("change-differs")
def another_policy_than_was_proposed(world: World) -> int:
    event = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})
    proposal, applied = world.changing(event)
    world.append(proposal)
    data = {**applied.data, "policy": Policy(max_window_minutes=4320).to_data()}
    return _append(world, replace(applied, data=data))


@found_as("not-by-rules")
def a_change_by_somebody_who_is_no_admin(world: World) -> int:
    event = Event("policy.set", CODE, OPERATOR, {"policy": Policy(token_ttl_minutes=60).to_data()})
    proposal, applied = world.changing(event, SECOND)
    world.append(proposal)
    return _append(world, applied)


@found_as("grant-kept")
def a_grant_that_outlives_the_policy_it_was_given_under(world: World) -> int:
    _running(world)
    data = {"change": None, "policy": Policy(max_window_minutes=60).to_data(), "evidence": []}
    return _append(world, Event("policy.set", CODE, Actor("person", HEAD.id), data))


@found_as("keys-differ")
def keys_seen_that_are_not_in_the_key_set(world: World) -> int:
    from app.audit.evidence import input_blob

    blob = world.keep(input_blob("application/json", b'{"keys":[]}'))
    data = {"issuer": world.idp.issuer, "thumbprints": world.idp.thumbprints, "evidence": [blob]}
    return _append(world, Event("identity_provider.keys_seen", CODE, SERVICE, data))


@found_as("not-by-rules")
def a_person_removed_by_the_operator(world: World) -> int:
    return _append(world, Event("person.removed", SECOND.id, OPERATOR, {}))


@found_as("person")
def an_entry_by_somebody_unknown(world: World) -> int:
    return _append(world, Event("stop_codes.made", CODE, Actor("person", encode("per", 77)), {"count": 10}))


# --- the log ----------------------------------------------------------------------------------------------------------


@found_as("private-missing")
def a_private_part_erased_in_silence(world: World) -> int:
    request = _pending(world)
    index = world.requests[request].created_index
    world.trail.private[index] = None
    return index


@found_as("erased-early")
def a_private_part_erased_before_its_time(world: World) -> int:
    request = _pending(world)
    index = world.requests[request].created_index
    world.trail.private[index] = None
    data = {"because": "retention", "indexes": [index], "change": None, "evidence": []}
    return _append(world, Event("private.erased", CODE, SERVICE, data))


@found_as("private-changed")
def a_private_part_rewritten(world: World) -> int:
    from app.trail import log

    request = _pending(world)
    index = world.requests[request].created_index
    world.trail.private[index] = log.private_part({**world.private_of[request], "reason": "other"}, log.new_salt())
    return index


@found_as("time")
def an_entry_dated_back(world: World) -> int:
    _pending(world)
    world.pass_time(minutes=-30)
    index = _append(world, Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10}))
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
    from app.trail import canonical

    leaf = canonical.encode({"type": "request.blessed", "index": len(world.trail.leaves), "v": 1})
    index = len(world.trail.leaves)
    event = Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10})
    world.trail.add(event, world.now)
    world.trail.leaves[index] = leaf
    return index


@pytest.mark.parametrize("name", MOVES)
def test_each_dishonest_move_is_found_where_it_was_made(name: str, tmp_path: Path) -> None:
    code, move = MOVES[name]
    world = World().begin(SECOND, AUDITOR)
    index = move(world)
    report = verify_bundle(world.bundle(tmp_path / "bundle.zip"), **world.anchors)
    found = {(finding.index, finding.code) for finding in report.findings}
    assert report.exit_code == 1
    assert (index, code) in found, report.to_text()
    assert min(each for each, _ in found if each is not None) >= min(index, index), report.to_text()


def test_the_same_world_without_a_dishonest_move_verifies(tmp_path: Path) -> None:
    world = World(people=(HEAD, SECOND, THIRD, AUDITOR)).begin(SECOND, THIRD, AUDITOR)
    request = _running(world)
    world.end(world.session(request, world.token(request)))
    report = verify_bundle(world.bundle(tmp_path / "bundle.zip"), **world.anchors)
    assert (report.exit_code, report.findings) == (0, ()), report.to_text()


def test_terms_narrow_and_the_grant_follows(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = _pending(world)
    world.approve(request, SECOND, Terms(None, world.now + timedelta(hours=2), 90, ("Fulfillment",)))
    report = verify_bundle(world.bundle(tmp_path / "bundle.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()
    assert [(row.ground, row.roles, row.approvers) for row in report.grants] == [
        ("approval", ("Fulfillment",), (SECOND.id,))
    ]
