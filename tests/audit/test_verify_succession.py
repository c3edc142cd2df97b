"""Logs that continue others: what is honest verifies, and what does not fit the log before is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.audit.report import Report
from app.audit.verify import verify_bundle
from app.domain.events import SERVICE, Event
from app.trail import note
from app.trail.checkpoint import Checkpoint, sign_checkpoint
from tests.audit.trail import Trail
from tests.audit.world import AUDITOR, CODE, OPERATOR, SECOND, World

BEFORE = Trail(CODE)
OLD, NEW = BEFORE.origin, f"{BEFORE.origin}/2"
ROOT = b"\x07" * 32
CONTINUES = {"origin": OLD, "size": 7, "root": f"sha256:{ROOT.hex()}"}


class Successor(World):
    """The same world after a loss: its log is the second of its code, as the vendor's log tells."""

    origin: str = NEW
    continues: dict[str, Any] | None = CONTINUES
    observed: tuple[dict[str, Any], ...] = ()

    def _vendor(self) -> None:
        super()._vendor()
        registered = {"code": CODE, "opened": "sha256:" + "1" * 64}
        self.vendor.add(Event("institution.registered", "VENDOR", OPERATOR, registered), self.now)
        for each in self.observed:
            self.vendor.add(Event("log.observed", "VENDOR", SERVICE, each), self.now)
        self.trail.origin = self.origin
        self.trail.signer = note.Signer(self.origin, self.trail.signer.private)
        key = self.trail.signer.verifier
        added = {"kid": key.key_id.hex(), "log": CODE, "public": key.vkey, "use": "trail"}
        self.vendor.add(Event("key.added", "VENDOR", OPERATOR, added), self.now)

    def _open(self) -> None:
        add, continues = self.trail.add, self.continues

        def opened(event: Event, *given: Any, **fields: Any) -> Any:
            if event.type == "trail.opened":
                event = replace(event, data={**event.data, "continues": continues})
            return add(event, *given, **fields)

        self.trail.add = opened  # type: ignore[method-assign]  # entry 0 alone is another
        super()._open()


def _verified(world: World, tmp_path: Path, **more: Any) -> Report:
    world.approve(world.ask())
    return verify_bundle(world.bundle(tmp_path / "b.zip"), **{**world.anchors, **more})


def _receipt(size: int, root: bytes = ROOT, signer: note.Signer = BEFORE.signer) -> bytes:
    return sign_checkpoint(Checkpoint(OLD, size, root), signer)


def _codes(report: Report) -> list[str]:
    return [each.code for each in report.findings]


def _world(**changes: Any) -> World:
    made: type[World] = type("Changed", (Successor,), changes)
    return made().begin(SECOND, AUDITOR)


def test_an_honest_successor_verifies_and_says_what_it_continues(tmp_path: Path) -> None:
    seen = {"origin": OLD, "size": 7, "root": f"sha256:{ROOT.hex()}"}
    world = _world(observed=(seen, {**seen, "size": 3, "root": "sha256:" + "3" * 64}))
    report = _verified(world, tmp_path, older_checkpoints=[_receipt(7), _receipt(3, b"\x01" * 32)])
    assert (report.exit_code, report.findings) == (0, ()), report.to_text()
    assert any(f"continues {OLD}" in each for each in report.notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"continues": None},
        {"continues": {**CONTINUES, "origin": "countersign.example/OTHER"}},
        {"origin": f"{OLD}/3"},
        {"origin": f"{OLD}/1"},
    ],
    ids=str,
)
def test_a_successor_that_names_not_the_log_before_is_found(changes: dict[str, Any], tmp_path: Path) -> None:
    assert "succession" in _codes(_verified(_world(**changes), tmp_path))


def test_a_second_log_under_the_first_name_is_found(tmp_path: Path) -> None:
    assert {"vendor-log", "succession"} <= set(_codes(_verified(_world(origin=OLD), tmp_path)))
    found = _codes(_verified(_world(origin=OLD, continues=None), tmp_path))
    assert {"vendor-log", "registration"} <= set(found)


@pytest.mark.parametrize("receipt", [_receipt(8), _receipt(7, b"\x08" * 32)], ids=["later", "another root"])
def test_a_receipt_of_entries_that_the_successor_does_not_own_up_to_is_found(receipt: bytes, tmp_path: Path) -> None:
    assert _codes(_verified(_world(), tmp_path, older_checkpoints=[receipt])) == ["succession"]


def test_a_receipt_that_somebody_else_signed_counts_for_nothing(tmp_path: Path) -> None:
    stranger = note.Signer.from_seed(OLD, b"\x05" * 32)
    assert _codes(_verified(_world(), tmp_path, older_checkpoints=[_receipt(7, signer=stranger)])) == ["signature"]
    elsewhere = sign_checkpoint(
        Checkpoint("other.example/LOG", 7, ROOT), note.Signer.from_seed("other.example/LOG", b"\x05" * 32)
    )
    assert _codes(_verified(_world(), tmp_path, older_checkpoints=[elsewhere])) == ["checkpoint"]


def test_what_the_vendors_log_observed_beyond_the_named_end_is_found(tmp_path: Path) -> None:
    seen = {"origin": OLD, "size": 9, "root": f"sha256:{ROOT.hex()}"}
    assert _codes(_verified(_world(observed=(seen,)), tmp_path)) == ["succession"]


def test_a_bundle_of_a_log_that_was_succeeded_meanwhile_is_found(tmp_path: Path) -> None:
    world = World().begin(SECOND, AUDITOR)
    key = note.Signer.from_seed(NEW, b"\x05" * 32).verifier
    added = {"kid": key.key_id.hex(), "log": CODE, "public": key.vkey, "use": "trail"}
    world.vendor.add(Event("key.added", "VENDOR", OPERATOR, added), world.now)
    registered = {"code": CODE, "opened": "sha256:" + "1" * 64}
    world.vendor.add(Event("institution.registered", "VENDOR", OPERATOR, registered), world.now)
    assert _codes(_verified(world, tmp_path)) == ["registration"]
