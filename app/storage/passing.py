"""The gate's yes in one statement, on PostgreSQL: sessions are locked, judged by fresh rows, and what passes is
recorded, for any number of callers; it commits by itself.

A session is named with the hash of what its MAC covers, as it was when the MAC was found to hold. PostgreSQL makes that
hash anew of the locked row: where it is another, or anything else is not plainly as it has to be, nothing is written of
the session, and its callers ask in the way that tells why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.domain.recording import SILENCE
from app.storage import tables
from app.storage.activity import SEAL_AFTER
from app.storage.columns import Instant
from app.storage.database import Transaction
from app.storage.gates import KIND, AtGate, print_of
from app.storage.leaves import MAX_AHEAD

_SESSIONS = tables.sessions
_EVENTS = tables.session_events
_SECRETS = tables.environment_secrets
_LEAVES = tables.leaves
_LOGS = tables.logs


class Expected(NamedTuple):
    """A session whose row had this `print` (`AtGate`), and the keyed hash of its gate's key with what seals it."""

    log: str
    id: str
    print: bytes
    gate_key: bytes
    gate_mac: bytes

    @classmethod
    def of(cls, row: AtGate) -> Expected | None:
        """By a row whose MACs hold; null where it cannot pass in one statement."""
        if row.print is None or row.gate_key is None or row.gate_mac is None:
            return None
        return cls(row.log, row.id, row.print, row.gate_key, row.gate_mac)


class Asked(NamedTuple):
    """A request at a session's gate, and what is written down of it; `detail` is JSON text."""

    session: Expected
    summary: str
    detail: str


async def record(tx: Transaction, asked: Sequence[Asked], endings: tuple[str, ...]) -> list[bool]:
    """Record what plainly passes, in order; whether each does. `endings`: the types of entries that tell of an end.

    A session is judged by the first that asks: nobody passes with it who expects something else of it.
    """
    rows: dict[str, Expected] = {}
    counts: dict[str, int] = {}
    taken, ranks = [], []
    for each in asked:
        session = each.session
        if rows.setdefault(session.id, session) == session:
            counts[session.id] = rank = counts.get(session.id, 0) + 1
            ranks.append(rank)
            taken.append(each)
    values = {
        "now": None if tx.clock is None else tx.clock(),
        "logs": [row.log for row in rows.values()],
        "ids": list(rows),
        "prints": [row.print for row in rows.values()],
        "keys": [row.gate_key for row in rows.values()],
        "seals": [row.gate_mac for row in rows.values()],
        "counts": list(counts.values()),
        "of": [each.session.id for each in taken],
        "ranks": ranks,
        "summaries": [each.summary for each in taken],
        "details": [each.detail for each in taken],
    }
    passed = {row[0] for row in await tx.fetch(_statement(endings), values)}
    return [each.session.id in passed and rows[each.session.id] == each.session for each in asked]


def _unnest(name: str, columns: dict[str, tuple[str, Any]]) -> Any:
    arrays = [sa.bindparam(given, type_=sa.ARRAY(type_)) for given, type_ in columns.values()]
    named = [sa.column(column, type_) for column, (_, type_) in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*named, name=name).render_derived()


