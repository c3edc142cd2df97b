"""What is judged of a log that continues another (`trail-format.md`, *Checkpoints*): whether it may, and from where.

Of the log before nothing is in the bundle, so what is compared is what others kept of it: checkpoints and receipts
that the verifier brings, trees that the vendor's log recorded, the registrations there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.audit.anchors import KeyRing, LogKeys, told_keys
from app.audit.findings import Fault, Finding
from app.audit.vendorfacts import VendorFacts
from app.audit.world import Continued, World
from app.trail import note
from app.trail.checkpoint import Checkpoint, CheckpointError
from app.trail.note import NoteError

CODE = "succession"
_NUMBERED = re.compile(r"(?P<first>.+/(?P<code>[^/]+))/(?P<number>[1-9][0-9]*)")


def judge_origin(world: World) -> Iterator[Finding]:
    """The origin says how many logs came before, and entry 0 names the last of them."""
    if world.state is None:
        return
    origin, continues = world.state.origin, world.continues
    match = _NUMBERED.fullmatch(origin)
    numbered = match is not None and match["code"] == world.state.code
    if not numbered:
        if continues is not None:
            yield Finding(0, CODE, f"{origin} is the name of a first log, and continues {continues.origin}")
        return
    if match is None or continues is None:
        yield Finding(0, CODE, f"{origin} is the name of a successor, and entry 0 names no log before")
        return
    number = int(match["number"])
    before = match["first"] if number == 2 else f"{match['first']}/{number - 1}"
    if number < 2 or continues.origin != before:
        yield Finding(0, CODE, f"{origin} comes after {before}, and entry 0 names {continues.origin}")


def judge_registered(world: World, facts: VendorFacts) -> Iterator[Finding]:
    """The vendor's log has registered this log last, and several only where it continues another."""
    if world.state is None:
        return
    registered = facts.registered.get(world.state.code, [])
    if world.opened_digest not in registered:
        words = "another entry 0" if registered else "no such institution"
        yield Finding(0, "registration", f"the vendor's log has registered {words}")
    elif registered[-1] != world.opened_digest:
        yield Finding(0, "registration", "the vendor's log has registered a successor of this log")
    elif len(registered) > 1 and world.continues is None:
        yield Finding(0, "registration", "the vendor's log has registered a log before, which this one does not name")


def judge_before(
    world: World, facts: VendorFacts | None, ring: KeyRing, notes: Sequence[tuple[str, bytes]]
) -> Iterator[Finding]:
    """Checkpoints of the log before, brought along as `notes` or recorded by the vendor, end where entry 0 says."""
    continues = world.continues
    for name, data in notes:
        try:
            found = _checkpoint(continues, facts, ring, name, data)
        except Fault as fault:
            yield Finding(None, fault.code, fault.words)
            continue
        yield from _compare(continues, found.size, f"sha256:{found.root.hex()}", name)
    for each in () if facts is None or continues is None else facts.observed:
        if continues is not None and each.origin == continues.origin:
            yield from _compare(continues, each.size, each.root, f"entry {each.index} of the vendor's log")


def origin_of(data: bytes) -> str | None:
    """The origin of a signed checkpoint; null for what is none."""
    try:
        return Checkpoint.parse(note.parse(data).text).origin
    except (NoteError, CheckpointError):
        return None


def notes_of(world: World) -> list[str]:
    """What a bundle of a successor leaves open, in words."""
    if world.continues is None:
        return []
    before = world.continues
    words = f"This log continues {before.origin}, which was signed up to {before.size} entries and could not go on."
    return [f"{words} What they said is not in this bundle: keep the bundles and receipts of that log."]


def _checkpoint(
    continues: Continued | None, facts: VendorFacts | None, ring: KeyRing, name: str, data: bytes
) -> Checkpoint:
    """A checkpoint of the log before. Raises `Fault` for one of any other."""
    origin = origin_of(data) or ""
    if continues is None or origin != continues.origin:
        raise Fault("checkpoint", f"{name} is of another log: {origin}")
    told = () if facts is None else told_keys(facts.trail_keys, origin)
    return LogKeys(origin, ring.of(origin), told).checkpoint(data, name)[0]


def _compare(continues: Continued | None, size: int, root: str, what: str) -> Iterator[Finding]:
    if continues is None:
        return
    if size > continues.size:
        words = f"{what} tells of {size} entries of {continues.origin}; entry 0 says that {continues.size} were signed"
        yield Finding(0, CODE, words)
    elif size == continues.size and root != continues.root:
        yield Finding(0, CODE, f"{what} tells of {size} other entries of {continues.origin} than entry 0")
