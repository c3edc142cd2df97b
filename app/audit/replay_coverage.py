"""Replay of what a session's entries say is recorded of it: every figure is computed again from the trail alone.

When a session was opened, lost, resumed and ended, and when its parts came, stands in the trail; so its coverage
(`app/domain/recording.py`) is one figure and no other. Segments follow each other in time; what a segment counts as
late came after the end, and nothing else did.
"""

from __future__ import annotations

from datetime import timedelta

from app.audit.world import World
from app.domain import recording
from app.domain.events import Entry
from app.domain.session import ENDED, Session
from app.domain.times import parse_stamp

_SECOND = timedelta(seconds=1)


def begin(world: World, session: Session) -> None:
    """A session was opened: whether it owes a recording, the policy of that moment says."""
    owed = not session.engineer_proved and world.institution.policy.recording_required
    world.records[session.id] = recording.begun(session.opened_at, gate=session.engineer_proved, owed=owed)


def tightened(world: World) -> None:
    """The policy was set: where it asks for recordings, sessions that are open owe theirs from now on."""
    if world.institution.policy.recording_required:
        for session, record in world.records.items():
            world.records[session] = recording.required(record)


def follow(world: World, entry: Entry, before: Session) -> None:
    """Fold an entry of a session into its record; figures that are not those of the trail are findings."""
    if entry.type == "session.segment_sealed":
        _segment(world, entry, over=before.state in ENDED)
    record = world.records.get(before.id)
    if record is None:
        return
    if entry.type == "session.part_added":
        world.records[before.id] = recording.with_part(record, entry.at)
    elif entry.type == "session.resumed":
        world.records[before.id] = recording.resumed(record, entry.at)
        gap = (entry.at - world.heard.pop(before.id, entry.at)) // _SECOND
        if entry.data["gap_s"] != gap:
            world.find(entry, "gap", f"by the trail the session was silent for {gap} s")
    elif entry.type == "session.lost":
        seen = parse_stamp(entry.data["last_seen"])
        world.records[before.id], world.heard[before.id] = recording.lost(record, seen, entry.at), seen
        if entry.at - seen < recording.SILENCE:
            world.find(entry, "not-silent", "the session was called lost before it had been silent for 90 s")
        _figures(world, entry, before.id)
    elif entry.type in {"session.ended", "session.terminated"}:
        _figures(world, entry, before.id)
        for kept in (world.records, world.heard):
            kept.pop(before.id, None)


def _figures(world: World, entry: Entry, session: str) -> None:
    found = recording.covered(world.records[session], entry.at)
    if (entry.data["open_s"], entry.data["covered_s"]) != (found.open_s, found.covered_s):
        words = f"by the trail it was open for {found.open_s} s, of which {found.covered_s} s are recorded"
        world.find(entry, "coverage", words)


def _segment(world: World, entry: Entry, *, over: bool) -> None:
    data, begins, ends = entry.data, parse_stamp(entry.data["from"]), parse_stamp(entry.data["to"])
    sealed = world.sealed.get(entry.subject)
    world.sealed[entry.subject] = ends
    if ends > entry.at or (sealed is not None and begins < sealed):
        words = "the segment's events did not come between the segment before and its sealing"
        world.find(entry, "segment-time", words)
    if data["events"] < 1 or data["late"] != (data["events"] if over else 0):
        world.find(entry, "segment-count", "what came after the end is late, and nothing else; no segment is empty")
