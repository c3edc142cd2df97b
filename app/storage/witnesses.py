"""Witnesses: who they are and how they do, how far each has followed each log, and the cosignatures they gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_WITNESSES = tables.witnesses
_SIZES = tables.witness_sizes
_COSIGNATURES = tables.cosignatures


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """A witness that is asked. `failures` in a row; it is left alone until `retry_at`, because of `problem`."""

    vkey: str
    url: str
    failures: int = 0
    retry_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class WitnessSize:
    """The size of a log up to which a witness has followed it; `problem` is why it did not follow last time."""

    log: str
    vkey: str
    size: int
    problem: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CosignatureRow:
    """A cosignature of the tree of `size` entries: the signature line with its newline, and its time (POSIX)."""

    log: str
    size: int
    vkey: str
    line: str
    time: int


async def every(tx: Transaction) -> list[WitnessRow]:
    """All witnesses, in the order of their keys."""
    query = select_rows(_WITNESSES, WitnessRow).order_by(_WITNESSES.c.vkey)
    return [WitnessRow(*found) for found in await tx.connection.execute(query)]


async def declare(tx: Transaction, rows: Sequence[WitnessRow]) -> None:
    """These are the witnesses from now on. What is known of one that stays is kept, unless it has moved."""
    known = {row.vkey: row for row in await every(tx)}
    await tx.connection.execute(sa.delete(_WITNESSES))
    for row in rows:
        kept = known.get(row.vkey, row)
        await tx.put(_WITNESSES, kept if kept.url == row.url else row)


async def fared(tx: Transaction, row: WitnessRow) -> None:
    """Keep how a witness does; nothing happens where it was taken out meanwhile."""
    values = {"failures": row.failures, "retry_at": row.retry_at, "problem": row.problem}
    await tx.connection.execute(sa.update(_WITNESSES).where(_WITNESSES.c.vkey == row.vkey).values(values))


async def sizes(tx: Transaction, log: str) -> dict[str, WitnessSize]:
    """How far each witness has followed a log, by its key, the keys in order."""
    query = select_rows(_SIZES, WitnessSize).where(_SIZES.c.log == log).order_by(_SIZES.c.vkey)
    return {found.vkey: WitnessSize(*found) for found in await tx.connection.execute(query)}


async def followed(tx: Transaction, row: WitnessSize) -> None:
    """Keep how far a witness has followed a log."""
    values = values_of(row)
    kept = tx.insert(_SIZES).on_conflict_do_update(index_elements=["log", "vkey"], set_=values)
    await tx.connection.execute(kept, values)


async def keep(tx: Transaction, row: CosignatureRow) -> None:
    """Keep a cosignature; of one witness and size the first."""
    await tx.put_once(_COSIGNATURES, row)


async def cosignatures(tx: Transaction, log: str, size: int | None = None) -> list[CosignatureRow]:
    """The cosignatures of a log, of one size or of all, by size and key."""
    query = select_rows(_COSIGNATURES, CosignatureRow).where(_COSIGNATURES.c.log == log)
    if size is not None:
        query = query.where(_COSIGNATURES.c.size == size)
    query = query.order_by(_COSIGNATURES.c.size, _COSIGNATURES.c.vkey)
    return [CosignatureRow(*found) for found in await tx.connection.execute(query)]


async def newest_by_all(tx: Transaction, log: str, vkeys: Sequence[str]) -> int | None:
    """The greatest size that all of these witnesses cosigned; null where there is none, and for no witnesses."""
    signed = _COSIGNATURES.c
    query = (
        sa.select(signed.size)
        .where(signed.log == log, signed.vkey.in_(vkeys))
        .group_by(signed.size)
        .having(sa.func.count() == len(vkeys))
        .order_by(signed.size.desc())
        .limit(1)
    )
    found: int | None = (await tx.connection.execute(query)).scalar_one_or_none()
    return found
