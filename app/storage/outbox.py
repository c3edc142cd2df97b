"""The outbox: what must be delivered, written in the transaction of the change, taken by workers under a lease.

Delivery is at least once. A row is `waiting` (due now, later, or leased until `due_at`), `done` or `failed`. Whoever
claims a row holds it until its lease runs out; then another may, and the late one's `done`, `retry` and `failed` change
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Dialect, Transaction, insert_of

_TABLE = tables.outbox


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One delivery. `id` is stable (the Message-ID, or the webhook's id and event's), `about` the `req_…` it is of, or
    `digest`.

    `payload` is the facts it is made from, `rendered` the bytes as first sent, `attempts` counts claims. `webhook` is
    the `whk_…` it goes to; null for a mail.
    """

    log: str
    id: str
    kind: str
    about: str | None
    payload: Mapping[str, Any]
    created_at: datetime
    due_at: datetime
    rendered: bytes | None = None
    status: str = "waiting"
    attempts: int = 0
    lease: str | None = None
    error: str | None = None
    webhook: str | None = None


async def put(tx: Transaction, rows: Sequence[OutboxRow]) -> None:
    """Insert deliveries, a few at once."""
    for at in range(0, len(rows), _AT_ONCE):
        few = rows[at : at + _AT_ONCE]
        values = {f"{name}_{n}": value for n, row in enumerate(few) for name, value in values_of(row).items()}
        await tx.fetch(_put(tx.dialect, len(few)), values)


_AT_ONCE = 8


@cache
def _put(dialect: Dialect, count: int) -> sa.Executable:
    def line(n: int) -> dict[str, sa.BindParameter[Any]]:
        return {column.name: sa.bindparam(f"{column.name}_{n}", type_=column.type) for column in _TABLE.c}

    return insert_of(dialect, _TABLE).values([line(n) for n in range(count)])


