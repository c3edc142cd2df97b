"""What the doctor asks of sessions: rows that are ours, and tell what the trail tells, their events and parts too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from app.actions.watched import digest_of, session_of, unforged
from app.audit.world import World
from app.storage import activity, entries, recordings, sessions
from app.storage.activity import SegmentRow
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.storage.sessions import Filter, SessionRow
from app.tokens.secrets import Secrets

_PAGE = 200


async def session_differences(tx: Transaction, log: str, secrets: Secrets, world: World) -> AsyncIterator[str]:
    """Every difference between the sessions' rows and the replayed trail, in words."""
    seen: set[str] = set()
    async for row in _rows(tx, log):
        seen.add(row.id)
        told = world.sessions.get(row.id)
        if told is None:
            yield f"{row.id} stands in the table alone"
            continue
        if not unforged(secrets, row) or session_of(row) != replace(told, parts=()):
            yield f"the row of {row.id} is not as the trail tells it"
        async for words in _contents(tx, row):
            yield words
    for missing in sorted(world.sessions.keys() - seen):
        yield f"{missing} stands in the trail alone"


async def _contents(tx: Transaction, row: SessionRow) -> AsyncIterator[str]:
    """What was reported and recorded, beside the digests in the trail."""
    parts = {part.n: (part.bytes, part.digest) for part in await recordings.of_session(tx, row.log, row.id)}
    async for data in _told(tx, row, "session.part_added"):
        if parts.pop(data["n"], None) != (data["bytes"], data["digest"]):
            yield f"part {data['n']} of {row.id} is not the one that the trail tells of"
    for n in sorted(parts):
        yield f"part {n} of {row.id} stands in the table alone"
    segments = {segment.n: segment for segment in await activity.segments(tx, row.log, row.id)}
    async for data in _told(tx, row, "session.segment_sealed"):
        if not await _is_sealed(tx, row, segments.pop(data["n"], None), data):
            yield f"segment {data['n']} of {row.id} does not hold what the trail tells of"
    for n in sorted(segments):
        yield f"segment {n} of {row.id} stands in the table alone"


async def _is_sealed(tx: Transaction, row: SessionRow, segment: SegmentRow | None, data: Mapping[str, Any]) -> bool:
    """Whether the events kept are those whose digest, number and lateness the trail tells."""
    if segment is None:
        return False
    events = await activity.read(tx, row.log, row.id, segment.first, segment.last, data["events"] + 1)
    found = (digest_of(row.id, segment.n, segment.salt, events), len(events), sum(each.late for each in events))
    return found == (data["digest"], data["events"], data["late"])


async def _told(tx: Transaction, row: SessionRow, type_: str) -> AsyncIterator[Mapping[str, Any]]:
    """The data of every entry of a type about a session, in order."""
    start = row.opened_index
    while page := await entries.find(tx, row.log, LeafFilter(start, type=type_, subject=row.id), _PAGE):
        for each in page:
            yield each.entry.data
        start = page[-1].entry.index + 1


async def _rows(tx: Transaction, log: str) -> AsyncIterator[SessionRow]:
    before = None
    while page := await sessions.find(tx, Filter((log,)), _PAGE, before):
        for each in page:
            yield each
        before = page[-1].id
