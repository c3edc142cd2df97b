"""A log that cannot go on is set aside: its rows keep every byte, under another name, and its code is free again.

The database lets a row of the trail go only where the same row stands in a log that was set aside. What else was kept
of the log, rows that are its fold and what waited to be sent, goes; what no trail tells stays: what sessions reported
and what was recorded of them, sign-in records, cosignatures.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.storage import tables
from app.storage.database import Transaction
from app.storage.sessions import LIVING

_LOGS, _SESSIONS = tables.logs, tables.sessions
_TRAIL = (tables.leaves, tables.tiles, tables.private_parts, tables.evidence)
_WITH_IT = (
    tables.cosignatures,
    tables.sessions,
    tables.session_events,
    tables.session_segments,
    tables.sign_ins,
    tables.reconciliations,
)
"""What goes aside with the trail."""
_OF_THE_CODE = (tables.environment_secrets, tables.request_numbers, tables.session_parts, tables.recording_keys)
"""What is the institution's, whichever log it has: keys of its gates, its count of requests, its recordings."""


async def every_aside(tx: Transaction) -> list[tuple[str, str, int]]:
    """Name, origin and size of every log that was set aside, in the order of their names."""
    query = sa.select(_LOGS.c.log, _LOGS.c.origin, _LOGS.c.size).where(_LOGS.c.former.is_not(None))
    return [(log, origin, size) for log, origin, size in await tx.connection.execute(query.order_by(_LOGS.c.log))]


async def set_aside(tx: Transaction, code: str) -> str:
    """Set the log of a code aside; the name it has from now on. Head lock held; on PostgreSQL as the tables' owner."""
    before = sa.select(sa.func.count()).where(_LOGS.c.former == code)
    name = f"{code}/{(await tx.connection.execute(before)).scalar_one() + 1}"
    closed = {"state": "terminated", "record_by": None, "seal_at": None}
    living = sa.and_(_SESSIONS.c.log == code, _SESSIONS.c.state.in_(LIVING))
    await tx.connection.execute(sa.update(_SESSIONS).where(living).values(**closed))
    await tx.connection.execute(sa.update(_SESSIONS).where(_SESSIONS.c.log == code).values(seal_at=None))
    moved = sa.update(_LOGS).where(_LOGS.c.log == code).values(log=name, former=code, grown_at=None)
    await tx.connection.execute(moved)
    for table in _TRAIL:
        await _move(tx, table, code, name)
    for table in _WITH_IT:
        await tx.connection.execute(sa.update(table).where(table.c.log == code).values(log=name))
    for table in _folds():
        await tx.connection.execute(sa.delete(table).where(table.c.log == code))
    await tx.connection.execute(sa.delete(tables.institutions).where(tables.institutions.c.code == code))
    return name


async def _move(tx: Transaction, table: sa.Table, code: str, name: str) -> None:
    columns = [sa.literal(name) if column.name == "log" else column for column in table.c]
    copied = sa.insert(table).from_select(table.c.keys(), sa.select(*columns).where(table.c.log == code))
    await tx.connection.execute(copied)
    await tx.connection.execute(sa.delete(table).where(table.c.log == code))


def _folds() -> list[sa.Table]:
    """Whatever else is kept by log: the trail can tell it, or it was under way."""
    kept = {_LOGS, *_TRAIL, *_WITH_IT, *_OF_THE_CODE}
    return [table for table in tables.metadata.sorted_tables if "log" in table.c and table not in kept]