async def claim(
    tx: Transaction, lease: str, now: datetime, until: datetime, limit: int, webhook: str | None = None
) -> list[OutboxRow]:
    """Take up to `limit` due mails, or what is due to one webhook, longest due first, until an instant.

    `lease` is a random name of this claim.
    """
    due = (
        sa.select(_TABLE.c.log, _TABLE.c.id)
        .where(_TABLE.c.webhook == webhook, _TABLE.c.status == "waiting", _TABLE.c.due_at <= now)
        .order_by(_TABLE.c.due_at, _TABLE.c.created_at, _TABLE.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    # Materialized, because PostgreSQL may otherwise run the limited subquery again for each row and lock too many.
    taken = (
        sa.update(_TABLE)
        .where(sa.tuple_(_TABLE.c.log, _TABLE.c.id).in_(sa.select(due.c.log, due.c.id)))
        .values(lease=lease, due_at=until, attempts=_TABLE.c.attempts + 1)
        .returning(*select_rows(_TABLE, OutboxRow).selected_columns)
    )
    rows = [OutboxRow(*found) for found in await tx.connection.execute(taken)]
    return sorted(rows, key=lambda row: (row.created_at, row.log, row.id))


async def render(tx: Transaction, row: OutboxRow, rendered: bytes) -> bytes:
    """Keep the bytes of the first rendering; the bytes that are kept, which may be another worker's."""
    unrendered = sa.update(_TABLE).where(*_key(row), _TABLE.c.rendered.is_(None)).values(rendered=rendered)
    if (await tx.connection.execute(unrendered)).rowcount == 1:
        return rendered
    kept = (await tx.connection.execute(sa.select(_TABLE.c.rendered).where(*_key(row)))).scalar_one()
    return bytes(kept)


async def done(tx: Transaction, row: OutboxRow) -> bool:
    """It was delivered; false when the lease is no longer ours."""
    return await _settle(tx, row, status="done", lease=None, error=None)


async def retry(tx: Transaction, row: OutboxRow, due_at: datetime, error: str) -> bool:
    """Try again at `due_at`; false when the lease is no longer ours."""
    return await _settle(tx, row, due_at=due_at, lease=None, error=error)


async def failed(tx: Transaction, row: OutboxRow, error: str, *, forget: bool = False) -> bool:
    """Give up, `forget` what was sent; false when the lease is no longer ours."""
    forgotten = {"rendered": None} if forget else {}
    return await _settle(tx, row, status="failed", lease=None, error=error, **forgotten)


async def give_back(tx: Transaction, row: OutboxRow, due_at: datetime) -> bool:
    """It was claimed and not tried: that counts as no attempt; false when the lease is no longer ours."""
    return await _settle(tx, row, due_at=due_at, lease=None, attempts=row.attempts - 1)


async def delivered(tx: Transaction, row: OutboxRow) -> bool:
    """It was delivered, and is not kept; false when the lease is no longer ours."""
    return (await tx.connection.execute(sa.delete(_TABLE).where(*_held(row)))).rowcount == 1


async def about(tx: Transaction, log: str, subject: str) -> list[OutboxRow]:
    """Every delivery about a request, oldest first."""
    query = select_rows(_TABLE, OutboxRow).where(_TABLE.c.log == log, _TABLE.c.about == subject)
    return [
        OutboxRow(*found) for found in await tx.connection.execute(query.order_by(_TABLE.c.created_at, _TABLE.c.id))
    ]


async def of_id(tx: Transaction, mail: str) -> OutboxRow | None:
    """The mail of this id, whosever it is."""
    query = select_rows(_TABLE, OutboxRow).where(_TABLE.c.id == mail, _TABLE.c.webhook.is_(None))
    found = (await tx.connection.execute(query)).one_or_none()
    return None if found is None else OutboxRow(*found)


async def bounced(tx: Transaction, row: OutboxRow, error: str) -> bool:
    """It was given up after a peer had taken it, or had seemed not to; false when that is known already."""
    given_up = sa.update(_TABLE).where(*_key(row), _TABLE.c.status != "failed")
    return (await tx.connection.execute(given_up.values(status="failed", lease=None, error=error))).rowcount == 1


async def lost(tx: Transaction, log: str, since: datetime, limit: int) -> list[OutboxRow]:
    """The mails of an institution, queued since an instant, that were given up, newest first."""
    given_up = (_TABLE.c.status == "failed", _TABLE.c.webhook.is_(None), _TABLE.c.created_at >= since)
    query = select_rows(_TABLE, OutboxRow).where(_TABLE.c.log == log, *given_up)
    found = await tx.connection.execute(query.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id.desc()).limit(limit))
    return [OutboxRow(*each) for each in found]


async def hold_unrendered(tx: Transaction, log: str, subject: str, now: datetime) -> list[OutboxRow]:
    """Deliveries about something that are due later and were never tried, locked, so that nobody claims them."""
    untried = (_TABLE.c.status == "waiting", _TABLE.c.due_at > now, _TABLE.c.lease.is_(None), _TABLE.c.attempts == 0)
    query = select_rows(_TABLE, OutboxRow).where(_TABLE.c.log == log, _TABLE.c.about == subject, *untried)
    query = query.order_by(_TABLE.c.id).with_for_update(skip_locked=True)
    return [OutboxRow(*found) for found in await tx.connection.execute(query)]


async def amend(tx: Transaction, rows: Sequence[OutboxRow]) -> None:
    """Write what deliveries are made from that this transaction has locked."""
    for row in rows:
        await tx.connection.execute(sa.update(_TABLE).where(*_key(row)).values(payload=dict(row.payload)))


async def next_due(tx: Transaction) -> datetime | None:
    """When the next waiting row is due; null when nothing waits."""
    query = sa.select(sa.func.min(_TABLE.c.due_at)).where(_TABLE.c.status == "waiting")
    found: datetime | None = (await tx.connection.execute(query)).scalar_one()
    return found


def _key(row: OutboxRow) -> tuple[sa.ColumnElement[bool], ...]:
    return _TABLE.c.log == row.log, _TABLE.c.id == row.id


def _held(row: OutboxRow) -> tuple[sa.ColumnElement[bool], ...]:
    return *_key(row), _TABLE.c.status == "waiting", _TABLE.c.lease == row.lease


async def _settle(tx: Transaction, row: OutboxRow, **values: Any) -> bool:
    return (await tx.connection.execute(sa.update(_TABLE).where(*_held(row)).values(**values))).rowcount == 1
