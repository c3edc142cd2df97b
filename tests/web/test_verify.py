"""The page that checks bundles: its script finds what it says it checks, and no more than the command line finds."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from app.audit.bundle import BundleParts, LogPart
from app.audit.verify import verify_bundle
from app.trail import note
from app.trail.checkpoint import Checkpoint, sign_checkpoint
from app.trail.cosignature import CosignerKey, cosigned_message
from app.trail.note import Signature
from demo.parts import find_node
from tests.audit import moves_approvals, moves_institution, moves_requests, moves_sessions
from tests.audit.moves import MOVES
from tests.audit.test_verify import _mail, _story
from tests.audit.world import AUDITOR, HEAD, SECOND, World
from tests.counts import times

SCRIPT = Path(__file__).parents[2] / "app" / "web" / "static" / "verify.js"
RUNNER = Path(__file__).parent / "node" / "verify.mjs"
REGISTERED = (moves_approvals, moves_institution, moves_requests, moves_sessions)
NOTHING: dict[str, Any] = {"enrolment": "", "vkey": "", "witnesses": "", "jwks": [], "receipts": []}


@dataclass(frozen=True)
class Job:
    """A bundle, and what is given with it."""

    bundle: Path
    kept: dict[str, Any]


def kept(world: World, **changes: Any) -> dict[str, Any]:
    """What the institution of a world itself kept."""
    given = {
        "enrolment": world.enrolment_code,
        "vkey": world.trail.signer.verifier.vkey,
        "jwks": [json.dumps(world.idp.jwks)],
    }
    return {**NOTHING, **given, **changes}


def check(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """What the page's script says of each bundle: the very file that browsers get, run by Node."""
    node = find_node()
    if node is None:
        pytest.skip("no Node 20 or later")
    lines = [json.dumps({"bundle": str(job.bundle), "kept": job.kept}) for job in jobs]
    command = [node, str(RUNNER), str(SCRIPT)]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _steps(result: dict[str, Any]) -> set[str]:
    return {each["step"] for each in result["findings"]}


@pytest.mark.parametrize("kind", ["EC", "OKP", "RSA"])
def test_a_clean_bundle_holds_with_every_kind_of_key(kind: str, tmp_path: Path) -> None:
    world, request = _story(World(kind=kind).begin(SECOND, AUDITOR))
    (tmp_path / "kept.eml").write_bytes(_mail(world.trail.checkpoint()))
    (tmp_path / "kept.checkpoint").write_bytes(world.trail.checkpoint(5))
    world.ask()
    whole, part = world.bundle(tmp_path / "whole.zip"), world.bundle(tmp_path / "part.zip", request)
    receipts = [str(tmp_path / "kept.eml"), str(tmp_path / "kept.checkpoint")]
    given = kept(world, receipts=receipts)
    fine, about_one, alone = check([Job(whole, given), Job(part, given), Job(whole, NOTHING)])
    assert (fine["verdict"], fine["findings"], fine["receipts"]) == ("fine", [], 2)
    assert (about_one["verdict"], about_one["findings"], about_one["uncompared"]) == ("fine", [], 2)
    assert (alone["verdict"], alone["findings"], len(alone["missing"])) == ("not-anchored", [], 3)
    assert fine["grants"] == {"approval": 1, "implementation": 0, "standing": 0}
    states = {each["step"]: each["state"] for each in fine["steps"]}
    assert states.pop("replay") == "not here"
    assert set(states.values()) == {"fine"}


def _leaf_changed(world: World, parts: BundleParts) -> BundleParts:
    leaves = [leaf.replace(b'"minutes":240', b'"minutes":241') for leaf in world.trail.leaves]
    assert leaves != world.trail.leaves
    return replace(parts, trail=LogPart(leaves, parts.trail.checkpoint))


def _entry_missing(world: World, parts: BundleParts) -> BundleParts:
    return replace(parts, trail=LogPart([*world.trail.leaves[:7], *world.trail.leaves[8:]], parts.trail.checkpoint))


def _entries_swapped(world: World, parts: BundleParts) -> BundleParts:
    leaves = list(world.trail.leaves)
    leaves[6], leaves[7] = leaves[7], leaves[6]
    return replace(parts, trail=LogPart(leaves, parts.trail.checkpoint))


def _checkpoint_signature(_: World, parts: BundleParts) -> BundleParts:
    signed = note.parse(parts.trail.checkpoint)
    (one,) = signed.signatures
    broken = replace(signed, signatures=(replace(one, payload=bytes(64)),)).to_bytes()
    return replace(parts, trail=replace(parts.trail, checkpoint=broken))


