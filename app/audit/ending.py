"""What is judged once every entry has passed: the export's own words, the enrolment, the files of the bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.audit import bundleform as form
from app.audit.bundlereader import Bundle
from app.audit.findings import Finding
from app.audit.reading import PrivateParts, Proofs, Roots
from app.audit.replay import Replay
from app.audit.succession import judge_registered
from app.audit.vendorfacts import VendorFacts
from app.audit.world import World
from app.audit.zipreader import BundleError
from app.domain.times import stamp
from app.trail import canonical

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "at": str,
    "by": dict,
    "counts": dict,
    "institution": str,
    "origin": str,
    "request": (str, type(None)),
    "software": dict,
    "v": str,
}


def read_export(bundle: Bundle) -> Mapping[str, Any]:
    """`export.json`, its form judged. Raises `BundleError`."""
    try:
        export = canonical.decode_object(bundle.read(form.EXPORT, form.MAX_NOTE))
    except canonical.CanonicalError as error:
        raise BundleError("export.json is not canonical JSON") from error
    if export.keys() != _KINDS.keys() or export["v"] != form.EXPORT_VERSION:
        raise BundleError("export.json has not the fields of its version")
    for name, kind in _KINDS.items():
        if not isinstance(export[name], kind):
            raise BundleError(f"{name} of export.json is of another kind")
    return export


def judge_export(
    bundle: Bundle, export: Mapping[str, Any], replay: Replay, parts: PrivateParts, count: int
) -> Iterator[Finding]:
    """`export.json` is the last entry's event, and counts what is there."""
    rest = parts.rest()
    evidence = sum(1 for _ in bundle.evidence())
    counts = {"entries": count, "erased": parts.erased, "evidence": evidence, "private": parts.there}
    if rest:
        yield Finding(None, "private-unclaimed", f"{rest} private parts belong to no entry")
    elif export["counts"] != counts:
        yield Finding(None, "export", "export.json counts other things than there are")
    last, event = replay.last, replay.world.last_export
    if event is None or last is not event or event.data["format"] != "bundle":
        yield Finding(None if last is None else last.index, "export", "the last entry is not this export's")
        return
    said = {
        "at": stamp(event.at),
        "by": {"id": event.actor.id, "kind": event.actor.kind},
        "institution": event.institution,
        "origin": None if replay.world.state is None else replay.world.state.origin,
        "request": event.data["request"],
    }
    wrong = [name for name, value in said.items() if export[name] != value]
    if wrong:
        yield Finding(event.index, "export", f"export.json tells another {', '.join(wrong)} than the entry")
    if event.data["with_private"] != replay.world.sources.with_private:
        yield Finding(event.index, "export", "private parts and evidence are not as the export's entry says")


def judge_opening(world: World, facts: VendorFacts | None, code: str | None) -> Iterator[Finding]:
    """Entry 0 is the one that the institution was told of, and that the vendor's log registered."""
    if code is not None and _plain(code) != _plain(world.enrolment_code):
        yield Finding(0, "enrolment", f"the enrolment code of this trail is {world.enrolment_code or 'none'}")
    if facts is not None:
        yield from judge_registered(world, facts)


def judge_observed(world: World, facts: VendorFacts | None, roots: Roots, origin: str) -> Iterator[Finding]:
    """What this log and the vendor's recorded of each other is still there."""
    if facts is None:
        return
    for each in facts.observed:
        if each.origin != origin or not world.sources.whole:
            continue
        there = f"entry {each.index} of the vendor's log observed"
        if each.size > roots.size:
            yield Finding(None, "removed", f"{there} {each.size} entries, the bundle has {roots.size}")
        elif f"sha256:{roots.found[each.size].hex()}" != each.root:
            yield Finding(max(0, each.size - 1), "rewritten", f"{there} other entries before {each.size}")
    if facts.head is not None and (seen := world.observed.get(facts.head.origin)) is not None:
        size, root = seen
        if size > facts.head.size or (size == facts.head.size and root != f"sha256:{facts.head.root.hex()}"):
            yield Finding(None, "vendor-log", "the vendor's log is not the one that this trail has observed")


def judge_files(bundle: Bundle, world: World, proofs: Proofs) -> Iterator[Finding]:
    """Every file is what the manifests say, and belongs to something."""
    bundle.check_rest()
    for path in sorted(bundle.changed):
        yield Finding(None, "file-changed", f"{path} is not what the manifest says")
    for digest in bundle.evidence():
        if f"sha256:{digest}" not in world.named:
            yield Finding(None, "evidence-unnamed", f"no entry names the evidence {digest}")
    for path in sorted(proofs.left):
        yield Finding(None, "proof", f"{path} is the proof of no entry there is")


def _plain(code: str) -> str:
    return code.replace("-", "").replace(" ", "").upper()
