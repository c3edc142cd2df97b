"""Seals of institutions: the index of the last entry folded into the row, and a MAC whose key is not in the database.

`mac` is made and checked by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction, insert_of

_TABLE = tables.seals
_LEAVES = tables.leaves


@dataclass(frozen=True, slots=True)
class SealRow:
    """The seal of one log's institution; `folded` is the index of the last entry that changes an institution."""

    log: str
    folded: int
    mac: bytes


async def read(tx: Transaction, log: str) -> SealRow | None:
    """The seal of a log."""
    found = await tx.fetch(_READ, {"log": log})
    return SealRow(*found[0]) if found else None


_READ = select_rows(_TABLE, SealRow).where(_TABLE.c.log == sa.bindparam("log"))


async def put(tx: Transaction, row: SealRow) -> None:
    """Set a log's seal. The caller holds the lock of its head."""
    insert = insert_of(tx.dialect, _TABLE).values(values_of(row))
    changed = {"folded": row.folded, "mac": row.mac}
    await tx.connection.execute(insert.on_conflict_do_update(index_elements=["log"], set_=changed))


async def newest(tx: Transaction, log: str, types: Sequence[str]) -> int | None:
    """The index of the log's last entry of these types that its head counts: one look into the index for each."""
    size = sa.select(tables.logs.c.size).where(tables.logs.c.log == log).scalar_subquery()
    counted = sa.and_(_LEAVES.c.log == log, _LEAVES.c.idx < size)
    each = [
        sa.select(sa.func.max(_LEAVES.c.idx).label("idx")).where(counted, _LEAVES.c.type == type_) for type_ in types
    ]
    found = (await tx.connection.execute(sa.select(sa.func.max(sa.union_all(*each).subquery().c.idx)))).scalar_one()
    return None if found is None else int(found)