def _bundle_signature(world: World, parts: BundleParts) -> BundleParts:
    return replace(parts, sign=lambda text: note.sign(text.decode() + "0  x\n", [world.trail.signer]))


def _evidence(parts: BundleParts) -> list[tuple[str, bytes]]:
    return list(cast("Sequence[tuple[str, bytes]]", parts.evidence))


def _private(parts: BundleParts) -> list[tuple[int, bytes | None]]:
    return list(cast("Sequence[tuple[int, bytes | None]]", parts.private))


def _evidence_changed(_: World, parts: BundleParts) -> BundleParts:
    (digest, blob), *rest = _evidence(parts)
    return replace(parts, evidence=[(digest, blob.replace(b'"v":', b'"w":')), *rest])


def _evidence_missing(_: World, parts: BundleParts) -> BundleParts:
    return replace(parts, evidence=_evidence(parts)[1:])


def _private_changed(_: World, parts: BundleParts) -> BundleParts:
    changed = [(index, part and part.replace(b"Read the job", b"Read the lot")) for index, part in _private(parts)]
    return replace(parts, private=changed)


def _private_taken(_: World, parts: BundleParts) -> BundleParts:
    (index, _part), *rest = _private(parts)
    return replace(parts, private=[(index, None), *rest])


TAMPERINGS: dict[str, tuple[str, Callable[[World, BundleParts], BundleParts]]] = {
    "a leaf changed": ("root", _leaf_changed),
    "an entry missing": ("root", _entry_missing),
    "entries in another order": ("root", _entries_swapped),
    "the checkpoint's signature": ("signatures", _checkpoint_signature),
    "the bundle's signature": ("signatures", _bundle_signature),
    "evidence changed": ("parts", _evidence_changed),
    "evidence missing": ("parts", _evidence_missing),
    "a private part changed": ("parts", _private_changed),
    "a private part taken away": ("parts", _private_taken),
}
"""What somebody who packs the bundle anew, lists of files and seal included, may have done, and the step that tells."""


def tampered(world: World, name: str, path: Path) -> Path:
    """The bundle of a world with a tampering in it."""
    entry = world.export()
    made = TAMPERINGS[name][1](world, world.parts(entry))
    return world.write(path, entry, **{each: getattr(made, each) for each in ("trail", "private", "evidence", "sign")})


def test_each_tampering_is_found_at_its_step_and_by_the_command_line(tmp_path: Path) -> None:
    worlds = {name: _story()[0] for name in TAMPERINGS}
    jobs = [
        Job(tampered(world, name, tmp_path / f"{place}.zip"), kept(world))
        for place, (name, world) in enumerate(worlds.items())
    ]
    for (name, world), job, result in zip(worlds.items(), jobs, check(jobs), strict=True):
        assert (result["verdict"], result["error"]) == ("finding", None), name
        assert TAMPERINGS[name][0] in _steps(result), (name, result["findings"])
        assert verify_bundle(job.bundle, **world.anchors).exit_code == 1, name


def test_what_was_kept_and_does_not_fit_is_found(tmp_path: Path) -> None:
    world, _ = _story()
    older = Checkpoint(world.trail.origin, 5, b"\1" * 32)
    (tmp_path / "lie.checkpoint").write_bytes(sign_checkpoint(older, world.trail.signer))
    bundle = world.bundle(tmp_path / "b.zip")
    world.ask()
    (tmp_path / "later.eml").write_bytes(_mail(world.trail.checkpoint()))
    other, foreign = World().begin(), World(kind="OKP")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"enrolment": other.enrolment_code}, "derived"),
        ({"vkey": world.vendor.signer.verifier.vkey}, "signatures"),
        ({"jwks": [json.dumps(foreign.idp.jwks)]}, "countersigned"),
        ({"witnesses": CosignerKey("w.example", bytes(range(32))).vkey}, "signatures"),
        ({"receipts": [str(tmp_path / "lie.checkpoint")]}, "signatures"),
        ({"receipts": [str(tmp_path / "later.eml")]}, "signatures"),
    ]
    results = check([Job(bundle, kept(world, **changes)) for changes, _ in wrong])
    assert [(each["verdict"], _steps(each)) for each in results] == [("finding", {step}) for _, step in wrong]
    unreadable = check([Job(bundle, kept(world, vkey="x")), Job(bundle, kept(world, jwks=["[]"]))])
    assert {each["verdict"] for each in unreadable} == {"unreadable"}


