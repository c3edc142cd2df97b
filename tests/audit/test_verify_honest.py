"""Honest trails of every kind verify: what the service does by its rules is no finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.audit.report import Report
from app.audit.verify import verify_bundle
from app.domain.events import SERVICE, Actor, Event
from app.domain.policy import Policy
from app.domain.times import stamp
from tests.audit.moves import running
from tests.audit.provider import Provider
from tests.audit.world import AUDITOR, CODE, HEAD, OPERATOR, SECOND, THIRD, World


def _codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_changes_countersigned_by_an_admin_take_effect(tmp_path: Path) -> None:
    world = World(people=(HEAD, SECOND, THIRD)).begin(SECOND, THIRD)
    policy = Policy(approvals_required=2, max_window_minutes=600, access_hours=())
    proposer = Actor("person", THIRD.id)
    world.change(Event("policy.set", CODE, OPERATOR, {"policy": policy.to_data()}), HEAD, proposer)
    request = world.ask(minutes=540)
    world.pass_time(minutes=1)
    world.approve(request, HEAD)
    world.pass_time(minutes=1)
    world.approve(request, SECOND)
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()
    assert [row.approvers for row in report.grants] == [(HEAD.id, SECOND.id)]


def test_with_two_admins_the_proposer_cannot_apply_alone(tmp_path: Path) -> None:
    world = World(people=(HEAD, SECOND, THIRD)).begin(SECOND, THIRD)
    event = Event("policy.set", CODE, OPERATOR, {"policy": Policy(max_window_minutes=600).to_data()})
    entry = world.change(event, HEAD, Actor("person", HEAD.id))
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert [(each.index, each.code) for each in report.findings] == [(entry.index, "not-by-rules")]


def test_a_tightened_policy_revokes_what_it_would_not_give(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask()
    world.pass_time(minutes=5)
    world.approve(request)
    world.pass_time(minutes=5)
    data: dict[str, Any] = {"change": None, "policy": Policy(max_window_minutes=60).to_data(), "evidence": []}
    revoked = Event("request.revoked", request, SERVICE, {"because": "rules"}, {"reason": ""})
    world.append(Event("policy.set", CODE, Actor("person", HEAD.id), data), revoked)
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()


def test_roles_from_a_claim_stand_in_the_countersignature_itself(tmp_path: Path) -> None:
    claims: dict[str, Any] = {"roles_claim": "groups", "roles": {"alma": "approver"}}
    for shown, code in ((["alma"], None), ([], "role-not-shown")):
        world = World(**claims).begin(SECOND)
        signed = world.sign_in(AUDITOR, groups=["alma"])
        bound = world.bound(AUDITOR, HEAD)
        roles = {"change": None, "roles": ["approver"], "products": [], "source": "claim", "evidence": [signed]}
        world.append(bound, Event("person.roles_changed", AUDITOR.id, SERVICE, roles))
        world.pass_time(minutes=1)
        request = world.ask()
        terms = world.requests[request].asked
        evidence = world.countersign(world.statement(request, AUDITOR, terms), AUDITOR.sub, groups=shown)
        world.approve(request, AUDITOR, evidence=evidence)
        report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
        assert _codes(report) == ({code} if code else set()), report.to_text()


def test_an_approval_at_once_in_the_implementation_phase_is_listed_apart(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask(environment="leganto-sandbox", escalated=False, minutes=600)
    world.pass_time(minutes=1)
    world.token(request)
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()
    assert [row.ground for row in report.grants] == ["implementation"]


def test_a_window_that_ends_by_itself(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask(minutes=30)
    waiting = world.ask()
    world.approve(request)
    world.pass_time(hours=1)
    world.record_due(request)
    world.pass_time(days=4)
    world.record_due(waiting)
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()


def test_what_was_erased_with_leave_is_counted(tmp_path: Path) -> None:
    world = World(policy=Policy(retention_years=1)).begin(SECOND, AUDITOR)
    request = running(world)
    world.revoke(request)
    index = world.requests[request].created_index
    vote = next(entry for entry in world.trail.entries if entry.type == "decision.made")
    world.pass_time(days=366)
    world.trail.private[index] = None
    del world.evidence[vote.data["evidence"][0]]
    erased: dict[str, Any] = {"because": "retention", "change": None, "evidence": []}
    world.append(
        Event("private.erased", CODE, SERVICE, {**erased, "indexes": [index]}),
        Event("evidence.erased", CODE, SERVICE, {**erased, "digests": vote.data["evidence"]}),
    )
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert report.exit_code == 0, report.to_text()
    assert report.erased == {"private": {"request.created": 1}, "evidence": {"decision.made": 1}}
    assert [note for note in report.notes if note.startswith("Erased")] == [
        "Erased with leave, so that it cannot be checked any more: private parts (1 of request.created).",
        "Erased with leave, so that it cannot be checked any more: evidence (1 of decision.made).",
    ]


def test_an_input_may_come_back_after_it_was_erased(tmp_path: Path) -> None:
    world = World(policy=Policy(retention_years=1)).begin(SECOND)
    digests = world.see_keys().data["evidence"]
    world.pass_time(days=366)
    erased = {"because": "retention", "change": None, "evidence": [], "digests": digests}
    world.append(Event("evidence.erased", CODE, SERVICE, erased))
    assert world.see_keys().data["evidence"] == digests
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert (report.exit_code, report.findings) == (0, ()), report.to_text()


def test_a_stop_code_ends_everything_at_once(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask()
    world.approve(request)
    used = Event("stop_code.used", CODE, SERVICE, {"revoked": [request]}, {"ip": "203.0.113.7"})
    revoked = Event("request.revoked", request, SERVICE, {"because": "stop-code"}, {"reason": ""})
    world.append(used, revoked)
    assert verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors).exit_code == 0


def test_a_session_at_the_gate_rests_on_the_engineers_own_sign_in(tmp_path: Path) -> None:
    for sub, code in (("e1234", None), ("e9999", "engineer-differs")):
        world = World().begin(SECOND)
        request = world.ask()
        world.approve(request)
        index = world.gate_session(request, world.token(request), sub)
        world.pass_time(minutes=1)
        world.end(world.trail.entries[index].subject, SERVICE)
        report = verify_bundle(world.bundle(tmp_path / "b.zip"), vendor_jwks=[world.vendor_idp.jwks], **world.anchors)
        assert _codes(report) == ({code} if code else set()), report.to_text()


def test_an_engineers_sign_in_counts_by_keys_of_the_vendors_provider_alone(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask()
    world.approve(request)
    world.gate_session(request, world.token(request))
    bundle = world.bundle(tmp_path / "b.zip")
    other = Provider("https://login.vendor.example", "countersign", "OKP")
    told = {}
    for name, keys in (("theirs", [world.vendor_idp.jwks]), ("others", [other.jwks]), ("none", [])):
        report = verify_bundle(bundle, vendor_jwks=keys, **world.anchors)
        told[name] = (report.exit_code, _codes(report), any("--vendor-jwks" in note for note in report.notes))
    assert told == {
        "theirs": (0, set(), False),
        "others": (1, {"key-not-given"}, False),
        "none": (0, set(), True),
    }


def test_what_is_recorded_of_a_session_is_as_the_trail_bounds_it(tmp_path: Path) -> None:
    world = World().begin(SECOND)
    request = world.ask()
    world.approve(request)
    session = world.session(request, world.token(request))
    for n in (1, 2):
        world.pass_time(minutes=1)
        world.part(session, n, b"x")
        world.segment(session, n)
    world.pass_time(minutes=4)
    assert world.end(session).data == {"open_s": 360, "covered_s": 120}
    world.pass_time(seconds=30)
    world.segment(session, 3, **{"from": stamp(world.now), "late": 3})
    assert verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors).exit_code == 0
