"""What a verifier brings along decides what a clean bundle proves; what is not as it was is found."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.audit import replay
from app.audit.report import Report
from app.audit.verify import verify_bundle
from app.domain.events import CATALOGUE, Actor, Event
from app.trail import note
from app.trail.checkpoint import Checkpoint, sign_checkpoint
from app.trail.cosignature import CosignerKey, cosigned_message
from app.trail.note import Signature
from tests.audit.provider import Provider
from tests.audit.trail import Trail
from tests.audit.world import AUDITOR, CLIENT, CODE, HEAD, OPERATOR, SECOND, World


def _story(world: World | None = None) -> tuple[World, str]:
    world = world or World().begin(SECOND, AUDITOR)
    request = world.ask()
    world.pass_time(minutes=5)
    world.approve(request)
    world.pass_time(minutes=1)
    world.end(world.session(request, world.token(request)))
    world.revoke(request)
    return world, request


def _mail(checkpoint: bytes, printed: bytes | None = None) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "countersign@example.org", "head@example.edu", "A request"
    message.set_content("Hello.\n\n" + (printed or checkpoint).decode())
    message.add_attachment(checkpoint.decode(), cte="base64", filename="receipt.checkpoint")
    return message.as_bytes()


def _codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_every_type_of_an_institutions_log_has_a_rule() -> None:
    own = {name for name, spec in CATALOGUE.items() if not spec.vendor}
    assert own - replay.HANDLERS.keys() == {"trail.opened", "request.created"}


def test_a_clean_bundle_with_all_anchors_is_verified(tmp_path: Path) -> None:
    world, request = _story()
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors)
    assert (report.exit_code, report.findings, report.missing) == (0, (), ()), report.to_text()
    assert [(row.request, row.ground, row.approvers) for row in report.grants] == [(request, "approval", (HEAD.id,))]
    assert report.to_data()["verified"] is True
    assert "Verified" in report.to_text()
    assert any("vendor's log" in each for each in report.notes)
    keys = [*world.anchors["vkeys"], world.vendor.signer.verifier.vkey]
    assert verify_bundle(tmp_path / "b.zip", **{**world.anchors, "vkeys": keys}).notes == ()


@pytest.mark.parametrize("left_out", ["vkeys", "idp_jwks", "enrolment"])
def test_a_clean_bundle_without_an_anchor_is_consistent_only(left_out: str, tmp_path: Path) -> None:
    world, _ = _story()
    anchors = {name: value for name, value in world.anchors.items() if name != left_out}
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **anchors)
    assert (report.exit_code, report.findings) == (3, ())
    assert len(report.missing) == 1
    assert "not anchored" in report.to_text()


def test_a_bundle_signed_with_another_key_is_found_by_the_verifiers_own(tmp_path: Path) -> None:
    world, _ = _story()
    forged = note.Signer(world.trail.origin, Ed25519PrivateKey.generate())
    anchors = world.anchors
    world.trail.signer = forged
    assert "signature" in _codes(verify_bundle(world.bundle(tmp_path / "b.zip"), **anchors))


def test_a_key_of_another_log_is_no_key_of_this_one(tmp_path: Path) -> None:
    world, _ = _story()
    anchors = {**world.anchors, "vkeys": [world.vendor.signer.verifier.vkey]}
    assert "origin" in _codes(verify_bundle(world.bundle(tmp_path / "b.zip"), **anchors))


def test_another_enrolment_code_is_found(tmp_path: Path) -> None:
    world, _ = _story()
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **{**world.anchors, "enrolment": "AAAA-AAAA-AAAA-AAAA"})
    assert [(each.index, each.code) for each in report.findings] == [(0, "enrolment")]


def test_a_false_provider_enrolled_from_the_start_is_found_by_the_institutions_keys(tmp_path: Path) -> None:
    world, _ = _story()
    real = Provider(world.idp.issuer, "countersign", "OKP")
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), **{**world.anchors, "idp_jwks": [real.jwks]})
    assert "key-not-given" in _codes(report)


@pytest.mark.parametrize("kind", ["EC", "OKP", "RSA"])
def test_providers_sign_with_any_key_of_the_list(kind: str, tmp_path: Path) -> None:
    world, _ = _story(World(kind=kind).begin(SECOND, AUDITOR))
    assert verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors).exit_code == 0


# --- older checkpoints, receipts, witnesses ---------------------------------------------------------------------------


def test_a_receipt_kept_in_a_mail_is_still_contained(tmp_path: Path) -> None:
    world, _ = _story()
    mail = _mail(world.trail.checkpoint())
    world.ask()
    report = verify_bundle(world.bundle(tmp_path / "b.zip"), receipts=[mail], **world.anchors)
    assert report.exit_code == 0, report.to_text()


def test_a_receipt_of_more_entries_than_there_are_is_found(tmp_path: Path) -> None:
    world, _ = _story()
    path = world.bundle(tmp_path / "b.zip")
    world.ask()
    report = verify_bundle(path, receipts=[_mail(world.trail.checkpoint())], **world.anchors)
    assert _codes(report) == {"removed"}


def test_a_log_rewritten_since_a_receipt_is_found(tmp_path: Path) -> None:
    kept, _ = _story()
    mail = _mail(kept.trail.checkpoint())
    rewritten, _ = _story()
    report = verify_bundle(rewritten.bundle(tmp_path / "b.zip"), receipts=[mail], **rewritten.anchors)
    assert "rewritten" in _codes(report)


def test_an_older_checkpoint_is_judged_like_a_receipt(tmp_path: Path) -> None:
    world, _ = _story()
    path = world.bundle(tmp_path / "b.zip")
    good = verify_bundle(path, older_checkpoints=[world.trail.checkpoint(5)], **world.anchors)
    head = Checkpoint(world.trail.origin, 5, b"\1" * 32)
    bad = verify_bundle(path, older_checkpoints=[sign_checkpoint(head, world.trail.signer)], **world.anchors)
    assert good.exit_code == 0
    assert [(each.index, each.code) for each in bad.findings] == [(4, "rewritten")]


@pytest.mark.parametrize("mail", [b"", b"From: x\n\nhello\n", _mail(b"a\n1\nb\n\n", b"a\n2\nb\n\n")])
def test_a_mail_without_a_receipt_is_unreadable_input(mail: bytes, tmp_path: Path) -> None:
    world, _ = _story()
    assert verify_bundle(world.bundle(tmp_path / "b.zip"), receipts=[mail], **world.anchors).exit_code == 2


def _cosigned(checkpoint: bytes, at: int, seed: bytes) -> tuple[bytes, str]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = CosignerKey("witness.example", private.public_key().public_bytes_raw())
    signed = note.parse(checkpoint)
    payload = at.to_bytes(8) + private.sign(cosigned_message(signed.text, at))
    return checkpoint + Signature(key.name, key.key_id, payload).line().encode(), key.vkey


@pytest.mark.parametrize("late, quorum, code", [(0, None, None), (-301, None, "cosignature"), (0, 2, "cosignature")])
def test_witnesses_have_seen_the_log(late: int, quorum: int | None, code: str | None, tmp_path: Path) -> None:
    world, _ = _story()
    entry = world.export()
    checkpoint, vkey = _cosigned(world.trail.checkpoint(), int(world.now.timestamp()) + late, b"w" * 32)
    parts = world.parts(entry)
    path = world.write(tmp_path / "b.zip", entry, trail=replace(parts.trail, checkpoint=checkpoint))
    anchors = {**world.anchors, "vkeys": [*world.anchors["vkeys"], vkey]}
    report = verify_bundle(path, quorum=quorum, **anchors)
    assert _codes(report) == ({code} if code else set()), report.to_text()
    if code is None:
        assert report.unwitnessed == 0
        assert report.cosigned_at == int(world.now.timestamp())


def test_a_witness_who_did_not_sign_is_missed(tmp_path: Path) -> None:
    world, _ = _story()
    _, vkey = _cosigned(world.trail.checkpoint(), 1, b"w" * 32)
    anchors = {**world.anchors, "vkeys": [*world.anchors["vkeys"], vkey]}
    assert _codes(verify_bundle(world.bundle(tmp_path / "b.zip"), **anchors)) == {"cosignature"}


# --- parts of the bundle ----------------------------------------------------------------------------------------------


def test_an_export_without_private_parts_is_never_anchored(tmp_path: Path) -> None:
    world, _ = _story()
    entry = world.export(with_private=False)
    report = verify_bundle(world.write(tmp_path / "b.zip", entry), **world.anchors)
    assert (report.exit_code, report.findings) == (3, ()), report.to_text()
    assert report.counts == {"entries": len(world.trail.leaves), "erased": 0, "evidence": 0, "private": 0}


def test_private_parts_left_out_of_an_export_that_says_it_has_them_are_found(tmp_path: Path) -> None:
    world, _ = _story()
    report = verify_bundle(world.bundle(tmp_path / "b.zip", private=[], evidence=[]), **world.anchors)
    assert "export" in _codes(report)


def test_an_export_that_is_not_logged_is_found(tmp_path: Path) -> None:
    world, _ = _story()
    entry = world.export()
    world.append(Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10}))
    assert "export" in _codes(verify_bundle(world.write(tmp_path / "b.zip", entry), **world.anchors))


def test_an_export_by_another_than_its_event_says_is_found(tmp_path: Path) -> None:
    world, _ = _story()
    entry = world.export()
    export = replace(world.parts(entry).export, by=Actor("person", SECOND.id))
    assert _codes(verify_bundle(world.write(tmp_path / "b.zip", entry, export=export), **world.anchors)) == {"export"}


def test_evidence_that_no_entry_names_is_found(tmp_path: Path) -> None:
    world, _ = _story()
    entry = world.export()
    evidence = sorted([*world.parts(entry).evidence, ("sha256:" + "f" * 64, b"x")])  # type: ignore[misc]  # a list here
    report = verify_bundle(world.write(tmp_path / "b.zip", entry, evidence=evidence), **world.anchors)
    assert _codes(report) == {"evidence-unnamed"}


def test_vendor_entries_of_another_log_are_found(tmp_path: Path) -> None:
    world, _ = _story()
    other = Trail("VENDOR")
    created = {"institutions": ["*"], "scopes": [], "audiences": []}
    other.add(Event("client.created", CLIENT.id, OPERATOR, created, {"name": "x"}), world.now)
    entry = world.export()
    parts = world.parts(entry)
    assert parts.vendor is not None
    vendor = replace(parts.vendor, leaves=[world.vendor.leaves[0], *other.leaves, *world.vendor.leaves[2:]])
    assert "vendor-log" in _codes(verify_bundle(world.write(tmp_path / "b.zip", entry, vendor=vendor), **world.anchors))


def test_a_trail_that_the_vendors_log_registered_otherwise_is_found(tmp_path: Path) -> None:
    world = World()
    world.vendor.entries.clear()
    stranger = World(people=(HEAD,))
    world.vendor = stranger.vendor
    world.begin(SECOND)
    assert "registration" in _codes(verify_bundle(world.bundle(tmp_path / "b.zip"), **world.anchors))


def test_clients_without_the_vendors_entries_are_not_judged_and_it_says_so(tmp_path: Path) -> None:
    world, _ = _story()
    report = verify_bundle(world.bundle(tmp_path / "b.zip", vendor=None), **world.anchors)
    assert report.exit_code == 0
    assert any("vendor" in each for each in report.notes)


def test_a_bundle_about_one_request_proves_and_replays_it(tmp_path: Path) -> None:
    world, request = _story()
    for _ in range(3):
        world.ask()
    report = verify_bundle(world.bundle(tmp_path / "b.zip", request), **world.anchors)
    assert report.exit_code == 0, report.to_text()
    assert report.request == request
    assert report.entries < len(world.trail.leaves)
    assert any("left out" in each for each in report.notes)


def test_an_entry_of_a_filtered_bundle_that_the_log_does_not_have_is_found(tmp_path: Path) -> None:
    world, request = _story()
    for _ in range(3):
        world.ask()
    entry = world.export(request)
    parts = world.parts(entry)
    leaves = list(parts.trail.leaves)  # type: ignore[arg-type]  # a list here
    place = next(place for place, leaf in enumerate(leaves) if b'"request.approved"' in leaf)
    leaves[place] = re.sub(rb'"roles":\["Circulation",', b'"roles":["Cataloguing",', leaves[place])
    path = world.write(tmp_path / "b.zip", entry, trail=replace(parts.trail, leaves=leaves))
    assert "proof" in _codes(verify_bundle(path, **world.anchors))


def test_a_proof_left_out_is_found(tmp_path: Path) -> None:
    world, request = _story()
    entry = world.export(request)
    parts = world.parts(entry)
    trail = replace(parts.trail, proofs=list(parts.trail.proofs)[:-1])  # type: ignore[arg-type]  # a list here
    assert _codes(verify_bundle(world.write(tmp_path / "b.zip", entry, trail=trail), **world.anchors)) == {"proof"}


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 1000])
def test_what_is_no_bundle_is_unreadable(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(content)
    report = verify_bundle(path)
    assert report.exit_code == 2
    assert "cannot be read" in report.to_text()
    assert verify_bundle(tmp_path / "missing.zip").exit_code == 2


@pytest.mark.parametrize("wrong", [{"vkeys": ["x"]}, {"idp_jwks": [{"keys": "x"}]}])
def test_anchors_that_cannot_be_read_are_unreadable_input(wrong: dict[str, Any], tmp_path: Path) -> None:
    world, _ = _story()
    assert verify_bundle(world.bundle(tmp_path / "b.zip"), **{**world.anchors, **wrong}).exit_code == 2


def test_progress_is_told(tmp_path: Path) -> None:
    world, _ = _story()
    while len(world.trail.leaves) < 1100:
        world.append(Event("stop_codes.made", CODE, Actor("person", HEAD.id), {"count": 10}))
    seen: list[tuple[int, int]] = []
    verify_bundle(world.bundle(tmp_path / "b.zip"), progress=lambda done, of: seen.append((done, of)), **world.anchors)
    assert seen == [(1000, len(world.trail.leaves))]
    assert timedelta() < world.now - world.trail.entries[0].at
