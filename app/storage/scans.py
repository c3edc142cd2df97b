"""Account scans: asked for, under way, over. At most one of an environment is not over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_TABLE = tables.scans


@dataclass(frozen=True, slots=True)
class ScanRow:
    """`source` is `alma`, `csv` or `json`; `state` `waiting`, `running`, `done` or `failed`; `asked_by` an actor's id.

    `seen_at`: when whoever runs it last said so. `users` of `total` (null: nobody says) are read; `idx` is the index of
    its `scan.completed`, `problem` why it failed, `seen` what came of it.
    """

    log: str
    id: str
    environment: str
    source: str
    asked_by: str
    state: str
    asked_at: datetime
    seen_at: datetime
    ended_at: datetime | None = None
    users: int = 0
    total: int | None = None
    idx: int | None = None
    problem: str | None = None
    seen: dict[str, Any] | None = None


async def add(tx: Transaction, row: ScanRow) -> bool:
    """Insert a scan; false where one of the environment is not over yet."""
    if row.ended_at is not None:
        await tx.put(_TABLE, row)
        return True
    if await under_way(tx, row.log, row.environment) is not None:
        return False
    return await tx.put_once(_TABLE, row)


async def read(tx: Transaction, log: str, scan_id: str) -> ScanRow | None:
    """The scan of an id."""
    rows = await _rows(tx, _of(log).where(_TABLE.c.id == scan_id))
    return rows[0] if rows else None


async def page(tx: Transaction, log: str, limit: int, before: str | None = None) -> list[ScanRow]:
    """A log's scans, newest first; `before` is the id of the last row of the page before."""
    query = _of(log) if before is None else _of(log).where(_TABLE.c.id < before)
    return await _rows(tx, query.order_by(_TABLE.c.id.desc()).limit(limit))


async def under_way(tx: Transaction, log: str, environment: str) -> ScanRow | None:
    """The scan of an environment that is not over."""
    rows = await _rows(tx, _of(log).where(_TABLE.c.environment == environment, _TABLE.c.ended_at.is_(None)))
    return rows[0] if rows else None


async def newest(tx: Transaction, log: str, environment: str, *, done: bool) -> ScanRow | None:
    """The newest scan of an environment; of those that are `done`, or of all."""
    query = _of(log).where(_TABLE.c.environment == environment)
    if done:
        query = query.where(_TABLE.c.state == "done")
    rows = await _rows(tx, query.order_by(_TABLE.c.id.desc()).limit(1))
    return rows[0] if rows else None


async def claimable(tx: Transaction, silent_since: datetime, limit: int) -> list[ScanRow]:
    """Scans that wait, and those whose runner has said nothing since, oldest first."""
    waits = _TABLE.c.state == "waiting"
    silent = sa.and_(_TABLE.c.state == "running", _TABLE.c.seen_at < silent_since)
    query = select_rows(_TABLE, ScanRow).where(sa.or_(waits, silent), _TABLE.c.ended_at.is_(None))
    return await _rows(tx, query.order_by(_TABLE.c.asked_at).limit(limit))


async def save(tx: Transaction, row: ScanRow, before: ScanRow) -> bool:
    """Write every field of a scan that is still as `before` was; whether it was."""
    same = (_TABLE.c.log == row.log, _TABLE.c.id == row.id, _TABLE.c.state == before.state)
    update = sa.update(_TABLE).where(*same, _TABLE.c.seen_at == before.seen_at).values(values_of(row))
    return (await tx.connection.execute(update)).rowcount == 1


async def places(tx: Transaction) -> list[tuple[str, str]]:
    """Log and name of every environment that can be scanned by itself: it has the address of an API, and a key."""
    table = tables.environment_secrets
    query = sa.select(table.c.log, table.c.environment)
    query = query.where(table.c.alma_api_base.is_not(None), table.c.alma_api_key.is_not(None))
    return [(log, name) for log, name in await tx.connection.execute(query.order_by(table.c.log, table.c.environment))]


def _of(log: str) -> sa.Select[Any]:
    return select_rows(_TABLE, ScanRow).where(_TABLE.c.log == log)


async def _rows(tx: Transaction, query: sa.Select[Any]) -> list[ScanRow]:
    return [ScanRow(*found) for found in await tx.connection.execute(query)]
