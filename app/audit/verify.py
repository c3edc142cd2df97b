"""Offline verification of a bundle (`trail-format.md`): no network, no database, nothing believed that can be checked.

1. The root is rebuilt from the entries. 2. Signatures, cosignatures, older checkpoints and receipts are judged.
3. Private parts and evidence are compared with their hashes. 4. The entries are replayed through the rules.
5. Every countersignature is judged again. 6. Provider, roster, policy and grants are derived. 7. `at` is bounded by
other people's clocks. 8. What was found is reported, with its entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from app.audit import bundleform as form
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
from app.domain.times import stamp
from app.trail import canonical, note
from app.trail.checkpoint import Checkpoint
from app.trail.note import Note, NoteError

T = TypeVar("T")
Progress = Callable[[int, int], None]
Older = tuple[str, Checkpoint, bool]
"""What it is called, what it says, whether a witness given has cosigned it."""

_STEP = 1000
_EXPORT_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "at": str, "by": dict, "counts": dict, "institution": str, "origin": str, "request": (str, type(None)),
    "software": dict, "v": str,
}  # fmt: skip


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
    cosigned_size: int = 0
    cosigned_at: int | None = None

    def run(self) -> Report:
        bundle, export = self.bundle, _export(self.bundle)
        facts = read_vendor(bundle, self.brought.ring, self._find)
        keys = self._keys(export["origin"], facts)
        checkpoint = bundle.read(form.CHECKPOINT, form.MAX_NOTE)
        head = self._checked(lambda: keys.checkpoint(checkpoint, "the checkpoint"))
        self._checked(lambda: self._judge_tag_signature(keys))
        older = self._older(keys)
        replay = self._replay(export, facts)
        proofs = Proofs(bundle, checkpoint, None if head is None else head[0], vendor=False)
        roots = Roots(frozenset(each.size for _, each, _ in older) | ({head[0].size} if head else set()))
        parts = PrivateParts(bundle.lines(form.PRIVATE, form.MAX_LINE))
        count = self._entries(replay, parts, proofs, roots, head)
        if head is not None:
            self._judge_head(head, roots, replay)
            self._judge_older(older, head[0], roots, replay)
        self._judge_export(export, replay, parts, count)
        self._judge_enrolment(replay, facts)
        self._judge_files(replay, proofs)
        return self._report(export, replay, keys, facts, count)

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

    def _judge_tag_signature(self, keys: LogKeys) -> None:
        """The log's key has signed the list of tag files, and nobody unknown has."""
        try:
            signed = note.parse(self.bundle.signature)
        except NoteError as error:
            raise Fault("bundle-signature", "the bundle's signature is none") from error
        if signed.text.encode() != self.bundle.tag_manifest:
            raise Fault("bundle-signature", "the bundle's signature is of another list of files")
        keys.judge(signed, "the bundle's signature")
        if keys.known and any(not any(key.made(each) for key in keys.known) for each in signed.signatures):
            raise Fault("bundle-signature", "a key that nobody knows has signed the bundle as well")

    def _older(self, keys: LogKeys) -> list[Older]:
        """The checkpoints from outside, each signed by the log."""
        older: list[Older] = []
        for name, data in self.brought.notes:
            found = self._checked(lambda name=name, data=data: keys.checkpoint(data, name))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
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
            replay.feed(entry, leaf, self._part(replay, parts, proofs, entry, leaf))
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

    def _judge_older(self, older: Sequence[Older], head: Checkpoint, roots: Roots, replay: Replay) -> None:
        """What was signed before is still there."""
        for name, checkpoint, cosigned in older:
            known = head.root if checkpoint.size == head.size else roots.found.get(checkpoint.size)
            if checkpoint.size > head.size:
                self._find(None, "removed", f"{name} is of {checkpoint.size} entries, the bundle of {head.size}")
            elif known is not None and known != checkpoint.root:
                words = f"{name} is of other entries: before {checkpoint.size}, something was rewritten"
                self._find(checkpoint.size - 1, "rewritten", words)
            elif known is not None and cosigned:
                self.cosigned_size = max(self.cosigned_size, checkpoint.size)

    def _judge_export(self, export: Mapping[str, Any], replay: Replay, parts: PrivateParts, count: int) -> None:
        """`export.json` is the last entry's event, and counts what is there."""
        world, last, event = replay.world, replay.last, replay.world.last_export
        rest = parts.rest()
        counts = {
            "entries": count,
            "erased": parts.erased,
            "evidence": sum(1 for _ in self.bundle.evidence()),
            "private": parts.there,
        }
        if rest:
            self._find(None, "private-unclaimed", f"{rest} private parts belong to no entry")
        if export["counts"] != counts and not rest:
            self._find(None, "export", "export.json counts other things than there are")
        if last is None or event is None or last is not event or event.data["format"] != "bundle":
            self._find(None if last is None else last.index, "export", "the last entry is not this export's")
            return
        said = {
            "at": stamp(event.at),
            "by": {"id": event.actor.id, "kind": event.actor.kind},
            "institution": event.institution,
            "origin": world.state.origin if world.state is not None else None,
            "request": event.data["request"],
        }
        wrong = [name for name, value in said.items() if export[name] != value]
        if wrong:
            self._find(event.index, "export", f"export.json tells another {', '.join(wrong)} than the entry")
        if event.data["with_private"] != world.sources.with_private:
            self._find(event.index, "export", "private parts and evidence are not as the export's entry says")

    def _judge_enrolment(self, replay: Replay, facts: VendorFacts | None) -> None:
        world, code = replay.world, self.brought.enrolment
        if code is not None and _plain(code) != _plain(world.enrolment_code):
            self._find(0, "enrolment", f"the enrolment code of this trail is {world.enrolment_code or 'none'}")
        if facts is None or world.state is None:
            return
        registered = facts.registered.get(world.state.code)
        if registered != world.opened_digest:
            words = "no such institution" if registered is None else "another entry 0"
            self._find(0, "registration", f"the vendor's log has registered {words}")

    def _judge_files(self, replay: Replay, proofs: Proofs) -> None:
        """Every file is what the manifests say, and belongs to something."""
        self.bundle.check_rest()
        for path in sorted(self.bundle.changed):
            self._find(None, "file-changed", f"{path} is not what the manifest says")
        unnamed = [each for each in self.bundle.evidence() if f"sha256:{each}" not in replay.world.named]
        for each in unnamed:
            self._find(None, "evidence-unnamed", f"no entry names the evidence {each}")
        for path in sorted(proofs.left):
            self._find(None, "proof", f"{path} is the proof of no entry there is")

    def _report(
        self, export: Mapping[str, Any], replay: Replay, keys: LogKeys, facts: VendorFacts | None, count: int
    ) -> Report:
        world = replay.world
        findings = [*world.findings, *self.findings]
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
            notes=tuple(_notes(replay, facts)),
            grants=tuple(world.grants),
            erased=world.erased,
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
    notes = []
    if facts is None:
        notes.append("There are no entries of the vendor's log: who the acting clients are was not judged.")
    if not world.sources.whole:
        notes.append("The bundle is about one request: it shows what is there, never that nothing is left out.")
    if world.erased:
        notes.append(f"{world.erased} private parts or evidence blobs were erased with leave and could not be judged.")
    return notes


def _export(bundle: Bundle) -> Mapping[str, Any]:
    """`export.json`, its form judged. Raises `BundleError`."""
    try:
        export = canonical.decode_object(bundle.read(form.EXPORT, form.MAX_NOTE))
    except canonical.CanonicalError as error:
        raise BundleError("export.json is not canonical JSON") from error
    if export.keys() != _EXPORT_KINDS.keys() or export["v"] != form.EXPORT_VERSION:
        raise BundleError("export.json has not the fields of its version")
    for name, kind in _EXPORT_KINDS.items():
        if not isinstance(export[name], kind):
            raise BundleError(f"{name} of export.json is of another kind")
    return export


def _plain(code: str) -> str:
    return code.replace("-", "").replace(" ", "").upper()