@cache
def _statement(endings: tuple[str, ...]) -> sa.Executable:
    locked = _locked()
    good = _good(locked, endings)
    same = sa.and_(_SESSIONS.c.log == good.c.log, _SESSIONS.c.id == good.c.id)
    counted = (
        sa.update(_SESSIONS)
        .where(same)
        .values(
            events=_SESSIONS.c.events + good.c.count,
            seen_at=good.c.seen,
            seal_at=sa.func.coalesce(_SESSIONS.c.seal_at, good.c.seen + sa.literal(SEAL_AFTER, sa.Interval())),
        )
        .returning(
            _SESSIONS.c.log,
            _SESSIONS.c.id,
            (_SESSIONS.c.events - good.c.count).label("before"),
            good.c.now,
            good.c.seen,
        )
        .cte("counted")
    )
    text, number = sa.Text(), sa.BigInteger()
    given = {"id": ("of", text), "rank": ("ranks", number), "summary": ("summaries", text), "detail": ("details", text)}
    asked = _unnest("asked", given)
    events = sa.select(
        counted.c.log,
        counted.c.id,
        counted.c.before + asked.c.rank,
        counted.c.now,
        counted.c.seen,
        sa.literal(KIND, text),
        asked.c.summary,
        asked.c.detail,
        sa.false(),
    ).join_from(asked, counted, counted.c.id == asked.c.id)
    names = ("log", "session", "n", "at", "received_at", "kind", "summary", "detail", "late")
    added = sa.insert(_EVENTS).from_select(names, events).cte("added")
    return sa.select(counted.c.id).add_cte(added)


def _locked() -> sa.CTE:
    """The sessions, locked in one order, so that nobody waits in a circle; as they are once they are locked."""
    text, raw = sa.Text(), sa.LargeBinary()
    columns = {"log": ("logs", text), "id": ("ids", text), "print": ("prints", raw), "key": ("keys", raw)}
    rows = _unnest("rows", columns | {"seal": ("seals", raw), "count": ("counts", sa.BigInteger())})
    names = ("log", "id", "request", "environment", "state", "not_after", "seen_at", "record_by")
    ours = (print_of(_SESSIONS) == rows.c.print).label("ours")
    query = sa.select(
        *(_SESSIONS.c[name] for name in names), rows.c.key, rows.c.seal, rows.c["count"].label("count"), ours
    )
    query = query.join_from(rows, _SESSIONS, sa.and_(_SESSIONS.c.log == rows.c.log, _SESSIONS.c.id == rows.c.id))
    in_order = query.order_by(_SESSIONS.c.log, _SESSIONS.c.id).with_for_update(of=_SESSIONS)
    return in_order.cte("locked").prefix_with("MATERIALIZED")


def _good(locked: sa.CTE, endings: tuple[str, ...]) -> sa.CTE:
    """Those that are open, of which nothing is due, whose log tells of no end, at their own gate."""
    given = sa.bindparam("now", type_=Instant())
    clock: Any = sa.func.coalesce(given, sa.func.clock_timestamp(type_=Instant()), type_=Instant())
    read = sa.select(sa.func.count().label("n")).select_from(locked).subquery("read")  # after every lock
    instant = sa.select(clock.label("now"), read.c.n).cte("instant").prefix_with("MATERIALIZED")
    now = instant.c.now
    ended = sa.exists().where(
        _LEAVES.c.log == locked.c.log,
        _LEAVES.c.subject.in_([locked.c.id, locked.c.request]),
        _LEAVES.c.type.in_([sa.literal(type_) for type_ in endings]),
    )
    wanted = (
        locked.c.ours,
        locked.c.state == "open",
        now < locked.c.not_after,
        now < locked.c.seen_at + sa.literal(SILENCE, sa.Interval()),
        sa.or_(locked.c.record_by.is_(None), now < locked.c.record_by),
        sa.or_(_LOGS.c.last_at.is_(None), _LOGS.c.last_at <= now + sa.literal(MAX_AHEAD, sa.Interval())),
        _SECRETS.c.gate_key == locked.c.key,
        _SECRETS.c.mac == locked.c.seal,
        sa.not_(ended),
    )
    of = sa.and_(_SECRETS.c.log == locked.c.log, _SECRETS.c.environment == locked.c.environment)
    seen = sa.func.greatest(locked.c.seen_at, now, type_=Instant())
    query = sa.select(locked.c.log, locked.c.id, locked.c["count"].label("count"), now.label("now"), seen.label("seen"))
    joined = query.join_from(locked, instant, sa.true()).join(_SECRETS, of).join(_LOGS, _LOGS.c.log == locked.c.log)
    return joined.where(*wanted).cte("good").prefix_with("MATERIALIZED")
