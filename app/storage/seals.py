"""Seals of institutions: the index of the last entry folded into the row, and a MAC whose key is not in the database.

`mac` is made and checked by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

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


async def read(tx: Transaction, log: str, types: tuple[str, ...]) -> tuple[SealRow | None, int | None]:
    """The seal of a log, and the index of the log's last entry of these types."""
    found = await tx.fetch(_read(types), {"log": log})
    return (SealRow(*found[0][:-1]), found[0][-1]) if found else (None, await newest(tx, log, types))


@cache
def _read(types: tuple[str, ...]) -> sa.Select[Any]:
    sealed = select_rows(_TABLE, SealRow).where(_TABLE.c.log == sa.bindparam("log"))
    return sealed.add_columns(_newest(types).scalar_subquery())


async def put(tx: Transaction, row: SealRow) -> None:
    """Set a log's seal. The caller holds the lock of its head."""
    insert = insert_of(tx.dialect, _TABLE).values(values_of(row))
    changed = {"folded": row.folded, "mac": row.mac}
    await tx.connection.execute(insert.on_conflict_do_update(index_elements=["log"], set_=changed))


async def newest(tx: Transaction, log: str, types: tuple[str, ...]) -> int | None:
    """The index of the log's last entry of these types that its head counts: one look into the index for each."""
    ((found,),) = await tx.fetch(_newest(types), {"log": log})
    return None if found is None else int(found)


@cache
def _newest(types: tuple[str, ...]) -> sa.Select[Any]:
    log: sa.BindParameter[str] = sa.bindparam("log")
    size = sa.select(tables.logs.c.size).where(tables.logs.c.log == log).scalar_subquery()
    counted = sa.and_(_LEAVES.c.log == log, _LEAVES.c.idx < size)
    each = [
        sa.select(sa.func.max(_LEAVES.c.idx).label("idx")).where(counted, _LEAVES.c.type == sa.literal(type_))
        for type_ in types
    ]
    return sa.select(sa.func.max(sa.union_all(*each).subquery().c.idx))
