"""What operators watch, as the database tells it: requests, deliveries, sessions, logs, witnesses.

Every statement reads few rows: those that live or wait have indexes of their own, and there is one head row a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.database import Transaction

_LOGS, _LEAVES = tables.logs, tables.leaves
_REQUESTS, _SESSIONS, _OUTBOX = tables.requests, tables.sessions, tables.outbox
_WITNESSES, _SIZES = tables.witnesses, tables.witness_sizes


@dataclass(frozen=True, slots=True)
class Pile:
    """How many of a kind there are, and since when the oldest is."""

    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Behind:
    """How far a witness is behind: the logs whose checkpoint it has not cosigned to the end, by why it last did not
    (`waiting` where nothing is known to be wrong).
    """

    vkey: str
    logs: Mapping[str, int]


async def living_requests(tx: Transaction) -> dict[str, Pile]:
    """Requests that are not over, by status, since they were created."""
    at = _REQUESTS.c
    query = sa.select(at.status, sa.func.count(), sa.func.min(at.created_at)).where(at.due_at.is_not(None))
    return {row[0]: Pile(*row[1:]) for row in await tx.connection.execute(query.group_by(at.status))}


async def clock_due(tx: Transaction) -> datetime | None:
    """When the next change of a request by the clock alone is due; long past where no worker records them."""
    query = sa.select(sa.func.min(_REQUESTS.c.due_at)).where(_REQUESTS.c.due_at.is_not(None))
    return (await tx.connection.execute(query)).scalar_one()  # type: ignore[no-any-return]  # the column's type


async def waiting(tx: Transaction, *, webhooks: bool) -> Pile | None:
    """Mails (or webhooks' messages) that were not delivered yet."""
    at = _OUTBOX.c
    kind = at.webhook.is_not(None) if webhooks else at.webhook.is_(None)
    query = sa.select(sa.func.count(), sa.func.min(at.created_at)).where(at.status == "waiting", kind)
    count, since = (await tx.connection.execute(query)).one()
    return Pile(count, since) if count else None


async def living_sessions(tx: Transaction) -> dict[str, int]:
    """Sessions that are not over, by state."""
    at = _SESSIONS.c
    query = sa.select(at.state, sa.func.count()).where(at.state.in_(["open", "lost"])).group_by(at.state)
    return {state: count for state, count in await tx.connection.execute(query)}  # noqa: C416 -- rows are no pairs


async def unpublished_since(tx: Transaction) -> datetime | None:
    """Since when the log that has waited longest for a checkpoint has grown."""
    query = sa.select(sa.func.min(_LOGS.c.grown_at)).where(_LOGS.c.grown_at.is_not(None))
    return (await tx.connection.execute(query)).scalar_one()  # type: ignore[no-any-return]  # the column's type


async def unwitnessed(tx: Transaction) -> list[tuple[str, bytes]]:
    """Logs with entries that some witness has not followed: their names, and the first such leaf of each."""
    followed = _each_followed().subquery()
    seen = sa.select(followed.c.log, sa.func.min(followed.c.followed).label("seen")).group_by(followed.c.log).subquery()
    place = sa.and_(_LEAVES.c.log == seen.c.log, _LEAVES.c.idx == seen.c.seen)
    query = sa.select(seen.c.log, _LEAVES.c.leaf).join_from(seen, _LEAVES, place)
    return [(log, bytes(leaf)) for log, leaf in await tx.connection.execute(query)]


async def behind(tx: Transaction) -> list[Behind]:
    """Each witness, with the logs that it is behind."""
    every = list((await tx.connection.execute(sa.select(_WITNESSES.c.vkey))).scalars())
    each = _each_followed().subquery()
    why = sa.func.coalesce(each.c.problem, "waiting")
    query = sa.select(each.c.vkey, why, sa.func.count()).where(each.c.followed < each.c.size).group_by(each.c.vkey, why)
    found: dict[str, dict[str, int]] = {vkey: {} for vkey in every}
    for vkey, problem, count in await tx.connection.execute(query):
        found[vkey][problem] = count
    return [Behind(vkey, found[vkey]) for vkey in every]


def _each_followed() -> sa.Select[tuple[str, int, str, int, str | None]]:
    """Every log with every witness, and how far it followed."""
    same = sa.and_(_SIZES.c.log == _LOGS.c.log, _SIZES.c.vkey == _WITNESSES.c.vkey)
    columns = (
        _LOGS.c.log,
        _LOGS.c.size,
        _WITNESSES.c.vkey,
        sa.func.coalesce(_SIZES.c.size, 0).label("followed"),
        _SIZES.c.problem,
    )
    return sa.select(*columns).select_from(_LOGS.join(_WITNESSES, sa.true()).outerjoin(_SIZES, same))
