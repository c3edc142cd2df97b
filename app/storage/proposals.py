"""Changes beside the trail, which tells what they say: where each stands, when it lapses, and its sealed secrets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage.columns import select_rows
from app.storage.database import Transaction
from app.storage.proposal_tables import proposals


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """`idx` is the index of its `change.proposed`; `due_at` when it lapses, null once it is over.

    `outcome`: applied, rejected or lapsed. `secrets` and `tested` (how a test sign-in went) are sealed by the caller.
    """

    log: str
    id: str
    idx: int
    due_at: datetime | None
    outcome: str | None = None
    secrets: bytes | None = None
    tested: bytes | None = None


async def add(tx: Transaction, row: ProposalRow) -> None:
    """Insert a proposed change."""
    await tx.put(proposals, row)


async def read(tx: Transaction, log: str, change_id: str) -> ProposalRow | None:
    """The change of an id."""
    query = select_rows(proposals, ProposalRow).where(proposals.c.log == log, proposals.c.id == change_id)
    found = (await tx.connection.execute(query)).one_or_none()
    return None if found is None else ProposalRow(*found)


async def waiting(tx: Transaction, log: str) -> list[ProposalRow]:
    """An institution's changes that wait, oldest first."""
    query = select_rows(proposals, ProposalRow).where(proposals.c.log == log, proposals.c.outcome.is_(None))
    return [ProposalRow(*found) for found in await tx.connection.execute(query.order_by(proposals.c.idx))]


async def find(tx: Transaction, log: str, limit: int, before: str | None) -> list[ProposalRow]:
    """An institution's proposals, newest first, those before an id where one is given."""
    query = select_rows(proposals, ProposalRow).where(proposals.c.log == log)
    if before is not None:
        query = query.where(proposals.c.id < before)
    return [
        ProposalRow(*found) for found in await tx.connection.execute(query.order_by(proposals.c.id.desc()).limit(limit))
    ]


async def due(tx: Transaction, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Log and id of changes that have waited for too long."""
    query = sa.select(proposals.c.log, proposals.c.id).where(proposals.c.due_at <= now).order_by(proposals.c.due_at)
    return [(log, id_) for log, id_ in await tx.connection.execute(query.limit(limit))]


async def end(tx: Transaction, log: str, change_id: str, outcome: str) -> None:
    """Note how a change ended, and forget its secrets. Head lock held."""
    update = sa.update(proposals).where(proposals.c.log == log, proposals.c.id == change_id)
    await tx.connection.execute(update.values(outcome=outcome, due_at=None, secrets=None, tested=None))


async def keep(tx: Transaction, row: ProposalRow) -> None:
    """Write the sealed secrets and the test of a change. Head lock held."""
    update = sa.update(proposals).where(proposals.c.log == row.log, proposals.c.id == row.id)
    await tx.connection.execute(update.values(secrets=row.secrets, tested=row.tested))
