"""Access requests: one row each, the state the log tells of, changed by compare-and-swap on `version`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Dialect, Transaction, insert_of

_TABLE = tables.requests


@dataclass(frozen=True, slots=True)
class RequestRow:
    """`state` is the domain's `AccessRequest.to_data()`; `short` the twelve characters of `/r/{short}`; `client` the
    `cli_…`.

    `status` is the one last recorded (the clock may have moved on); `due_at` the next instant at which the clock has
    something to do here (expiry, activation, elapse, reminder), null when nothing will. `engineer_id` is the vendor's
    id.
    """

    log: str
    id: str
    number: str
    short: str
    client: str
    status: str
    created_index: int
    decide_by: datetime
    due_at: datetime | None
    environment: str
    case_number: str
    engineer_id: str
    created_at: datetime
    updated_at: datetime
    version: int
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shows: requests of the institutions `logs` (null: all), newest first, narrowed by what is not null.

    `statuses` are compared with the status last recorded, so a caller that follows the clock asks for the earlier ones
    too.
    """

    logs: tuple[str, ...] | None
    statuses: tuple[str, ...] = ()
    case_number: str | None = None
    engineer_id: str | None = None
    environment: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def next_number(tx: Transaction, log: str, year: int) -> str:
    """The next number of an institution's year, such as `2026-0042`."""
    ((last,),) = await tx.fetch(_count(tx.dialect), {"log": log, "year": year, "last": 1})
    return f"{year}-{last:04}"


@cache
def _count(dialect: Dialect) -> sa.Executable:
    table = tables.request_numbers
    insert = insert_of(dialect, table)
    counted = insert.on_conflict_do_update(index_elements=["log", "year"], set_={"last": table.c.last + 1})
    return counted.returning(table.c.last)


async def add(tx: Transaction, row: RequestRow) -> None:
    """Insert a new request."""
    await tx.put(_TABLE, row)


async def read(tx: Transaction, request_id: str, log: str | None = None) -> RequestRow | None:
    """The request of an id (of the institution `log`, where the caller knows it)."""
    if log is None:
        return await _one(tx, _OF_ID, {"id": request_id})
    return await _one(tx, _OF_KEY, {"id": request_id, "log": log})


async def read_many(tx: Transaction, ids: Sequence[str]) -> list[RequestRow]:
    """The requests of these ids, those that there are."""
    found = await tx.connection.execute(select_rows(_TABLE, RequestRow).where(_TABLE.c.id.in_(ids)))
    return [RequestRow(*row) for row in found]


async def of_short(tx: Transaction, short: str) -> RequestRow | None:
    """The request behind a mail's link."""
    return await _one(tx, _OF_SHORT, {"short": short})


async def of_number(tx: Transaction, log: str, number: str) -> RequestRow | None:
    """The request of an institution that people call so; null for none."""
    return await _one(tx, _OF_NUMBER, {"log": log, "number": number})


async def save(tx: Transaction, row: RequestRow) -> RequestRow | None:
    """Write a request that was read at `row.version`; the row with its new version, or null when another was faster."""
    new = replace(row, version=row.version + 1)
    key = {"key_log": row.log, "key_id": row.id, "key_version": row.version}
    return new if await tx.fetch(_SAVE, values_of(new) | key) else None


