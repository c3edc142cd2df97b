"""Drafts: a decision (or a change, a standing approval) between its check page and its countersignature, used once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction

_TABLE = tables.drafts


@dataclass(frozen=True, slots=True)
class DraftRow:
    """`subject` is the `req_…` (`chg_…`, `sta_…`), `session` the hashed browser session, `statement` the exact bytes
    signed for.
    """

    log: str
    id: str
    kind: str
    subject: str
    person: str
    session: bytes
    statement: bytes
    details: Mapping[str, Any]
    created_at: datetime
    used_at: datetime | None = None


async def add(tx: Transaction, row: DraftRow) -> None:
    """Insert a draft."""
    await tx.put(_TABLE, row)


async def read(tx: Transaction, log: str, draft_id: str) -> DraftRow | None:
    """The draft of an id, used or not."""
    found = await tx.fetch(_READ, {"log": log, "id": draft_id})
    return DraftRow(*found[0]) if found else None


async def use(tx: Transaction, log: str, draft_id: str, now: datetime) -> bool:
    """Mark a draft used; false when it was already, or is not there."""
    return bool(await tx.fetch(_USE, {"key_log": log, "key_id": draft_id, "used_at": now}))


_READ = select_rows(_TABLE, DraftRow).where(_TABLE.c.log == sa.bindparam("log"), _TABLE.c.id == sa.bindparam("id"))
_UNUSED = sa.and_(
    _TABLE.c.log == sa.bindparam("key_log"), _TABLE.c.id == sa.bindparam("key_id"), _TABLE.c.used_at.is_(None)
)
_USE = sa.update(_TABLE).where(_UNUSED).returning(_TABLE.c.id)


async def keep(tx: Transaction, log: str, draft_id: str, details: Mapping[str, Any]) -> None:
    """Write what a draft holds beside its statement."""
    update = sa.update(_TABLE).where(_TABLE.c.log == log, _TABLE.c.id == draft_id)
    await tx.connection.execute(update.values(details=dict(details)))


async def sweep(tx: Transaction, before: datetime) -> int:
    """Delete drafts made before an instant; how many."""
    return (await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.created_at < before))).rowcount
