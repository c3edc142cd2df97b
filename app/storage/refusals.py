"""Refusals, counted: the first of a kind and subject is an event at once, later ones of that minute are one event at
its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction

_TABLE = tables.refusals


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """`key` tells kind and subject; `minute` when the first came; `later` how many followed; `event` the first, as
    data.
    """

    log: str
    key: str
    minute: datetime
    later: int
    event: Mapping[str, Any]


async def note(tx: Transaction, log: str, key: str, event: Mapping[str, Any], now: datetime) -> bool:
    """Count a refusal. True: the first of its minute, to be recorded now with `count` 1. False: it is told later."""
    minute = now.replace(second=0, microsecond=0)
    insert = tx.insert(_TABLE).values(log=log, key=key, minute=minute, later=0, event=dict(event))
    counted = insert.on_conflict_do_update(
        index_elements=["log", "key", "minute"], set_={"later": _TABLE.c.later + 1}
    ).returning(_TABLE.c.later)
    later: int = (await tx.connection.execute(counted)).scalar_one()
    return later == 0


async def count_more(tx: Transaction, log: str, key: str, more: int, now: datetime) -> bool:
    """Count refusals that follow one noted in this minute; false, and nothing counted, where none was."""
    minute = now.replace(second=0, microsecond=0)
    same = sa.and_(_TABLE.c.log == log, _TABLE.c.key == key, _TABLE.c.minute == minute)
    counted = sa.update(_TABLE).where(same).values(later=_TABLE.c.later + more)
    return (await tx.connection.execute(counted)).rowcount == 1


async def collect(tx: Transaction, log: str, now: datetime) -> list[RefusalRow]:
    """Remove an institution's minutes that are over; those with later refusals, to be recorded so."""
    over = sa.delete(_TABLE).where(_TABLE.c.log == log, _TABLE.c.minute <= now - timedelta(minutes=1))
    result = await tx.connection.execute(over.returning(*select_rows(_TABLE, RefusalRow).selected_columns))
    rows = sorted((RefusalRow(*found) for found in result), key=lambda row: (row.minute, row.key))
    return [row for row in rows if row.later]


async def waiting(tx: Transaction, now: datetime) -> tuple[str, ...]:
    """The logs that have minutes to collect, in code order."""
    query = sa.select(_TABLE.c.log).where(_TABLE.c.minute <= now - timedelta(minutes=1)).distinct()
    return tuple((await tx.connection.execute(query.order_by(_TABLE.c.log))).scalars())
