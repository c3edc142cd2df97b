"""Who counts as whom: bindings, addresses, standing approvals, stop codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit.report import Report
from app.audit.verify import verify_bundle
from app.domain.events import SERVICE, Actor, Event
from app.domain.ids import encode
from app.domain.policy import Policy
from app.domain.statement import Advance, standing_statement, standing_text
from app.domain.times import parse_stamp, stamp
from app.trail import canonical, log
from tests.audit.moves import pending, running
from tests.audit.world import AUDITOR, CLIENT, CODE, HEAD, SECOND, THIRD, Someone, World

STANDING = Policy(standing_approvals_allowed=True)


def _verified(world: World, tmp_path: Path) -> Report:
    return verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)


def _found(report: Report) -> set[tuple[int | None, str]]:
    return {(finding.index, finding.code) for finding in report.findings}


# --- bindings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "person, confirmed_by, claims, code",
    [
        (SECOND, None, {}, "not-by-rules"),  # an approver, and an admin is bound
        (SECOND, SECOND, {}, "person"),
        (AUDITOR, None, {"email": "else@example.edu"}, "address-differs"),
        (AUDITOR, None, {"email": None}, "address-differs"),
        (AUDITOR, None, {"aud": "another-client"}, "id-token-aud"),
        (AUDITOR, None, {"iss": "https://login.evil.example"}, "id-token-iss"),
        (AUDITOR, None, {"sub": "sub-head"}, "subject-differs"),
        (replace(AUDITOR, sub="sub-head"), None, {}, "one-account-two-people"),
    ],
)
def test_a_false_binding_is_found(
    person: Someone, confirmed_by: Someone | None, claims: dict[str, Any], code: str, tmp_path: Path
) -> None:
    world = World().begin()
    entry = world.bind(person, confirmed_by, **claims)
    assert (entry.index, code) in _found(_verified(world, tmp_path))


def test_a_provider_that_is_not_the_institutions_own_has_to_vouch_for_the_address(tmp_path: Path) -> None:
    for verified, exit_code in ((True, 0), (False, 1)):
        world = World(people=(THIRD, AUDITOR), exclusive=False)
        world.see_keys()
        bound = world.bound(THIRD, email_verified=True)
        data = {"enrolment_code": world.enrolment_code, "evidence": bound.data["evidence"]}
        world.append(bound, Event("institution.enrolled", CODE, Actor("person", THIRD.id), data))
        world.bind(AUDITOR, email_verified=verified)
        report = verify_bundle(world.write(tmp_path / "b.zip", world.export(person=THIRD)), **world.anchors)
        assert report.exit_code == exit_code, report.to_text()


def test_claims_that_the_provider_must_show_are_asked_for(tmp_path: Path) -> None:
    for tenant, exit_code in (("t-1", 0), ("t-2", 1)):
        world = World(people=(THIRD,), required_claims={"tid": "t-1"})
        world.see_keys()
        bound = world.bound(THIRD, tid=tenant)
        data = {"enrolment_code": world.enrolment_code, "evidence": bound.data["evidence"]}
        world.append(bound, Event("institution.enrolled", CODE, Actor("person", THIRD.id), data))
        report = verify_bundle(world.write(tmp_path / "b.zip", world.export(person=THIRD)), **world.anchors)
        assert report.exit_code == exit_code, report.to_text()


@pytest.mark.parametrize(
    "changes, claims, code",
    [
        ({}, {}, None),
        ({"roles": ["admin"]}, {}, "roles-differ"),
        ({}, {"groups": []}, "roles-differ"),
        ({"products": ["leganto"]}, {}, "not-by-rules"),  # a claim widens or narrows no product
        ({"evidence": []}, {}, "evidence-form"),
        ({}, {"sub": "sub-head"}, "subject-differs"),
        ({}, {"aud": "countersign-approvals"}, None),  # of a countersignature
        ({}, {"aud": "another-client"}, "id-token-aud"),
        ({}, {"iat": -3600, "auth_time": -3600}, "claim-stale"),
    ],
)
def test_claim_roles_are_those_that_a_sign_in_of_that_moment_shows(
    changes: dict[str, Any], claims: dict[str, Any], code: str | None, tmp_path: Path
) -> None:
    world = World(roles_claim="groups", roles={"alma": "approver", "root": "admin"}).begin(SECOND)
    world.bind(AUDITOR)
    world.pass_time(hours=2)
    now = int(world.now.timestamp())
    said = {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    data = {"change": None, "roles": ["approver"], "products": [], "source": "claim"}
    signed = [] if "evidence" in changes else [world.sign_in(AUDITOR, **{"groups": ["alma"]} | said)]
    event = Event("person.roles_changed", AUDITOR.id, SERVICE, data | {"evidence": signed} | changes)
    entry = world.append(event)[0]
    assert _found(_verified(world, tmp_path)) == (set() if code is None else {(entry.index, code)})


def test_nobody_gets_a_claim_role_without_being_bound(tmp_path: Path) -> None:
    world = World(roles_claim="groups", roles={"alma": "approver"}).begin(SECOND)
    data = {"change": None, "roles": ["approver"], "products": [], "source": "claim"}
    signed = world.sign_in(AUDITOR, groups=["alma"])
    entry = world.append(Event("person.roles_changed", AUDITOR.id, SERVICE, data | {"evidence": [signed]}))[0]
    assert (entry.index, "not-by-rules") in _found(_verified(world, tmp_path))


def test_private_parts_taken_by_somebody_of_the_vendor_are_found(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    data = {"format": "jsonl", "from": 0, "to": 1, "request": None, "with_private": True}
    vendors = Actor("person", encode("per", 4242))
    entry = world.append(Event("trail.exported", CODE, vendors, data))[0]
    assert (entry.index, "export-private") in _found(_verified(world, tmp_path))


def test_another_enrolment_code_than_entry_0_has_is_found(tmp_path: Path) -> None:
    world = World()
    world.see_keys()
    world.enrolment_code, kept = "AAAA-AAAA-AAAA-AAAA", world.enrolment_code
    entry = world.enrol()
    world.enrolment_code = kept
    assert (entry.index, "enrolment-code") in _found(_verified(world, tmp_path))


def test_a_vendor_address_among_the_approvers_is_found(tmp_path: Path) -> None:
    insider = Someone(encode("per", 8), "insider@support.vendor.example", ("approver",), "sub-insider")
    world = World(people=(HEAD, insider)).begin()
    assert (0, "vendor-approver") in _found(_verified(world, tmp_path))


def test_an_approver_bound_at_a_provider_whose_keys_nobody_gave_is_found(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **{**world.anchors, "idp_jwks": [world.vendor_idp.jwks]})
    assert {code for _, code in _found(report)} == {"key-not-given"}


def test_an_engineer_does_not_decide_on_their_own_request(tmp_path: Path) -> None:
    double = Someone(encode("per", 8), "e1234@vendor.example", ("auditor",), "sub-double")
    world = World(people=(HEAD, double)).begin(double)
    request = world.ask()
    asked = world.requests[request].asked
    signed = world.countersign(world.statement(request, double, asked), double.sub)
    data = {"decision": world.new("dec"), "verdict": "approve", "terms": asked.to_data(), "evidence": [signed]}
    entry = world.append(Event("decision.made", request, Actor("person", double.id), data, {"comment": ""}))[0]
    assert (entry.index, "decision-own-request") in _found(_verified(world, tmp_path))


# --- stop codes -------------------------------------------------------------------------------------------------------


def test_a_stop_code_that_ends_nothing_is_found(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask()
    world.approve(request)
    entry = world.append(Event("stop_code.used", CODE, SERVICE, {"revoked": [request]}, {"ip": "203.0.113.7"}))[0]
    assert (entry.index, "stop-code") in _found(_verified(world, tmp_path))


def test_a_revocation_by_a_stop_code_that_nobody_used_is_found(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask()
    world.approve(request)
    entry = world.append(Event("request.revoked", request, SERVICE, {"because": "stop-code"}, {"reason": ""}))[0]
    assert (entry.index, "revoked-without-code") in _found(_verified(world, tmp_path))


# --- standing approvals -----------------------------------------------------------------------------------------------


def _given(world: World, person: Someone = HEAD, text: str | None = None, **changes: Any) -> str:
    """A standing approval for the production environment, countersigned."""
    standing = world.new("sta")
    terms = {
        "case": None, "environment": "alma-production", "roles": ["Circulation", "Fulfillment"],
        "max_window_minutes": 240, "uses": 2, "not_after": stamp(world.now + timedelta(days=7)), **changes,
    }  # fmt: skip
    statement = standing_statement(
        origin=world.trail.origin, institution=CODE, standing=standing, terms=terms,
        text=text or _sentence(world, terms),
        policy_digest=canonical.sha(canonical.encode(world.institution.policy.to_data())), iss=world.idp.issuer,
        sub=person.sub, salt=log.new_salt(),
    )  # fmt: skip
    data = {**terms, "decisions": [], "evidence": [world.countersign(statement, person.sub)]}
    world.append(Event("standing_approval.given", standing, Actor("person", person.id), data, {"comment": ""}))
    return standing


def _sentence(world: World, terms: dict[str, Any]) -> str:
    place, state = terms["environment"], world.institution
    advance = Advance(
        vendor="Ex Libris", institution=CODE, environment=None if place is None else state.environments[place],
        case_number=terms["case"], roles=tuple(terms["roles"]), max_window_minutes=terms["max_window_minutes"],
        uses=terms["uses"], not_after=parse_stamp(terms["not_after"]), zone=state.zone, zone_name=state.time_zone,
    )  # fmt: skip
    return standing_text(advance, world.language)


def _used(world: World, standing: str, minutes: int = 60, **changes: Any) -> int:
    """A request approved at once on a standing approval; the index of its approval."""
    world.pass_time(minutes=1)
    request = world.ask(minutes=minutes, **changes)
    begins, ends = stamp(world.now), stamp(world.now + timedelta(minutes=minutes))
    data = {
        "decisions": [], "grant": world.new("grt"), "ground": "standing", "standing": standing, "not_before": begins,
        "not_after": ends, "roles": list(world.requests[request].asked.roles),
    }  # fmt: skip
    approved = Event("request.approved", request, SERVICE, data)
    activated = Event("request.activated", request, SERVICE, {"effective_at": begins})
    return world.append(approved, activated)[0].index


def test_a_standing_approval_is_used_within_its_terms(tmp_path: Path) -> None:
    world = World(policy=STANDING).begin(SECOND)
    standing = _given(world)
    _used(world, standing)
    _used(world, standing, minutes=240)
    report = _verified(world, tmp_path)
    assert report.exit_code == 0, report.to_text()
    assert [row.ground for row in report.grants] == ["standing", "standing"]


Misuse = Callable[[World], int]


def _too_often(world: World) -> int:
    standing = _given(world)
    return [_used(world, standing) for _ in range(3)][2]


def _after_its_end(world: World) -> int:
    standing = _given(world)
    world.append(Event("standing_approval.ended", standing, Actor("person", HEAD.id), {"because": "approver"}))
    return _used(world, standing)


def _by_somebody_removed(world: World) -> int:
    standing = _given(world, SECOND)
    world.append(Event("person.removed", SECOND.id, Actor("person", HEAD.id), {}))
    return _used(world, standing)


MISUSES: dict[str, tuple[str, Misuse]] = {
    "longer than it admits": ("standing-unfit", lambda world: _used(world, _given(world), minutes=300)),
    "with other roles": ("standing-unfit", lambda world: _used(world, _given(world), roles=("Cataloguing",))),
    "too often": ("not-by-rules", _too_often),
    "after its end": ("not-by-rules", _after_its_end),
    "by somebody removed": ("standing-unfit", _by_somebody_removed),
    "that nobody gave": ("standing-unknown", lambda world: _used(world, world.new("sta"))),
}


@pytest.mark.parametrize("name", MISUSES)
def test_a_standing_approval_misused_is_found(name: str, tmp_path: Path) -> None:
    code, misuse = MISUSES[name]
    world = World(policy=STANDING).begin(SECOND)
    index = misuse(world)
    assert (index, code) in _found(_verified(world, tmp_path))


def test_a_standing_approval_that_the_policy_forbids_is_found(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    _given(world)
    assert (len(world.trail.leaves) - 1, "standing-not-allowed") in _found(_verified(world, tmp_path))


def test_a_sentence_that_hides_what_is_given_in_advance_is_found(tmp_path: Path) -> None:
    world = World(policy=STANDING).begin(SECOND)
    _given(world, text="I approve in advance.")
    assert (len(world.trail.leaves) - 1, "text-differs") in _found(_verified(world, tmp_path))


@pytest.mark.parametrize(
    "because, code", [("elapsed", "not-by-rules"), ("used", "standing-uses-left"), ("approver", "not-by-rules")]
)
def test_an_end_whose_reason_is_not_there_is_found(because: str, code: str, tmp_path: Path) -> None:
    world = World(policy=STANDING).begin(SECOND)
    ended = Event("standing_approval.ended", _given(world), SERVICE, {"because": because})
    index = world.append(ended)[0].index
    assert (index, code) in _found(_verified(world, tmp_path))


def test_fewer_givers_than_the_widest_request_would_need_are_found(tmp_path: Path) -> None:
    world = World(policy=replace(STANDING, second_approval_over_minutes=120)).begin(SECOND)
    index = _used(world, _given(world))
    assert (index, "standing-too-few") in _found(_verified(world, tmp_path))


def test_fewer_givers_than_the_policy_asks_are_found(tmp_path: Path) -> None:
    world = World(policy=replace(STANDING, approvals_required=2)).begin(SECOND)
    index = _used(world, _given(world))
    assert (index, "standing-too-few") in _found(_verified(world, tmp_path))


# --- clients ----------------------------------------------------------------------------------------------------------


def test_a_client_that_was_revoked_does_nothing_more(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    world.vendor.add(Event("client.revoked", CLIENT.id, Actor("operator", encode("opr", 1)), {}), world.now)
    world.pass_time(minutes=5)
    world.ask()
    index = len(world.trail.leaves) - 1
    assert (index, "client") in _found(_verified(world, tmp_path))


def _revoke_client(world: World) -> None:
    world.vendor.add(Event("client.revoked", CLIENT.id, Actor("operator", encode("opr", 1)), {}), world.now)


def _revoked_by_rules(world: World, request: str) -> int:
    event = Event("request.revoked", request, SERVICE, {"because": "rules"}, {"reason": ""})
    return world.append(event)[0].index


@pytest.mark.parametrize("after", [-5, 0, 5], ids=["locked-before", "at-once", "locked-after"])
def test_a_grant_that_ends_with_its_client_is_no_finding(after: int, tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = running(world)
    if after >= 0:
        _revoke_client(world)
    world.pass_time(seconds=abs(after))
    _revoked_by_rules(world, request)
    if after < 0:
        world.pass_time(seconds=abs(after))
        _revoke_client(world)
    world.pass_time(minutes=5)
    assert _found(_verified(world, tmp_path)) == set()
    without = verify_bundle(world.bundle(tmp_path / "without.zip", vendor=None), **world.anchors)
    assert without.findings == ()


def test_a_revocation_long_before_its_client_was_revoked_is_by_no_rule(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    index = _revoked_by_rules(world, running(world))
    world.pass_time(seconds=61)
    _revoke_client(world)
    assert _found(_verified(world, tmp_path)) == {(index, "revoked-by-no-rule")}


def test_a_grant_that_outlives_its_client_is_found_where_it_ends(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = running(world)
    _revoke_client(world)
    world.pass_time(seconds=61)
    index = _revoked_by_rules(world, request)
    world.pass_time(minutes=5)
    assert _found(_verified(world, tmp_path)) == {(index, "grant-kept")}


@pytest.mark.parametrize("seconds", [0, 1])  # beside the minute that an export takes
def test_a_grant_that_runs_on_without_its_client_is_found_at_the_end(seconds: int, tmp_path: Path) -> None:
    world = World().begin(SECOND)
    running(world)
    _revoke_client(world)
    world.pass_time(seconds=seconds)
    report = _verified(world, tmp_path)
    last = len(world.trail.leaves) - 1
    assert _found(report) == ({(last, "grant-kept")} if seconds else set()), report.to_text()


def test_a_grant_given_after_its_client_was_revoked_is_found(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = pending(world)
    _revoke_client(world)
    world.pass_time(minutes=5)
    world.approve(request)
    report = _verified(world, tmp_path)
    assert _found(report) == {(len(world.trail.leaves) - 1, "grant-kept")}, report.to_text()


def test_a_grant_that_was_over_when_its_client_was_revoked_is_no_finding(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = running(world)
    world.pass_time(hours=5)
    _revoke_client(world)
    world.pass_time(minutes=5)
    world.record_due(request)
    assert _found(_verified(world, tmp_path)) == set()
