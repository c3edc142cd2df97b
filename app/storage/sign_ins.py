"""Reconciliations, and the sign-ins that they judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.domain import reconciled_days
from app.domain.reconciled_days import Period
from app.domain.window import Span
from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_SIGN_INS, _RECONCILIATIONS = tables.sign_ins, tables.reconciliations
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SignInRow:
    """A sign-in that was judged, once: matched to a `session` of a `request`, or a `finding`.

    `at` is the earliest instant that it may have been at, `idx` the entry of the reconciliation that judged it.
    """

    log: str
    environment: str
    key: bytes
    at: datetime
    account: str
    session: str | None
    request: str | None
    confidence: str | None
    finding: str | None
    idx: int


@dataclass(frozen=True, slots=True)
class ReconciliationRow:
    """Records of an environment from `begins` to `ends` were given `at` an instant; `idx` is the entry that says so.

    `unread`: how many of them could not be read, and may be sign-ins.
    """

    log: str
    idx: int
    environment: str
    begins: datetime
    ends: datetime
    source: str
    records: int
    matched: int
    at: datetime
    unread: int = 0


def covered(rows: Iterable[ReconciliationRow]) -> list[Span]:
    """The time for which sign-ins are known: that of records which could all be read."""
    return reconciled_days.covered(Period(each.begins, each.ends, each.at) for each in rows if not each.unread)


async def add(tx: Transaction, row: ReconciliationRow, judged: Sequence[SignInRow]) -> None:
    """Insert a reconciliation, and the sign-ins that it judged first. The caller holds the lock of its log's head."""
    await tx.put(_RECONCILIATIONS, row)
    for start in range(0, len(judged), _AT_ONCE):
        some = [values_of(each) for each in judged[start : start + _AT_ONCE]]
        await tx.connection.execute(sa.insert(_SIGN_INS), some)


async def known(tx: Transaction, log: str, environment: str, keys: Sequence[bytes]) -> set[bytes]:
    """Those of these keys that were judged before."""
    found: set[bytes] = set()
    for start in range(0, len(keys), _AT_ONCE):
        some = _SIGN_INS.c.key.in_(keys[start : start + _AT_ONCE])
        query = sa.select(_SIGN_INS.c.key).where(_SIGN_INS.c.log == log, _SIGN_INS.c.environment == environment, some)
        found |= set((await tx.connection.execute(query)).scalars())
    return found


async def of_environment(
    tx: Transaction, log: str, environment: str, begins: datetime, ends: datetime, limit: int
) -> list[SignInRow]:
    """The sign-ins from `begins` (in) to `ends` (out), the newest of them, newest first."""
    query = _of(_SIGN_INS, SignInRow, log, environment).where(_SIGN_INS.c.at >= begins, _SIGN_INS.c.at < ends)
    query = query.order_by(_SIGN_INS.c.at.desc(), _SIGN_INS.c.key).limit(limit)
    return [SignInRow(*found) for found in await tx.connection.execute(query)]


async def reconciled(
    tx: Transaction, log: str, environment: str, since: datetime | None = None
) -> list[ReconciliationRow]:
    """The reconciliations of an environment that reach beyond `since`, in the order of their entries."""
    query = _of(_RECONCILIATIONS, ReconciliationRow, log, environment)
    if since is not None:
        query = query.where(_RECONCILIATIONS.c.ends > since)
    query = query.order_by(_RECONCILIATIONS.c.idx)
    return [ReconciliationRow(*found) for found in await tx.connection.execute(query)]


def _of(table: sa.Table, kind: type[Any], log: str, environment: str) -> sa.Select[Any]:
    return select_rows(table, kind).where(table.c.log == log, table.c.environment == environment)
