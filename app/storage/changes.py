"""The stream of changes: entries that changed a request, in the order in which they became visible.

Transactions of different logs commit in any order, so no number given inside them tells that order: a reader who had
seen 7 would miss a 6 that commits later. So a change is recorded without a position, and gets one afterwards: `stamp`
numbers what is committed by then, under a lock held until its own commit. Positions rise by one without a gap, each
becomes visible after all before it, and within a log they follow the index. What was stamped never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction

_TABLE = tables.changes
_STREAM = tables.stream
BATCH = 500


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One change: entry `idx` of a log, its id and type, and the request that it changed."""

    log: str
    idx: int
    request: str
    event: str
    type: str
    at: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Range:
    """The positions that there are: after `floor`, up to `last`; what lies at or before `floor` was forgotten."""

    floor: int
    last: int


async def reach(tx: Transaction) -> Range:
    """The positions that can be read now."""
    return Range(*(await tx.connection.execute(_REACH)).one())


async def waiting(tx: Transaction) -> bool:
    """Whether a change has no position yet."""
    return bool((await tx.connection.execute(_WAITING)).scalar_one())


async def stamp(tx: Transaction, limit: int = BATCH) -> list[str]:
    """Give the oldest committed changes their positions; the requests that they changed. A few may be left for later.

    The lock is on the one row of the stream, and lasts until the commit: nobody else numbers before these are seen.
    """
    last = (await tx.connection.execute(_LOCK)).scalar_one()
    numbered = await tx.connection.execute(_STAMP, {"last": last, "most": limit})
    requests = list(numbered.scalars())
    if requests:
        await tx.connection.execute(sa.update(_STREAM).values(last=last + len(requests)))
    return requests


async def after(tx: Transaction, position: int, limit: int) -> list[ChangeRow]:
    """The changes after a position, in order."""
    return [ChangeRow(*found) for found in await tx.connection.execute(_AFTER, {"position": position, "most": limit})]


async def sweep(tx: Transaction, before: datetime) -> int:
    """Forget the changes that are older and stand before every one that is not; how many."""
    oldest = sa.select(sa.func.min(_TABLE.c.position)).where(_TABLE.c.position.is_not(None), _TABLE.c.at >= before)
    last = (await tx.connection.execute(_LOCK)).scalar_one()
    kept = (await tx.connection.execute(oldest)).scalar_one()
    floor = last if kept is None else kept - 1
    gone = await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.position <= floor))
    if gone.rowcount:
        await tx.connection.execute(sa.update(_STREAM).values(floor=floor))
    return gone.rowcount


def _stamping() -> sa.UpdateBase:
    rank = sa.func.row_number().over(order_by=(_TABLE.c.at, _TABLE.c.log, _TABLE.c.idx)).label("rank")
    chosen = sa.select(_TABLE.c.log, _TABLE.c.idx, rank).where(_TABLE.c.position.is_(None))
    chosen = chosen.order_by(_TABLE.c.at, _TABLE.c.log, _TABLE.c.idx).limit(sa.bindparam("most"))
    oldest = chosen.subquery("oldest")
    stamped = sa.update(_TABLE).values(position=sa.bindparam("last", type_=sa.BigInteger) + oldest.c.rank)
    return stamped.where(_TABLE.c.log == oldest.c.log, _TABLE.c.idx == oldest.c.idx).returning(_TABLE.c.request)


_REACH = sa.select(_STREAM.c.floor, _STREAM.c.last)
_LOCK = sa.select(_STREAM.c.last).with_for_update()
_WAITING = sa.select(sa.exists().where(_TABLE.c.position.is_(None)))
_STAMP = _stamping()
_AFTER = (
    select_rows(_TABLE, ChangeRow)
    .where(_TABLE.c.position > sa.bindparam("position"))
    .order_by(_TABLE.c.position)
    .limit(sa.bindparam("most"))
)
