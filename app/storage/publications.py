"""The queue of checkpoints: logs that grew since the last one, each with one owner at a time.

An append marks its log in the head row (`logs.grown_at`); no idle log is ever looked at. An owner has a lease; when it
runs out another may take over, and what the late one settles changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction

_LOGS = tables.logs
_TABLE = tables.publications


@dataclass(frozen=True, slots=True)
class Publication:
    """The last published checkpoint of a log. `retry_at`: when witnesses that did not sign are asked again.

    `observe_at`: when another log is to record it; `observed_at`, `observed_size`: when one last did, and how long the
    log was then.
    """

    log: str
    size: int = 0
    at: datetime | None = None
    retry_at: datetime | None = None
    observe_at: datetime | None = None
    observed_at: datetime | None = None
    observed_size: int = 0


async def read(tx: Transaction, log: str) -> Publication:
    """What was last published of a log."""
    query = select_rows(_TABLE, Publication).where(_TABLE.c.log == log)
    found = (await tx.connection.execute(query)).one_or_none()
    return Publication(log) if found is None else Publication(*found)


async def due(tx: Transaction, now: datetime, grown_before: datetime, limit: int) -> list[str]:
    """Logs that grew before an instant and were not published since, longest due first, then those to retry."""
    free = sa.or_(_TABLE.c.leased_until.is_(None), _TABLE.c.leased_until <= now)
    grown = sa.select(_LOGS.c.log).outerjoin_from(_LOGS, _TABLE, _LOGS.c.log == _TABLE.c.log)
    grown = grown.where(_LOGS.c.grown_at <= grown_before, free).order_by(_LOGS.c.grown_at).limit(limit)
    again = sa.select(_TABLE.c.log).where(_TABLE.c.retry_at <= now, free).order_by(_TABLE.c.retry_at).limit(limit)
    found = [*(await tx.connection.execute(grown)).scalars(), *(await tx.connection.execute(again)).scalars()]
    return list(dict.fromkeys(found))[:limit]


async def claim(tx: Transaction, log: str, lease: str, now: datetime, until: datetime) -> bool:
    """Own a log until an instant, under a random name; false while somebody else does."""
    taken = {"lease": lease, "leased_until": until}
    free = sa.or_(_TABLE.c.leased_until.is_(None), _TABLE.c.leased_until <= now)
    claimed = tx.insert(_TABLE).values(log=log, size=0, observed_size=0, **taken)
    claimed = claimed.on_conflict_do_update(index_elements=["log"], set_=taken, where=free)
    return (await tx.connection.execute(claimed.returning(_TABLE.c.log))).one_or_none() is not None


async def settle(
    tx: Transaction, log: str, lease: str, size: int, now: datetime, retry_at: datetime | None, pace: timedelta | None
) -> bool:
    """The tree of `size` entries is published, and the log free again; false when the lease is no longer ours.

    A log that grew further than what another log recorded of it is due to be observed again, at this pace (null: it
    never is).
    """
    kept = await read(tx, log)
    observe_at = kept.observe_at
    if pace is not None and observe_at is None and size > kept.observed_size:
        observe_at = now if kept.observed_at is None else max(now, kept.observed_at + pace)
    values = {"size": size, "at": now, "lease": None, "leased_until": None, "retry_at": retry_at}
    held = sa.update(_TABLE).where(_TABLE.c.log == log, _TABLE.c.lease == lease)
    if (await tx.connection.execute(held.values(**values, observe_at=observe_at))).rowcount != 1:
        return False
    published = sa.update(_LOGS).where(_LOGS.c.log == log, _LOGS.c.grown_at.is_not(None))
    left = sa.case((_LOGS.c.size == size, sa.null()), else_=sa.literal(now, _LOGS.c.grown_at.type))
    await tx.connection.execute(published.values(grown_at=left))
    return True


async def unobserved(tx: Transaction, now: datetime, limit: int) -> list[str]:
    """Logs that another log is to record now."""
    query = sa.select(_TABLE.c.log).where(_TABLE.c.observe_at <= now).order_by(_TABLE.c.observe_at).limit(limit)
    return list((await tx.connection.execute(query)).scalars())


async def observed(tx: Transaction, log: str, now: datetime, size: int) -> bool:
    """Another log records it in this transaction, after which it has `size` entries; false where it is not due."""
    due = sa.update(_TABLE).where(_TABLE.c.log == log, _TABLE.c.observe_at <= now)
    done = due.values(observe_at=None, observed_at=now, observed_size=size)
    return (await tx.connection.execute(done)).rowcount == 1


async def observe_later(tx: Transaction, log: str, at: datetime) -> None:
    """It could not be observed now."""
    due = sa.update(_TABLE).where(_TABLE.c.log == log, _TABLE.c.observe_at.is_not(None))
    await tx.connection.execute(due.values(observe_at=at))
