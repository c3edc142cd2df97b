"""Offline verification of a bundle (`trail-format.md`): no network, no database, nothing believed that can be checked.

1. The root is rebuilt from the entries. 2. Signatures, cosignatures, older checkpoints and receipts are judged.
3. Private parts and evidence are compared with their hashes. 4. The entries are replayed through the rules.
5. Every countersignature is judged again. 6. Provider, roster, policy and grants are derived. 7. `at` is bounded by
other people's clocks. 8. What was found is reported, with its entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from app.audit import bundleform as form
from app.audit import ending, succession
from app.audit.anchors import InputError, KeyRing, LogKeys, cosignatures, thumbprints, told_keys
from app.audit.bundlereader import Bundle, read_bundle
from app.audit.findings import Fault, Finding
from app.audit.reading import PrivateParts, Proofs, Roots, leaves, read_entry
from app.audit.receipts import ReceiptError, receipt_of
from app.audit.replay import Replay
from app.audit.report import Report
from app.audit.vendorfacts import VendorFacts
from app.audit.vendorlog import read_vendor
from app.audit.world import Fields, Sources
from app.audit.zipreader import BundleError
from app.domain.events import Entry
from app.trail.checkpoint import Checkpoint
from app.trail.note import Note

T = TypeVar("T")
Progress = Callable[[int, int], None]
Older = tuple[str, Checkpoint, bool]
"""What it is called, what it says, whether a witness given has cosigned it."""

_STEP = 1000


@dataclass(frozen=True, slots=True)
class Brought:
    """What the verifier was given from outside the bundle, read. `notes`: what each is called, and its bytes."""

    ring: KeyRing
    idp_keys: frozenset[str] | None
    vendor_keys: frozenset[str] | None
    notes: tuple[tuple[str, bytes], ...]
    enrolment: str | None
    quorum: int | None


def verify_bundle(
    path: Path,
    *,
    vkeys: Sequence[str] = (),
    idp_jwks: Sequence[Mapping[str, Any]] = (),
    vendor_jwks: Sequence[Mapping[str, Any]] = (),
    receipts: Sequence[bytes] = (),
    older_checkpoints: Sequence[bytes] = (),
    enrolment: str | None = None,
    quorum: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify the bundle at `path`. Never raises for what is in the files: what cannot be read is `Report.error`.

    `vkeys`: verifier keys of logs and witnesses. `idp_jwks`, `vendor_jwks`: decoded key sets. `receipts`: whole mails.
    `older_checkpoints`: signed notes. `progress` is called now and then with the entries done and how many there are.
    """
    try:
        notes = [(f"receipt {place}", receipt_of(mail)) for place, mail in enumerate(receipts, 1)]
        notes += [(f"older checkpoint {place}", each) for place, each in enumerate(older_checkpoints, 1)]
        ring, idp_keys, vendor_keys = KeyRing.parse(vkeys), thumbprints(idp_jwks), thumbprints(vendor_jwks)
        brought = Brought(ring, idp_keys, vendor_keys, tuple(notes), enrolment, quorum)
        with read_bundle(path) as bundle:
            return _Verification(path.name, bundle, brought, progress).run()
    except (BundleError, InputError, ReceiptError) as error:
        return Report(path.name, error=str(error))
    except OSError as error:
        return Report(path.name, error=error.strerror or str(error))


