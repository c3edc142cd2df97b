"""The logs: the locked head row, the append, and the reads (`trail-format.md`).

An append locks the head row first and reads the clock after, so that `at` never decreases and no log forks. Leaves are
stored once, as the exact bytes; the head holds the right edge; a tile becomes a row when it is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.domain import events as catalogue
from app.domain.errors import CountersignError, Unavailable
from app.domain.events import Entry, Event
from app.domain.ids import is_id, new_id
from app.domain.request import SEEN
from app.domain.times import stamp
from app.storage import tables
from app.storage.database import Transaction, insert_of
from app.storage.nodes import read_tiles
from app.trail import canonical, tiles
from app.trail import log as trail
from app.trail.hashing import Edge, leaf_hash

MAX_AHEAD = timedelta(seconds=2)

_LOGS = tables.logs
_LEAVES = tables.leaves
_PARTS = tables.private_parts
_TILES = tables.tiles
_CHANGES = tables.changes


@dataclass(frozen=True, slots=True)
class Head:
    """A locked log. `at` is the instant of the next append: now, or the last entry's `at` where the clock is behind
    that.

    `clock_ahead`: the last entry is more than 2 s ahead of the clock, so grants are refused, endings never.
    """

    log: str
    origin: str
    edge: Edge
    last_at: datetime | None
    at: datetime
    clock_ahead: bool

    @property
    def size(self) -> int:
        """How many entries the log has: the index of the next."""
        return self.edge.size


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry, the exact bytes of its leaf, and its private part (null where it has none, or it was erased)."""

    entry: Entry
    leaf: bytes
    private: bytes | None


class LogExists(CountersignError):
    """A log of this code or origin is there already."""


async def open_log(tx: Transaction, log: str, origin: str) -> Head:
    """Open a new, empty log and lock it. Raises `LogExists` where code or origin are taken: none is ever
    re-initialised.
    """
    opened = tx.insert(_LOGS).values(log=log, origin=origin, size=0, edge=(), last_at=None).on_conflict_do_nothing()
    if (await tx.connection.execute(opened)).rowcount != 1:
        raise LogExists(f"the log {log} exists")
    return head_of(log, origin, Edge(), None, await tx.now())


async def lock(tx: Transaction, log: str) -> Head:
    """Lock the head of a log, then read the clock. Raises `KeyError` for a log that is not there, `Unavailable` in
    doubt.
    """
    found = await tx.fetch(_LOCK[tx.dialect], {"code": log})
    if not found:
        raise KeyError(log)
    origin, size, edge, last_at, clock = found[0]
    now = tx.clock() if tx.clock is not None else (clock or datetime.now(UTC))
    return head_of(log, origin, Edge(size, edge), last_at, now.astimezone(UTC))


def head_of(log: str, origin: str, edge: Edge, last_at: datetime | None, now: datetime) -> Head:
    """The head of a log at `now`."""
    if last_at is None or last_at <= now:
        return Head(log, origin, edge, last_at, now, clock_ahead=False)
    return Head(log, origin, edge, last_at, last_at, clock_ahead=last_at - now > MAX_AHEAD)


def _lock_statements() -> dict[str, sa.Select[Any]]:
    wanted = sa.select(_LOGS.c.origin, _LOGS.c.size, _LOGS.c.edge, _LOGS.c.last_at)
    wanted = wanted.where(_LOGS.c.log == sa.bindparam("code"))
    # Materialized: the clock is read over rows already locked. Beside FOR UPDATE it would be read before the wait.
    locked = wanted.with_for_update().cte("locked").prefix_with("MATERIALIZED")
    clock = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)).label("now")
    return {
        "postgresql": sa.select(*locked.c, clock),
        "sqlite": wanted.add_columns(sa.null().label("now")),  # the transaction began as the one writer
    }


_LOCK = _lock_statements()


async def append(tx: Transaction, head: Head, events: Sequence[Event]) -> tuple[Head, list[Stored]]:
    """Append events to a locked log as one append; the head after it, and what was stored.

    Raises as `compose` and `store` do.
    """
    stored = [compose(head, index, event) for index, event in enumerate(events, head.size)]
    return await store(tx, head, stored), stored


async def store(tx: Transaction, head: Head, stored: Sequence[Stored]) -> Head:
    """Append what was composed for this head, from its size on, as one append; the head after it.

    Raises `Unavailable` where an entry that nobody appended has taken the place.
    """
    if not stored:
        return head
    opened = await read_tiles(tx, head.log, tiles.open_tiles(head.size, head.size + len(stored)))
    hashes = [leaf_hash(each.leaf) for each in stored]
    plan = trail.plan(head.edge, hashes, opened)
    try:
        await _store(tx, head, stored, hashes, plan)
    except IntegrityError as error:
        raise Unavailable(f"the log of {head.log} holds entries that its head does not count") from error
    tx.appended.extend(each.entry for each in stored)
    return Head(head.log, head.origin, plan.edge, head.at, head.at, head.clock_ahead)


