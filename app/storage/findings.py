"""Findings: something wrong that a scan, a reconciliation or a dispute found; open, explained, closed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_TABLE = tables.findings


@dataclass(frozen=True, slots=True)
class FindingRow:
    """`about` is the request or session it names; `state` is `open`, `explained` or `closed`.

    `opened_index`, `explained_index`: the entries whose private parts say what was found, and what explains it.
    `found_by` is `scan`, `sign-ins`, `dispute` or `clock`. `key`: keyed hash of what was found, null where it cannot be
    found twice; of those not closed no two share one.
    """

    log: str
    id: str
    kind: str
    environment: str | None
    about: str | None
    state: str
    opened_index: int
    explained_index: int | None
    opened_at: datetime
    closed_at: datetime | None
    found_by: str
    key: bytes | None


async def add(tx: Transaction, row: FindingRow) -> None:
    """Insert a finding. The caller holds the lock of its log's head."""
    await tx.put(_TABLE, row)


async def read(tx: Transaction, log: str, finding_id: str) -> FindingRow | None:
    """The finding of an id."""
    rows = await _rows(tx, _of(log).where(_TABLE.c.id == finding_id))
    return rows[0] if rows else None


async def about(tx: Transaction, log: str, subject: str) -> list[FindingRow]:
    """The findings about a request or session, oldest first."""
    return await _rows(tx, _of(log).where(_TABLE.c.about == subject).order_by(_TABLE.c.id))


async def page(tx: Transaction, log: str, limit: int, before: str | None = None) -> list[FindingRow]:
    """An institution's findings, newest first; `before` is the id of the last row of the page before."""
    query = _of(log) if before is None else _of(log).where(_TABLE.c.id < before)
    return await _rows(tx, query.order_by(_TABLE.c.id.desc()).limit(limit))


async def standing(tx: Transaction, log: str, keys: Collection[bytes]) -> dict[bytes, FindingRow]:
    """Those of these keys that are not closed, by key."""
    found: dict[bytes, FindingRow] = {}
    wanted = list(keys)
    for start in range(0, len(wanted), 500):
        some = _of(log).where(_TABLE.c.closed_at.is_(None), _TABLE.c.key.in_(wanted[start : start + 500]))
        found |= {row.key: row for row in await _rows(tx, some) if row.key is not None}
    return found


async def not_closed(
    tx: Transaction, log: str, *, environment: str | None = None, found_by: str | None = None
) -> list[FindingRow]:
    """Those that are not closed, oldest first; of one environment, or found by one thing, where that is given."""
    query = _of(log).where(_TABLE.c.closed_at.is_(None))
    if environment is not None:
        query = query.where(_TABLE.c.environment == environment)
    if found_by is not None:
        query = query.where(_TABLE.c.found_by == found_by)
    return await _rows(tx, query.order_by(_TABLE.c.id))


async def newest_closed(tx: Transaction, log: str, limit: int) -> list[FindingRow]:
    """Those that are closed, newest first."""
    return await _rows(tx, _of(log).where(_TABLE.c.closed_at.is_not(None)).order_by(_TABLE.c.id.desc()).limit(limit))


async def count_closed(tx: Transaction, log: str) -> int:
    """How many are closed."""
    query = sa.select(sa.func.count()).where(_TABLE.c.log == log, _TABLE.c.closed_at.is_not(None))
    return int((await tx.connection.execute(query)).scalar_one())


async def save(tx: Transaction, row: FindingRow) -> None:
    """Write every field of a finding. The caller holds the lock of its log's head."""
    update = sa.update(_TABLE).where(_TABLE.c.log == row.log, _TABLE.c.id == row.id)
    await tx.connection.execute(update.values(values_of(row)))


def _of(log: str) -> sa.Select[Any]:
    return select_rows(_TABLE, FindingRow).where(_TABLE.c.log == log)


async def _rows(tx: Transaction, query: sa.Select[Any]) -> list[FindingRow]:
    return [FindingRow(*found) for found in await tx.connection.execute(query)]