@dataclass(slots=True)
class _Verification:
    name: str
    bundle: Bundle
    brought: Brought
    progress: Progress | None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cosigned_size: int = 0
    cosigned_at: int | None = None
    others: list[tuple[str, bytes]] = field(default_factory=list)

    def run(self) -> Report:
        bundle, export = self.bundle, ending.read_export(self.bundle)
        facts = read_vendor(bundle, self.brought.ring, self._find)
        keys = self._keys(export["origin"], facts)
        checkpoint = bundle.read(form.CHECKPOINT, form.MAX_NOTE)
        head = self._checked(lambda: keys.checkpoint(checkpoint, "the checkpoint"))
        self._checked(lambda: keys.judge_list(bundle.signature, bundle.tag_manifest))
        older = self._older(keys)
        replay = self._replay(export, facts)
        proofs = Proofs(bundle, checkpoint, None if head is None else head[0], vendor=False)
        roots = Roots(self._sizes(older, export["origin"], facts) | ({head[0].size} if head else set()))
        parts = PrivateParts(bundle.lines(form.PRIVATE, form.MAX_LINE))
        count = self._entries(replay, parts, proofs, roots, head)
        if head is not None:
            self._judge_head(head, roots, replay)
            self._judge_older(older, head[0], roots)
        self.findings += ending.judge_observed(replay.world, facts, roots, export["origin"])
        self.findings += ending.judge_export(bundle, export, replay, parts, count)
        self.findings += ending.judge_opening(replay.world, facts, self.brought.enrolment)
        self.findings += succession.judge_origin(replay.world)
        self.findings += succession.judge_before(replay.world, facts, self.brought.ring, self.others)
        self.findings += ending.judge_files(bundle, replay.world, proofs)
        return self._report(export, replay, keys, facts, count)

    @staticmethod
    def _sizes(older: Sequence[Older], origin: str, facts: VendorFacts | None) -> frozenset[int]:
        """The sizes at which the root is to be known."""
        observed = () if facts is None else facts.observed
        return frozenset(
            [each.size for _, each, _ in older] + [each.size for each in observed if each.origin == origin]
        )

    def _find(self, index: int | None, code: str, words: str) -> None:
        self.findings.append(Finding(index, code, words))

    def _checked(self, check: Callable[[], T]) -> T | None:
        """What `check` gives; a `Fault` becomes a finding."""
        try:
            return check()
        except Fault as fault:
            self._find(None, fault.code, fault.words)
            return None

    def _keys(self, origin: str, facts: VendorFacts | None) -> LogKeys:
        given = self.brought.ring.of(origin)
        if self.brought.ring.logs and not given:
            self._find(None, "origin", f"none of the keys given is of this log, {origin}")
        told = None if facts is None else self._checked(lambda: told_keys(facts.trail_keys, origin))
        return LogKeys(origin, given, told or ())

    def _older(self, keys: LogKeys) -> list[Older]:
        """The checkpoints from outside, each signed by the log; those of `others` wait for what entry 0 says."""
        older: list[Older] = []
        for name, data in self.brought.notes:
            if succession.origin_of(data) not in (None, keys.origin):
                self.others.append((name, data))
                continue
            found = self._checked(partial(keys.checkpoint, data, name))
            if found is not None:
                older.append((name, found[0], self._cosigned(found[1], name)))
        return older

    def _cosigned(self, signed: Note, name: str) -> bool:
        witnesses = self.brought.ring.witnesses
        found = self._checked(lambda: cosignatures(signed, self.brought.ring, 0, None, name)) if witnesses else None
        return bool(found)

    def _replay(self, export: Mapping[str, Any], facts: VendorFacts | None) -> Replay:
        sources = Sources(
            blob=self._blob,
            vendor=facts,
            idp_keys=self.brought.idp_keys,
            vendor_keys=self.brought.vendor_keys,
            whole=export["request"] is None,
            with_private=any(self.bundle.evidence()) or self.bundle.zip.members[form.PRIVATE].size > 0,
        )
        return Replay(sources)

    def _blob(self, digest: str) -> bytes | None:
        path = f"data/evidence/{digest.removeprefix('sha256:')}"
        return self.bundle.read(path, form.MAX_BLOB) if self.bundle.has(path) else None

    def _entries(
        self, replay: Replay, parts: PrivateParts, proofs: Proofs, roots: Roots, head: tuple[Checkpoint, Note] | None
    ) -> int:
        """One pass over the entries; how many there are."""
        count, whole = 0, replay.world.sources.whole
        total = head[0].size if head is not None and whole else 0
        for leaf in leaves(self.bundle, form.ENTRIES):
            count += 1
            if whole:
                roots.add(leaf)
            try:
                entry = read_entry(leaf)
            except Fault as fault:
                replay.skip(fault.code, fault.words)
                continue
            plain = whole and entry.private is None  # it has neither a proof nor a private part
            replay.feed(entry, leaf, None if plain else self._part(replay, parts, proofs, entry, leaf))
            if self.progress is not None and count % _STEP == 0:
                self.progress(count, total)
        roots.flush()
        replay.finish()
        return count

    def _part(self, replay: Replay, parts: PrivateParts, proofs: Proofs, entry: Entry, leaf: bytes) -> Fields | None:
        world = replay.world
        try:
            if not world.sources.whole:
                proofs.judge(entry.index, leaf)
            return parts.of(replay, entry) if world.sources.with_private else None
        except Fault as fault:
            world.find(entry, fault.code, fault.words)
            return None

    def _judge_head(self, head: tuple[Checkpoint, Note], roots: Roots, replay: Replay) -> None:
        """The checkpoint is of exactly these entries, and witnessed as asked."""
        checkpoint, signed = head
        last = replay.last
        if replay.world.sources.whole:
            if checkpoint.size != roots.size:
                self._find(None, "size", f"the checkpoint is of {checkpoint.size} entries, there are {roots.size}")
            elif roots.found[checkpoint.size] != checkpoint.root:
                self._find(None, "root", "the entries are not those that the checkpoint was signed over")
        elif last is not None and last.index != checkpoint.size - 1:
            self._find(last.index, "size", "the checkpoint does not end with the export's entry")
        if not self.brought.ring.witnesses:
            return
        at, quorum = None if last is None else last.at, self.brought.quorum
        found = self._checked(lambda: cosignatures(signed, self.brought.ring, quorum, at, "the checkpoint"))
        if found:
            self.cosigned_size, self.cosigned_at = checkpoint.size, max(each.time for each in found)

    def _judge_older(self, older: Sequence[Older], head: Checkpoint, roots: Roots) -> None:
        """What was signed before is still there."""
        for name, checkpoint, cosigned in older:
            known = head.root if checkpoint.size == head.size else roots.found.get(checkpoint.size)
            if checkpoint.size > head.size:
                self._find(None, "removed", f"{name} is of {checkpoint.size} entries, the bundle of {head.size}")
            elif known is not None and known != checkpoint.root:
                words = f"{name} is of other entries: before {checkpoint.size}, something was rewritten"
                self._find(checkpoint.size - 1, "rewritten", words)
            elif known is None:
                self.notes.append(f"{name} could not be compared: that takes a bundle of the whole trail.")
            elif cosigned:
                self.cosigned_size = max(self.cosigned_size, checkpoint.size)

    def _report(
        self, export: Mapping[str, Any], replay: Replay, keys: LogKeys, facts: VendorFacts | None, count: int
    ) -> Report:
        world = replay.world
        findings = [*world.findings, *self.findings]
        if world.unlisted:
            findings.append(Finding(None, "more", f"{world.unlisted} more findings are not listed"))
        whole = world.sources.whole
        return Report(
            bundle=self.name,
            institution=export["institution"],
            origin=export["origin"],
            request=export["request"],
            entries=count,
            last_at=None if replay.last is None else replay.last.at,
            findings=tuple(sorted(findings, key=lambda each: (each.index is None, each.index or 0))),
            missing=tuple(self._missing(keys, with_private=world.sources.with_private)),
            notes=(*self.notes, *_notes(replay, facts)),
            grants=tuple(world.grants),
            erased={"private": dict(world.erased_parts), "evidence": dict(world.erased_blobs)},
            unwitnessed=max(0, count - self.cosigned_size) if whole else 0,
            newest_sign_in=world.newest_sign_in or None,
            cosigned_at=self.cosigned_at,
            counts=export["counts"],
        )

    def _missing(self, keys: LogKeys, *, with_private: bool) -> list[str]:
        brought = self.brought
        reasons = (
            (
                bool(keys.given),
                "no verifier key of the log was given (--vkey): whoever wrote the bundle may have signed it",
            ),
            (brought.enrolment is not None, "no enrolment code was given (--enrolment): entry 0 may be another one"),
            (
                brought.idp_keys is not None,
                "no keys of the identity provider were given (--idp-jwks): the approvals may be of another provider",
            ),
            (with_private, "the export holds no private parts and no evidence: no approval was judged by its sign-in"),
        )
        return [words for holds, words in reasons if not holds]


def _notes(replay: Replay, facts: VendorFacts | None) -> list[str]:
    world = replay.world
    notes = succession.notes_of(world)
    if facts is None:
        notes.append("There are no entries of the vendor's log: who the acting clients are was not judged.")
    elif not facts.anchored:
        notes.append("No key of the vendor's log was given: which clients there are is the operator's own word.")
    if world.engineers_proved and world.sources.vendor_keys is None:
        words = "No keys of the vendor's provider were given (--vendor-jwks): that engineers signed in at the gate"
        notes.append(f"{words} themselves ({world.engineers_proved} sessions) may be by keys of somebody else.")
    if not world.sources.whole:
        notes.append("The bundle is about one request: it shows what is there, never that nothing is left out.")
    for counted, what in ((world.erased_parts, "private parts"), (world.erased_blobs, "evidence")):
        if counted:
            kinds = ", ".join(f"{count} of {type_}" for type_, count in sorted(counted.items()))
            notes.append(f"Erased with leave, so that it cannot be checked any more: {what} ({kinds}).")
    return notes
