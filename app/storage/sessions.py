"""Sessions: one row each, sealed by a MAC that the caller makes and checks, with what changes at every call beside it.

A row is locked before it is changed: whoever holds the head of the log locks the rows it changes, all in one statement
and in the order of their ids, and so does whoever records activity without the head. So an ending and a report of the
same session have an order, and nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_TABLE = tables.sessions
LIVING = ("open", "lost")
# Words of the statement and no parameters, so that plans for whatever parameters have the indexes on these states.
_OPEN, _LIVES = sa.text("sessions.state = 'open'"), sa.text("sessions.state IN ('open', 'lost')")
Key = Literal["id", "jti", "credential"]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One use of a grant. `client` is the gateway's `cli_…`, null at the gate; `credential` the hash of the gate's
    cookie, `jkt` the key its token was bound to; `engineer_id` is the vendor's id, `not_after` the grant's end.

    `segments` counts those sealed, `sealed` the events in them; `coverage` is the domain's `Record.to_data()`;
    `record_by`: when a recording that is owed is missed. What follows `mac` is not under it: `events` counts what was
    reported, `seen_at` is the last sign of life, `seal_at` when what is not sealed yet has to be.
    """

    log: str
    id: str
    request: str
    grant: str
    jti: str
    client: str | None
    audience: str
    environment: str
    account: str
    engineer_id: str
    credential: bytes | None
    jkt: str | None
    state: str
    opened_at: datetime
    opened_index: int
    not_after: datetime
    ended_at: datetime | None
    ended_because: str | None
    segments: int
    sealed: int
    coverage: dict[str, Any]
    record_by: datetime | None
    mac: bytes
    events: int
    seen_at: datetime
    seal_at: datetime | None


async def add(tx: Transaction, row: SessionRow) -> bool:
    """Insert a session; false where its token has opened one. Head lock held."""
    return await tx.put_once(_TABLE, row)


async def save(tx: Transaction, row: SessionRow) -> None:
    """Write every field of a session. Its row is locked."""
    same = {"key_log": row.log, "key_id": row.id}
    await tx.fetch(_SAVE, values_of(row) | same)


_SAVE = sa.update(_TABLE).where(_TABLE.c.log == sa.bindparam("key_log"), _TABLE.c.id == sa.bindparam("key_id"))


async def read(tx: Transaction, session_id: str) -> SessionRow | None:
    """The session of an id."""
    found = await tx.fetch(_OF_ID, {"id": session_id})
    return SessionRow(*found[0]) if found else None


_OF_ID = select_rows(_TABLE, SessionRow).where(_TABLE.c.id == sa.bindparam("id"))


async def read_many(tx: Transaction, key: Key, values: Sequence[str | bytes]) -> list[SessionRow]:
    """The sessions with one of these ids, `jti`s or credentials: one query for a group of callers."""
    query = select_rows(_TABLE, SessionRow).where(_any(tx, _TABLE.c[key], values))
    return [SessionRow(*found) for found in await tx.connection.execute(query)]


async def lock(tx: Transaction, ids: Sequence[str]) -> list[SessionRow]:
    """Lock these sessions, in their order; those that there are, as they are now."""
    query = select_rows(_TABLE, SessionRow).where(_any(tx, _TABLE.c.id, ids))
    return await _locked(tx, query)


async def lock_of(tx: Transaction, log: str, requests: Sequence[str], ids: Sequence[str] = ()) -> list[SessionRow]:
    """Lock the sessions on these requests that are open or lost, and those with these ids. Head lock held, so none can
    be opened meanwhile.
    """
    living = sa.and_(_any(tx, _TABLE.c.request, requests), _TABLE.c.state.in_(LIVING))
    query = select_rows(_TABLE, SessionRow).where(_TABLE.c.log == log, sa.or_(living, _any(tx, _TABLE.c.id, ids)))
    return await _locked(tx, query)


async def _locked(tx: Transaction, query: sa.Select[Any]) -> list[SessionRow]:
    result = await tx.connection.execute(query.order_by(_TABLE.c.log, _TABLE.c.id).with_for_update())
    return [SessionRow(*found) for found in result]


def _any(tx: Transaction, column: sa.Column[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    if tx.dialect == "postgresql":
        return column == sa.func.any(sa.bindparam(None, list(values), type_=sa.ARRAY(column.type)))
    return column.in_(values)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shows: sessions of the institutions `logs` (null: all) at the gateways `audiences`, newest first."""

    logs: tuple[str, ...] | None
    audiences: tuple[str, ...] | None = None
    request: str | None = None
    states: tuple[str, ...] = ()


async def find(tx: Transaction, wanted: Filter, limit: int, before: str | None = None) -> list[SessionRow]:
    """A page, newest first; `before` is the id of the last row of the page before (ids sort by time)."""
    query = select_rows(_TABLE, SessionRow)
    for name, values in (("log", wanted.logs), ("audience", wanted.audiences), ("state", wanted.states or None)):
        if values is not None:
            query = query.where(_TABLE.c[name].in_(values))
    if wanted.request is not None:
        query = query.where(_TABLE.c.request == wanted.request)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    result = await tx.connection.execute(query.order_by(_TABLE.c.id.desc()).limit(limit))
    return [SessionRow(*found) for found in result]


async def of_requests(tx: Transaction, log: str, ids: Sequence[str]) -> list[SessionRow]:
    """The sessions on these requests of an institution, in their order."""
    query = select_rows(_TABLE, SessionRow).where(_TABLE.c.log == log, _any(tx, _TABLE.c.request, ids))
    return [SessionRow(*found) for found in await tx.connection.execute(query.order_by(_TABLE.c.opened_at))]


async def during(
    tx: Transaction, log: str, environment: str | None, begins: datetime, ends: datetime
) -> list[SessionRow]:
    """The sessions of an environment (null: of all) that were open between these instants, the bounds included, in
    their order.
    """
    lasted = sa.or_(_TABLE.c.state.in_(LIVING), _TABLE.c.ended_at >= begins)
    query = select_rows(_TABLE, SessionRow).where(_TABLE.c.log == log, lasted)
    if environment is not None:
        query = query.where(_TABLE.c.environment == environment)
    query = query.where(_TABLE.c.opened_at <= ends).order_by(_TABLE.c.opened_at, _TABLE.c.id)
    return [SessionRow(*found) for found in await tx.connection.execute(query)]


async def due(tx: Transaction, now: datetime, silent_since: datetime, limit: int) -> list[tuple[str, str]]:
    """`(log, id)` of sessions for which the clock has something to do: a grant over, a silence or a missing recording,
    events to seal.
    """
    conditions = (
        sa.and_(_LIVES, _TABLE.c.not_after <= now),
        sa.and_(_OPEN, _TABLE.c.seen_at <= silent_since),
        sa.and_(_OPEN, _TABLE.c.record_by <= now),
        sa.and_(_TABLE.c.seal_at.is_not(None), _TABLE.c.seal_at <= now),
    )
    found: dict[tuple[str, str], None] = {}
    # One by one: each has an index of its own, but for silence. `seen_at` changes at every call and stands in none;
    # the silent are found among the open ones, by the index on `record_by`.
    for condition in conditions:
        query = sa.select(_TABLE.c.log, _TABLE.c.id).where(condition).limit(limit)
        found |= dict.fromkeys(await tx.connection.execute(query))
    return list(found)[:limit]
