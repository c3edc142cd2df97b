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
    query = select_rows(_TABLE, DraftRow).where(_TABLE.c.log == log, _TABLE.c.id == draft_id)
    found = (await tx.connection.execute(query)).one_or_none()
    return None if found is None else DraftRow(*found)


async def use(tx: Transaction, log: str, draft_id: str, now: datetime) -> bool:
    """Mark a draft used; false when it was already, or is not there."""
    unused = sa.and_(_TABLE.c.log == log, _TABLE.c.id == draft_id, _TABLE.c.used_at.is_(None))
    return (await tx.connection.execute(sa.update(_TABLE).where(unused).values(used_at=now))).rowcount == 1


async def sweep(tx: Transaction, before: datetime) -> int:
    """Delete drafts made before an instant; how many."""
    return (await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.created_at < before))).rowcount
