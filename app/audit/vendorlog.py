"""The entries of the vendor's log that a bundle brings along: read, proved to be in that log, and learnt from."""

from __future__ import annotations

from collections.abc import Callable

from app.audit import bundleform as form
from app.audit.anchors import KeyRing, LogKeys, cosignatures, told_keys
from app.audit.bundlereader import Bundle
from app.audit.findings import Fault
from app.audit.reading import Proofs, leaves, read_entry
from app.audit.vendorfacts import VendorFacts
from app.domain.events import Entry

VENDOR = "VENDOR"
CODE = "vendor-log"

Find = Callable[[int | None, str, str], None]


def read_vendor(bundle: Bundle, ring: KeyRing, find: Find) -> VendorFacts | None:
    """The facts of `data/vendor`; null where the bundle has none. What is wrong goes to `find`."""
    if not bundle.has(form.VENDOR_ENTRIES):
        return None
    read: list[tuple[Entry, bytes]] = []
    for leaf in leaves(bundle, form.VENDOR_ENTRIES):
        try:
            read.append((read_entry(leaf), leaf))
        except Fault as fault:
            find(None, CODE, fault.words)
    facts = VendorFacts()
    facts.learn(entry for entry, _ in read)
    for problem in _problems(facts, [entry for entry, _ in read]):
        find(None, CODE, problem)
    try:
        _prove(bundle, ring, facts, read)
    except Fault as fault:
        find(None, CODE, fault.words)
    return facts


def _problems(facts: VendorFacts, entries: list[Entry]) -> list[str]:
    problems = [f"entry {index} of the vendor's log: {words}" for index, words in facts.problems]
    problems += [
        f"entry {entry.index} of data/vendor is of {entry.institution}"
        for entry in entries
        if entry.institution != VENDOR
    ]
    indexes = [entry.index for entry in entries]
    if indexes != sorted(set(indexes)):
        problems.append("the entries of data/vendor do not rise")
    if facts.vendor is None:
        problems.append("entry 0 of the vendor's log is not in data/vendor")
    return problems


def _prove(bundle: Bundle, ring: KeyRing, facts: VendorFacts, read: list[tuple[Entry, bytes]]) -> None:
    """Raise `Fault` unless the vendor's checkpoint holds and every entry is proved to be under it."""
    data = bundle.read(form.VENDOR_CHECKPOINT, form.MAX_NOTE)
    if facts.vendor is None:
        return
    origin = facts.vendor.origin
    keys = LogKeys(origin, ring.of(origin), told_keys(facts.trail_keys, origin))
    head, signed = keys.checkpoint(data, "the vendor's checkpoint")
    cosignatures(signed, ring, 0, None, "the vendor's checkpoint")  # none is asked for, but none may be false
    facts.anchored, facts.head = bool(keys.given), head
    proofs = Proofs(bundle, data, head, vendor=True)
    for entry, leaf in read:
        proofs.judge(entry.index, leaf)
    if proofs.left:
        raise Fault(CODE, f"{min(proofs.left)} is the proof of no entry there is")