def test_witnesses_that_cosigned_count(tmp_path: Path) -> None:
    world, _ = _story()
    signer = note.Signer.from_seed("w.example", b"w" * 32)
    witness = CosignerKey("w.example", signer.verifier.public)
    entry = world.export()
    signed, time = note.parse(world.trail.checkpoint()), int(entry.at.timestamp())
    made = signer.private.sign(cosigned_message(signed.text, time))
    cosignature = Signature("w.example", witness.key_id, time.to_bytes(8) + made)
    head = replace(signed, signatures=(*signed.signatures, cosignature)).to_bytes()
    good = world.write(tmp_path / "good.zip", entry, trail=LogPart(world.trail.leaves, head))
    forged = replace(cosignature, payload=time.to_bytes(8) + bytes(64))
    head = replace(signed, signatures=(*signed.signatures, forged)).to_bytes()
    bad = world.write(tmp_path / "bad.zip", entry, trail=LogPart(world.trail.leaves, head))
    given = kept(world, witnesses=witness.vkey)
    fine, found = check([Job(good, given), Job(bad, given)])
    assert (fine["verdict"], found["verdict"]) == ("fine", "finding")
    assert "cosigned 2026-11-02" in next(each["found"] for each in fine["steps"] if each["step"] == "clocks")


def test_an_approval_by_a_sign_in_for_something_else_is_found(tmp_path: Path) -> None:
    jobs = []
    lies: list[dict[str, Any]] = [{"nonce": "another"}, {"sub": "sub-other"}, {"aud": "countersign"}, {"iat": 1}]
    for place, claims in enumerate(lies):
        world = World().begin(SECOND)
        request = world.ask()
        statement = world.statement(request, HEAD, world.requests[request].asked)
        world.approve(request, HEAD, evidence=world.countersign(statement, claims.pop("sub", HEAD.sub), **claims))
        jobs.append(Job(world.bundle(tmp_path / f"{place}.zip"), kept(world)))
    assert [(each["verdict"], _steps(each)) for each in check(jobs)] == [("finding", {"countersigned"})] * len(jobs)


def test_the_page_finds_nothing_that_the_command_line_does_not_find(tmp_path: Path) -> None:
    """Whoever runs the service and signs what it likes: the page may miss it, and says so, but never cries wolf."""
    jobs, worlds = [], []
    for place, name in enumerate(MOVES):
        world = World().begin(SECOND, AUDITOR)
        MOVES[name][1](world)
        jobs.append(Job(world.bundle(tmp_path / f"{place}.zip"), kept(world)))
        worlds.append((name, world))
    found = 0
    for (name, world), job, result in zip(worlds, jobs, check(jobs), strict=True):
        assert result["verdict"] in {"fine", "finding"}, (name, result["error"])
        if result["verdict"] == "finding":
            found += 1
            indexes = {each.index for each in verify_bundle(job.bundle, **world.anchors).findings}
            assert {each["index"] for each in result["findings"]} <= indexes, (name, result["findings"])
    assert found > len(jobs) // 10


def test_no_byte_can_be_changed(tmp_path: Path) -> None:
    world, _ = _story()
    good = world.bundle(tmp_path / "b.zip").read_bytes()
    chance, jobs = random.Random(3), []
    places = [*chance.sample(range(len(good)), times(40, 1500)), *range(len(good) - 30, len(good))]
    for place in places:
        path = tmp_path / f"{place}.zip"
        path.write_bytes(good[:place] + bytes([good[place] ^ (1 << chance.randrange(8))]) + good[place + 1 :])
        jobs.append(Job(path, kept(world)))
    verdicts = {each["verdict"] for each in check(jobs)}
    assert verdicts <= {"unreadable", "finding"}


@pytest.mark.parametrize("data", [b"", b"PK", b"x" * 100, b"PK\5\6" + bytes(18), b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_bundle_is_one_clear_error(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(data)
    (result,) = check([Job(path, NOTHING)])
    assert result["verdict"] == "unreadable"
    assert result["error"]


def test_an_entry_that_is_not_in_its_one_form_is_found(tmp_path: Path) -> None:
    """Spellings that parsers of JSON take for the same thing."""
    jobs = []
    for place, spelt in enumerate((b'"v":1.0', b'"v":1,"v":1', b'"v": 1', b'"v":1e0', b'"v":01', b'"v":1,"w":-0')):
        world, _ = _story()
        entry = world.export()
        world.trail.leaves[5] = world.trail.leaves[5].replace(b'"v":1', spelt)
        world.trail.rebuild()
        jobs.append(Job(world.write(tmp_path / f"{place}.zip", entry), kept(world)))
    for result in check(jobs):
        assert {(each["step"], each["index"]) for each in result["findings"]} >= {("root", 5)}
