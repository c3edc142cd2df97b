"""What was reported of sessions, event by event, and the segments it is sealed in.

Events of a session are numbered from 1 without a gap, in the order in which they were received: the session's row
counts them, and is locked by whoever records. A segment is a range of such numbers, so sealing writes no event again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction
from app.storage.sessions import SessionRow

SEAL_AFTER = timedelta(seconds=60)

_EVENTS = tables.session_events
_SEGMENTS = tables.session_segments
_SESSIONS = tables.sessions


@dataclass(frozen=True, slots=True)
class EventRow:
    """One reported event. `at` is the reporter's time, `received_at` ours, which never decreases within a session;
    `detail` is JSON text or null; `late`: it came after the end.
    """

    log: str
    session: str
    n: int
    at: datetime
    received_at: datetime
    kind: str
    summary: str
    detail: str | None
    late: bool


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A sealed segment: the events from `first` to `last`, both in."""

    log: str
    session: str
    n: int
    first: int
    last: int
    salt: str
    digest: str


async def record(tx: Transaction, rows: Sequence[SessionRow], events: Sequence[EventRow]) -> None:
    """Insert events of locked sessions, and write what the rows now count and when each was seen: set-based, whatever
    their number.
    """
    if tx.dialect == "postgresql":
        values = _arrays(_EVENTS, "event", [values_of(each) for each in events])
        counted = [
            {"log": row.log, "id": row.id, "events": row.events, "seen_at": row.seen_at, "seal_at": row.seal_at}
            for row in rows
        ]
        await tx.fetch(_RECORD, values | _arrays(_SESSIONS, "row", counted))
        return
    if events:
        await tx.connection.execute(tx.insert(_EVENTS), [values_of(each) for each in events])
    for row in rows:
        same = sa.and_(_SESSIONS.c.log == row.log, _SESSIONS.c.id == row.id)
        counted_here = {name: getattr(row, name) for name in _COUNTED}
        await tx.connection.execute(sa.update(_SESSIONS).where(same).values(counted_here))


_COUNTED = ("events", "seen_at", "seal_at")


def _arrays(table: sa.Table, prefix: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = table.c.keys() if table is _EVENTS else ("log", "id", *_COUNTED)
    return {f"{prefix}_{name}": [row[name] for row in rows] for name in names}


def _unnested(table: sa.Table, prefix: str, names: Sequence[str]) -> Any:
    # Text, because a cast to varchar(n) would cut what is too long instead of refusing it.
    types = [sa.Text() if isinstance(table.c[name].type, sa.String) else table.c[name].type for name in names]
    arrays = [sa.bindparam(f"{prefix}_{name}", type_=sa.ARRAY(type_)) for name, type_ in zip(names, types, strict=True)]
    columns = [sa.column(name, type_) for name, type_ in zip(names, types, strict=True)]
    return sa.func.unnest(*arrays).table_valued(*columns, name=f"given_{prefix}").render_derived()


def _record_statement() -> sa.Executable:
    events = _unnested(_EVENTS, "event", _EVENTS.c.keys())
    added = sa.insert(_EVENTS).from_select(_EVENTS.c.keys(), sa.select(events)).cte("added")
    given = _unnested(_SESSIONS, "row", ("log", "id", *_COUNTED))
    counted = sa.update(_SESSIONS).where(_SESSIONS.c.log == given.c.log, _SESSIONS.c.id == given.c.id)
    return counted.values({name: given.c[name] for name in _COUNTED}).add_cte(added)


_RECORD = _record_statement()


async def read(tx: Transaction, log: str, session: str, first: int, last: int, limit: int) -> list[EventRow]:
    """The events numbered from `first` to `last`, both in, at most `limit` of them."""
    query = select_rows(_EVENTS, EventRow).where(
        _EVENTS.c.log == log, _EVENTS.c.session == session, _EVENTS.c.n >= first, _EVENTS.c.n <= last
    )
    return [EventRow(*found) for found in await tx.connection.execute(query.order_by(_EVENTS.c.n).limit(limit))]


async def latest(tx: Transaction, log: str, session: str, limit: int, before: int | None = None) -> list[EventRow]:
    """The last events of a session, newest first; those numbered below `before`."""
    query = select_rows(_EVENTS, EventRow).where(_EVENTS.c.log == log, _EVENTS.c.session == session)
    if before is not None:
        query = query.where(_EVENTS.c.n < before)
    result = await tx.connection.execute(query.order_by(_EVENTS.c.n.desc()).limit(limit))
    return [EventRow(*found) for found in result]


async def add_segment(tx: Transaction, row: SegmentRow) -> None:
    """Insert a sealed segment. Head lock held."""
    await tx.put(_SEGMENTS, row)


async def segments(tx: Transaction, log: str, session: str) -> list[SegmentRow]:
    """The segments of a session, in order."""
    query = select_rows(_SEGMENTS, SegmentRow).where(_SEGMENTS.c.log == log, _SEGMENTS.c.session == session)
    return [SegmentRow(*found) for found in await tx.connection.execute(query.order_by(_SEGMENTS.c.n))]
