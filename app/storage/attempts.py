"""How often somebody has tried, in windows that begin with the first try; here, so that every replica counts alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.storage import tables
from app.storage.database import Transaction

_TABLE = tables.attempts


@dataclass(frozen=True, slots=True)
class Tries:
    """`count` tries since `began`, the one just counted included."""

    began: datetime
    count: int


async def count(tx: Transaction, key: bytes, now: datetime, window: timedelta) -> Tries:
    """Count a try under a key (a hash); where its last window is over, it is the first of a new one."""
    over = _TABLE.c.began <= now - window
    counted = (
        tx.insert(_TABLE)
        .values(key=key, began=now, count=1)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "began": sa.case((over, sa.literal(now, _TABLE.c.began.type)), else_=_TABLE.c.began),
                "count": sa.case((over, 1), else_=_TABLE.c.count + 1),
            },
        )
        .returning(_TABLE.c.began, _TABLE.c.count)
    )
    return Tries(*(await tx.connection.execute(counted)).one())


async def sweep(tx: Transaction, before: datetime) -> None:
    """Forget windows that began before an instant."""
    await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.began < before))
