"""What may be shown once: the `jti` of client assertions and DPoP proofs; and what is told once in a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import values_of
from app.storage.database import Transaction

_TABLE = tables.replays


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """`scope` is whose `jti` it is (the client, the key's thumbprint), or what kind of thing is told."""

    scope: str
    jti: str
    expires_at: datetime


async def once(tx: Transaction, row: ReplayRow) -> bool:
    """Remember a `jti`; false when it was shown before."""
    return await tx.put_once(_TABLE, row)


async def take(tx: Transaction, rows: Sequence[ReplayRow]) -> list[bool]:
    """The same for many at once, in their order."""
    values = [values_of(row) for row in rows]
    insert = tx.insert(_TABLE).values(values).on_conflict_do_nothing().returning(_TABLE.c.scope, _TABLE.c.jti)
    fresh = {(scope, jti) for scope, jti in await tx.connection.execute(insert)}
    taken = []
    for row in rows:
        taken.append((row.scope, row.jti) in fresh)
        fresh.discard((row.scope, row.jti))
    return taken


async def sweep(tx: Transaction, now: datetime) -> int:
    """Forget those that are past their end and so refused anyway; how many."""
    return (await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.expires_at <= now))).rowcount
