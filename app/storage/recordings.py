"""Parts of recordings, as rows: what each is, and where its bytes are; and the key of an institution's recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction

_PARTS = tables.session_parts
_KEYS = tables.recording_keys


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part. `digest` is `sha256:<hex>` of its bytes, `object` the key of their sealed form in the store."""

    log: str
    session: str
    n: int
    bytes: int
    digest: str
    content_type: str
    at: datetime
    object: str
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _KeyRow:
    log: str
    wrapped: bytes
    created_at: datetime


async def add(tx: Transaction, row: PartRow) -> None:
    """Insert a part. Head lock held."""
    await tx.put(_PARTS, row)


async def read(tx: Transaction, log: str, session: str, n: int) -> PartRow | None:
    """A part."""
    found = await tx.fetch(_ONE, {"log": log, "session": session, "n": n})
    return PartRow(*found[0]) if found else None


_ONE = select_rows(_PARTS, PartRow).where(
    _PARTS.c.log == sa.bindparam("log"), _PARTS.c.session == sa.bindparam("session"), _PARTS.c.n == sa.bindparam("n")
)


async def of_session(tx: Transaction, log: str, session: str) -> list[PartRow]:
    """The parts of a session, in order."""
    query = select_rows(_PARTS, PartRow).where(_PARTS.c.log == log, _PARTS.c.session == session)
    return [PartRow(*found) for found in await tx.connection.execute(query.order_by(_PARTS.c.n))]


async def latest(tx: Transaction, log: str, session: str, limit: int, before: int | None = None) -> list[PartRow]:
    """The last parts of a session, by number, newest first; those numbered below `before`."""
    query = select_rows(_PARTS, PartRow).where(_PARTS.c.log == log, _PARTS.c.session == session)
    if before is not None:
        query = query.where(_PARTS.c.n < before)
    return [PartRow(*found) for found in await tx.connection.execute(query.order_by(_PARTS.c.n.desc()).limit(limit))]


async def count(tx: Transaction, log: str, session: str) -> int:
    """How many parts a session has."""
    query = sa.select(sa.func.count()).where(_PARTS.c.log == log, _PARTS.c.session == session)
    return int((await tx.connection.execute(query)).scalar_one())


async def logs_kept(tx: Transaction, before: datetime) -> list[str]:
    """The institutions that have parts from before an instant."""
    query = sa.select(_PARTS.c.log).where(_PARTS.c.erased_at.is_(None), _PARTS.c.at <= before).distinct()
    return list((await tx.connection.execute(query.order_by(_PARTS.c.log))).scalars())


async def logs(tx: Transaction) -> list[str]:
    """The institutions that have a key for recordings: those that ever were sent a part."""
    return list((await tx.connection.execute(sa.select(_KEYS.c.log).order_by(_KEYS.c.log))).scalars())


async def named(tx: Transaction, log: str, objects: Sequence[str]) -> set[str]:
    """Those of these keys of the store that are of an institution's part."""
    sessions = {each.split("/")[1] for each in objects if each.count("/") > 1}
    query = sa.select(_PARTS.c.object).where(_PARTS.c.log == log, _PARTS.c.session.in_(sessions))
    return set((await tx.connection.execute(query.where(_PARTS.c.object.in_(objects)))).scalars())


async def kept(tx: Transaction, log: str, before: datetime, limit: int) -> list[PartRow]:
    """An institution's parts from before an instant that are not erased yet, oldest first."""
    query = select_rows(_PARTS, PartRow).where(_PARTS.c.log == log, _PARTS.c.erased_at.is_(None), _PARTS.c.at <= before)
    return [PartRow(*found) for found in await tx.connection.execute(query.order_by(_PARTS.c.at).limit(limit))]


async def erased(tx: Transaction, rows: Sequence[PartRow], now: datetime) -> None:
    """Tell of parts that their bytes are gone."""
    for row in rows:
        same = sa.and_(_PARTS.c.log == row.log, _PARTS.c.session == row.session, _PARTS.c.n == row.n)
        await tx.connection.execute(sa.update(_PARTS).where(same).values(erased_at=now))


async def key_of(tx: Transaction, log: str) -> bytes | None:
    """The institution's key, wrapped."""
    query = sa.select(_KEYS.c.wrapped).where(_KEYS.c.log == log)
    return (await tx.connection.execute(query)).scalar_one_or_none()


async def make_key(tx: Transaction, log: str, wrapped: bytes, now: datetime) -> bytes:
    """Keep a new key, unless another was faster; the one that counts."""
    await tx.put_once(_KEYS, _KeyRow(log, wrapped, now))
    return await key_of(tx, log) or wrapped