async def due(tx: Transaction, now: datetime, limit: int, logs: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """`(log, id)` of requests for which the clock has something to do, longest overdue first."""
    query = sa.select(_TABLE.c.log, _TABLE.c.id).where(_TABLE.c.due_at <= now)
    if logs is not None:
        query = query.where(_TABLE.c.log.in_(logs))
    return [
        (log, request) for log, request in await tx.connection.execute(query.order_by(_TABLE.c.due_at).limit(limit))
    ]


async def unfinished(tx: Transaction, log: str, environment: str | None = None) -> list[RequestRow]:
    """The institution's requests last recorded as pending, approved or active, oldest first."""
    query = select_rows(_TABLE, RequestRow).where(
        _TABLE.c.log == log, _TABLE.c.status.in_(("pending", "approved", "active"))
    )
    if environment is not None:
        query = query.where(_TABLE.c.environment == environment)
    return [RequestRow(*found) for found in await tx.connection.execute(query.order_by(_TABLE.c.id))]


async def granted(tx: Transaction, log: str, since: datetime, environment: str | None = None) -> list[RequestRow]:
    """The requests (of an environment) that were approved, and are not over or were changed after `since`."""
    query = select_rows(_TABLE, RequestRow).where(_TABLE.c.log == log)
    if environment is not None:
        query = query.where(_TABLE.c.environment == environment)
    over = _TABLE.c.status.in_(("elapsed", "completed", "revoked"))
    living = _TABLE.c.status.in_(("approved", "active"))
    query = query.where(sa.or_(living, sa.and_(over, _TABLE.c.updated_at >= since)))
    return [RequestRow(*found) for found in await tx.connection.execute(query.order_by(_TABLE.c.id))]


async def count_granted(tx: Transaction, log: str, environment: str, since: datetime) -> int:
    """How many requests of an environment, made since an instant, were approved."""
    given = _TABLE.c.status.in_(("approved", "active", "elapsed", "completed", "revoked"))
    query = sa.select(sa.func.count()).where(_TABLE.c.log == log, _TABLE.c.environment == environment, given)
    return int((await tx.connection.execute(query.where(_TABLE.c.created_at > since))).scalar_one())


async def created_since(tx: Transaction, log: str, since: datetime) -> int:
    """How many requests an institution got since an instant (for the hourly limit)."""
    ((count,),) = await tx.fetch(_COUNT, {"log": log, "since": since})
    return int(count)


async def find(tx: Transaction, wanted: Filter, limit: int, before: str | None = None) -> list[RequestRow]:
    """A page, newest first; `before` is the id of the last row of the page before (ids sort by time)."""
    query = select_rows(_TABLE, RequestRow)
    if wanted.logs is not None:
        query = query.where(_TABLE.c.log.in_(wanted.logs))
    if wanted.statuses:
        query = query.where(_TABLE.c.status.in_(wanted.statuses))
    for name in ("case_number", "engineer_id", "environment"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(_TABLE.c[name] == value)
    if wanted.created_after is not None:
        query = query.where(_TABLE.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        query = query.where(_TABLE.c.created_at < wanted.created_before)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    result = await tx.connection.execute(query.order_by(_TABLE.c.id.desc()).limit(limit))
    return [RequestRow(*found) for found in result]


_OF_ID = select_rows(_TABLE, RequestRow).where(_TABLE.c.id == sa.bindparam("id"))
_OF_SHORT = select_rows(_TABLE, RequestRow).where(_TABLE.c.short == sa.bindparam("short"))
_OF_NUMBER = select_rows(_TABLE, RequestRow).where(
    _TABLE.c.log == sa.bindparam("log"), _TABLE.c.number == sa.bindparam("number")
)
_OF_KEY = _OF_ID.where(_TABLE.c.log == sa.bindparam("log"))
_SAVE = (
    sa.update(_TABLE)
    .where(
        _TABLE.c.log == sa.bindparam("key_log"),
        _TABLE.c.id == sa.bindparam("key_id"),
        _TABLE.c.version == sa.bindparam("key_version"),
    )
    .returning(_TABLE.c.id)
)
_COUNT = sa.select(sa.func.count()).where(
    _TABLE.c.log == sa.bindparam("log"), _TABLE.c.created_at > sa.bindparam("since")
)


async def _one(tx: Transaction, query: sa.Select[Any], key: Mapping[str, str]) -> RequestRow | None:
    found = await tx.fetch(query, key)
    return RequestRow(*found[0]) if found else None
