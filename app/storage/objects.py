"""Evidence: blobs named by their SHA-256, each stored once and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from app.storage import tables
from app.storage.database import Transaction

_TABLE = tables.evidence


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """`digest` is `sha256:<hex>` of `blob`."""

    log: str
    digest: str
    blob: bytes


async def put(tx: Transaction, row: EvidenceRow) -> bool:
    """Store a blob; false when this log already has that digest (a countersignature then counts no second time)."""
    if tx.dialect == "sqlite":  # its trigger refuses an existing key before ON CONFLICT is asked; the writer is alone
        if await read(tx, row.log, row.digest) is not None:
            return False
        await tx.put(_TABLE, row)
        return True
    return await tx.put_once(_TABLE, row)


async def read(tx: Transaction, log: str, digest: str) -> bytes | None:
    """The blob of a digest; null for none (never stored, or erased)."""
    query = sa.select(_TABLE.c.blob).where(_TABLE.c.log == log, _TABLE.c.digest == digest)
    return (await tx.connection.execute(query)).scalar_one_or_none()


async def read_many(tx: Transaction, log: str, digests: Sequence[str]) -> dict[str, bytes]:
    """The blobs of these digests, those that there are."""
    if tx.dialect == "postgresql":
        rows = await tx.fetch(_MANY, {"log": log, "digests": list(digests)}) if digests else ()
        return {row[0]: row[1] for row in rows}
    found: dict[str, bytes] = {}
    for start in range(0, len(digests), 500):
        some = digests[start : start + 500]
        query = sa.select(_TABLE.c.digest, _TABLE.c.blob).where(_TABLE.c.log == log, _TABLE.c.digest.in_(some))
        found |= {row.digest: row.blob for row in await tx.connection.execute(query)}
    return found


_MANY = sa.select(_TABLE.c.digest, _TABLE.c.blob).where(
    _TABLE.c.log == sa.bindparam("log"),
    _TABLE.c.digest == sa.func.any(sa.bindparam("digests", type_=sa.ARRAY(sa.String))),
)
