"""What may be shown once: the `jti` of client assertions and DPoP proofs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.database import Transaction

_TABLE = tables.replays


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """`scope` is whose `jti` it is (the client, the key's thumbprint)."""

    scope: str
    jti: str
    expires_at: datetime


async def once(tx: Transaction, row: ReplayRow) -> bool:
    """Remember a `jti`; false when it was shown before."""
    return await tx.put_once(_TABLE, row)


async def sweep(tx: Transaction, now: datetime) -> int:
    """Forget those that are past their end and so refused anyway; how many."""
    return (await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.expires_at <= now))).rowcount
