"""What may be erased, and the erasing: private parts and evidence, never a leaf.

The database lets a row go only when an entry of the same log, of this transaction at the latest, names it. On
PostgreSQL the application's role has no right to delete them at all: it calls a function of the retention role.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.domain.errors import CountersignError
from app.domain.events import CATALOGUE
from app.storage import tables
from app.storage.database import Transaction
from app.storage.entries import CHUNK, read_query, select_entries
from app.storage.leaves import Stored
from app.storage.privileges import ERASING

EVIDENT = tuple(sorted(type_ for type_, spec in CATALOGUE.items() if "evidence" in spec.data))
"""The types of entries that name evidence."""
SHARED = ("identity_provider.keys_seen", "scan.completed", "sign_ins.reconciled")
"""Those of them whose evidence may be named again by a later entry."""

_LEAVES, _PARTS, _EVIDENCE = tables.leaves, tables.private_parts, tables.evidence


async def with_private_part(tx: Transaction, log: str, start: int, stop: int, limit: int) -> list[Stored]:
    """The first entries from `start` (in) to `stop` (out) whose private part is there."""
    chosen = select_entries(log).where(_LEAVES.c.idx >= start, _LEAVES.c.idx < stop, _PARTS.c.part.is_not(None))
    return await read_query(tx, chosen.limit(limit))


async def with_evidence(tx: Transaction, log: str, start: int, stop: int, limit: int) -> list[Stored]:
    """The first entries from `start` (in) to `stop` (out) of the types that name evidence."""
    chosen = select_entries(log).where(_LEAVES.c.idx >= start, _LEAVES.c.idx < stop, _LEAVES.c.type.in_(EVIDENT))
    return await read_query(tx, chosen.limit(limit))


async def there(tx: Transaction, log: str, digests: Sequence[str]) -> list[str]:
    """Those of some evidence that is there, in their order."""
    found: set[str] = set()
    for start in range(0, len(digests), CHUNK):
        some = digests[start : start + CHUNK]
        query = sa.select(_EVIDENCE.c.digest).where(_EVIDENCE.c.log == log, _EVIDENCE.c.digest.in_(some))
        found.update((await tx.connection.execute(query)).scalars())
    return [digest for digest in digests if digest in found]


async def named_from(tx: Transaction, log: str, start: int) -> frozenset[str]:
    """The evidence that entries from `start` on name, of the types that may name it again."""
    chosen = select_entries(log).where(_LEAVES.c.idx >= start, _LEAVES.c.type.in_(SHARED))
    found = await read_query(tx, chosen)
    return frozenset(digest for each in found for digest in each.entry.data["evidence"])


async def of_types(tx: Transaction, log: str, types: Sequence[str]) -> list[Stored]:
    """All entries of some types, by rising index."""
    return await read_query(tx, select_entries(log).where(_LEAVES.c.type.in_(types)))


async def open_findings(tx: Transaction, log: str) -> frozenset[str]:
    """The findings that are not closed."""
    table = tables.findings
    query = sa.select(table.c.id).where(table.c.log == log, table.c.state != "closed")
    return frozenset((await tx.connection.execute(query)).scalars())


async def erase(tx: Transaction, log: str, indexes: Sequence[int], digests: Sequence[str]) -> None:
    """Erase private parts by index, and evidence by hash, which entries of this transaction name. Head lock held.

    Raises `CountersignError` where one of them was not there, and the database's error where none names it.
    """
    await _erase(tx, _PARTS, log, _PARTS.c.idx, indexes)
    await _erase(tx, _EVIDENCE, log, _EVIDENCE.c.digest, digests)


async def _erase(tx: Transaction, table: sa.Table, log: str, column: sa.Column[Any], keys: Sequence[Any]) -> None:
    if not keys:
        return
    if tx.dialect == "sqlite":
        found = await tx.connection.execute(sa.delete(table).where(table.c.log == log, column.in_(keys)))
        erased = found.rowcount
    else:
        array = sa.literal(list(keys), sa.ARRAY(sa.BigInteger if table is _PARTS else sa.Text))
        call = getattr(sa.func, ERASING[table.name])(log, array, type_=sa.BigInteger)
        erased = (await tx.connection.execute(sa.select(call))).scalar_one()
    if erased != len(keys):
        raise CountersignError(f"{len(keys) - erased} rows of {table.name} that were to be erased are not there")