def compose(head: Head, index: int, event: Event) -> Stored:
    """The entry that an event is at this index of the next append.

    Raises `CatalogueError` for an event that is not of the catalogue, `CanonicalError` for one that has no canonical
    form.
    """
    catalogue.check(event)
    entry_id = new_id("evt", head.at)
    made = trail.compose(
        index=index, entry_id=entry_id, at=stamp(head.at), institution=head.log, type=event.type, subject=event.subject,
        actor={"kind": event.actor.kind, "id": event.actor.id}, data=event.data, private_fields=event.private,
        salt=event.salt or trail.new_salt(),
    )  # fmt: skip
    commitment = None if made.private is None else canonical.sha(made.private)
    entry = Entry(index, entry_id, head.at, head.log, event.type, event.subject, event.actor, event.data, commitment)
    return Stored(entry, made.leaf, made.private)


async def _store(
    tx: Transaction, head: Head, stored: Sequence[Stored], hashes: Sequence[bytes], plan: trail.AppendPlan
) -> None:
    log = head.log
    leaves = leaf_rows(log, stored, hashes)
    parts = [(log, each.entry.index, each.private) for each in stored if each.private is not None]
    changes = [
        (log, each.entry.index, request_of(each.entry), each.entry.id, each.entry.type, each.entry.at, None)
        for each in stored
        if each.entry.type in SEEN
    ]
    tx.told.update(each.entry.subject for each in stored if each.entry.type in SEEN or _of_session(each.entry))
    rows = [(log, row.level, row.index, row.hashes, row.root) for row in plan.rows]
    grown = {"key": log, "size": plan.edge.size, "edge": plan.edge.hashes, "last_at": head.at, "grown": head.at}
    if tx.dialect == "postgresql":
        columns = columns_of("leaves", leaves) | columns_of("parts", parts) | columns_of("changes", changes)
        await tx.fetch(_STORE[bool(parts), bool(changes)], grown | columns)
    else:
        await _insert(tx, _LEAVES, leaves)
        await _insert(tx, _PARTS, parts)
        await _insert(tx, _CHANGES, changes)
        await tx.connection.execute(_GROWN, grown)
    await _insert(tx, _TILES, rows)


def leaf_rows(log: str, stored: Sequence[Stored], hashes: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """The rows of these leaves."""
    return [
        (log, each.entry.index, each.leaf, hashed, each.entry.type, each.entry.subject, request_of(each.entry))
        for each, hashed in zip(stored, hashes, strict=True)
    ]


def _of_session(entry: Entry) -> bool:
    """Whether somebody who watches a session is to look again."""
    return entry.type.startswith("session.")


async def _insert(tx: Transaction, table: sa.Table, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        names = table.c.keys()
        await tx.connection.execute(insert_of(tx.dialect, table), [dict(zip(names, row, strict=True)) for row in rows])


def columns_of(prefix: str, rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """The parameters of `unnested` that give it these rows."""
    return {f"{prefix}_{at}": list(values) for at, values in enumerate(zip(*rows, strict=True))}


def unnested(table: sa.Table, prefix: str) -> sa.TableValuedAlias:
    """Many rows of a table from one array a column: one statement, whatever their number."""
    # Text, because a cast to varchar(n) would cut what is too long instead of refusing it.
    types = [sa.Text() if isinstance(column.type, sa.String) else column.type for column in table.c]
    arrays = [sa.bindparam(f"{prefix}_{at}", type_=sa.ARRAY(type_)) for at, type_ in enumerate(types)]
    return sa.func.unnest(*arrays).table_valued(*table.c.keys()).render_derived()


def _added(table: sa.Table, prefix: str) -> sa.CTE:
    return sa.insert(table).from_select(table.c.keys(), sa.select(unnested(table, prefix))).cte(f"new_{prefix}")


_GROW = sa.update(_LOGS).where(_LOGS.c.log == sa.bindparam("key"))
_GROWN = _GROW.values(
    {
        **{name: sa.bindparam(name) for name in ("size", "edge", "last_at")},
        # When it first grew past the last published checkpoint: the queue of logs that are due for one.
        "grown_at": sa.func.coalesce(_LOGS.c.grown_at, sa.bindparam("grown", type_=_LOGS.c.grown_at.type)),
    }
)
_STORED = _GROWN.add_cte(_added(_LEAVES, "leaves"))
_WITH_PARTS = _STORED.add_cte(_added(_PARTS, "parts"))
_NEW_CHANGES = _added(_CHANGES, "changes")
_STORE = {
    (False, False): _STORED,
    (True, False): _WITH_PARTS,
    (False, True): _STORED.add_cte(_NEW_CHANGES),
    (True, True): _WITH_PARTS.add_cte(_NEW_CHANGES),
}
"""By whether there are private parts, and whether there are changes."""


def request_of(event: Event | Entry) -> str | None:
    """The request an entry belongs to: its subject, else what `data.request` or `data.about` names."""
    for value in (event.subject, event.data.get("request"), event.data.get("about")):
        if isinstance(value, str) and is_id(value, "req"):
            return value
    return None
