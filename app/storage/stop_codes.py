"""Stop codes: keyed hashes alone, ten to a set, one set an institution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction

_TABLE = tables.stop_codes


@dataclass(frozen=True, slots=True)
class StopCodeRow:
    """`code` is the keyed hash; `made_by` a `per_…`; `ended` how many grants its use ended, null while unused."""

    log: str
    code: bytes
    made_at: datetime
    made_by: str
    used_at: datetime | None = None
    ended: int | None = None


async def set_all(tx: Transaction, log: str, rows: Sequence[StopCodeRow]) -> None:
    """Put a new set in the place of the old one, whose codes are void. Head lock held."""
    await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.log == log))
    for row in rows:
        await tx.put(_TABLE, row)


async def read_all(tx: Transaction, log: str) -> list[StopCodeRow]:
    """The institution's set, used ones included."""
    query = select_rows(_TABLE, StopCodeRow).where(_TABLE.c.log == log).order_by(_TABLE.c.code)
    return [StopCodeRow(*found) for found in await tx.connection.execute(query)]


async def is_unused(tx: Transaction, log: str, code: bytes) -> bool:
    """Whether the institution has this code and it was not used."""
    query = sa.select(_TABLE.c.log).where(*_unused(log, code))
    return (await tx.connection.execute(query)).one_or_none() is not None


async def use(tx: Transaction, log: str, code: bytes, at: datetime, ended: int) -> bool:
    """Use a code up; false when it is not there or another was faster."""
    update = sa.update(_TABLE).where(*_unused(log, code)).values(used_at=at, ended=ended)
    return (await tx.connection.execute(update)).rowcount == 1


def _unused(log: str, code: bytes) -> tuple[sa.ColumnElement[bool], ...]:
    return _TABLE.c.log == log, _TABLE.c.code == code, _TABLE.c.used_at.is_(None)
