"""Standing approvals: one row each, the state the log tells of. `mac` is made and checked by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_TABLE = tables.standing_approvals


@dataclass(frozen=True, slots=True)
class StandingRow:
    """`state` is the domain's `StandingApproval.to_data()`; the others are taken from it."""

    log: str
    id: str
    state: Mapping[str, Any]
    ended: bool
    not_after: datetime
    mac: bytes


async def put(tx: Transaction, row: StandingRow) -> None:
    """Insert or replace a standing approval. The caller holds the lock of its log's head."""
    statement = tx.insert(_TABLE).values(values_of(row))
    changed = {"state": dict(row.state), "ended": row.ended, "mac": row.mac}
    await tx.connection.execute(statement.on_conflict_do_update(index_elements=["log", "id"], set_=changed))


async def read(tx: Transaction, log: str, standing_id: str) -> StandingRow | None:
    """The standing approval of an id."""
    rows = await _rows(tx, _TABLE.c.log == log, _TABLE.c.id == standing_id)
    return rows[0] if rows else None


async def unended(tx: Transaction, log: str) -> list[StandingRow]:
    """The institution's that have not ended, oldest first."""
    return await _rows(tx, _TABLE.c.log == log, ~_TABLE.c.ended)


async def page(tx: Transaction, log: str, limit: int, before: str | None = None) -> list[StandingRow]:
    """All of the institution's, newest first; `before` is the id of the last row of the page before."""
    conditions = [_TABLE.c.log == log, *([] if before is None else [_TABLE.c.id < before])]
    query = select_rows(_TABLE, StandingRow).where(*conditions).order_by(_TABLE.c.id.desc()).limit(limit)
    return [StandingRow(*found) for found in await tx.connection.execute(query)]


async def over(tx: Transaction, now: datetime, limit: int) -> list[tuple[str, str]]:
    """`(log, id)` of those whose time is over and whose end is not recorded."""
    query = sa.select(_TABLE.c.log, _TABLE.c.id).where(~_TABLE.c.ended, _TABLE.c.not_after <= now)
    result = await tx.connection.execute(query.order_by(_TABLE.c.not_after).limit(limit))
    return [(log, standing_id) for log, standing_id in result]


async def _rows(tx: Transaction, *conditions: sa.ColumnElement[bool]) -> list[StandingRow]:
    query = select_rows(_TABLE, StandingRow).where(*conditions).order_by(_TABLE.c.id)
    return [StandingRow(*found) for found in await tx.connection.execute(query)]
