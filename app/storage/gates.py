"""Sessions as the gate finds them: by the hash of its cookie or by a token's `jti`, locked, each with the key of its
environment and what its log tells; and what passed, recorded. For any number of callers in one statement each.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.storage import tables
from app.storage.activity import SEAL_AFTER
from app.storage.columns import Instant
from app.storage.database import Transaction

KIND = "request"
_SESSIONS = tables.sessions
_EVENTS = tables.session_events
_SECRETS = tables.environment_secrets
_LEAVES = tables.leaves


class AtGate(NamedTuple):
    """A locked session that the gate opened: the fields of its row, but for its coverage and the entry it began with.

    `gate_key`: the keyed hash of its environment's, null where it has none, `gate_mac` what seals it; `last_at`: the
    instant of the last entry of its log; `ended`: that log tells of its end, or of its request's; `print`: a hash of
    what its MAC covers, and of the MAC, which PostgreSQL makes (null elsewhere). (A tuple, as the driver gives it: the
    gate makes one for every request that passes.)
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
    not_after: datetime
    ended_at: datetime | None
    ended_because: str | None
    segments: int
    sealed: int
    mac: bytes
    record_by: datetime | None
    events: int
    seen_at: datetime
    seal_at: datetime | None
    gate_key: bytes | None
    gate_mac: bytes | None
    last_at: datetime | None
    ended: bool
    print: bytes | None

    @property
    def covered(self) -> Hashable:
        """What is under its MAC, and the MAC; on PostgreSQL the hash of that."""
        return self[:_COVERED] if self.print is None else self.print


_COVERED = AtGate._fields.index("mac") + 1
_OF_ROW = AtGate._fields[: AtGate._fields.index("seal_at") + 1]
_WIDTH = len(AtGate._fields)


class Passing(NamedTuple):
    """A request that may pass: at which session, and what is written down of it; `detail` is JSON text."""

    session: AtGate
    summary: str
    detail: str


async def lock(
    tx: Transaction, credentials: Sequence[bytes], jtis: Sequence[str], endings: tuple[str, ...]
) -> tuple[list[AtGate], datetime]:
    """The sessions of these credentials and tokens, and the instant after they were locked. `endings`: the types of
    entries that tell of an end.
    """
    values = {"credentials": list(credentials), "jtis": list(jtis)}
    rows = await tx.fetch(_statement(tx.dialect, endings), values)
    timed = tx.dialect == "postgresql" and tx.clock is None and rows
    now = rows[0][-1].astimezone(UTC) if timed else await tx.now()
    return [AtGate._make(row[:_WIDTH]) for row in rows], now


@cache
def _statement(dialect: str, endings: tuple[str, ...]) -> sa.Select[Any]:
    postgres = dialect == "postgresql"
    found = _any if postgres else _in
    wanted = sa.select(*(_SESSIONS.c[name] for name in _OF_ROW)).where(
        sa.or_(found(_SESSIONS.c.credential, "credentials"), found(_SESSIONS.c.jti, "jtis")),
        _SESSIONS.c.client.is_(None),
    )
    # In one order, so that nobody waits in a circle. Materialized: the clock is read over rows already locked.
    in_order = wanted.order_by(_SESSIONS.c.log, _SESSIONS.c.id).with_for_update()
    locked = in_order.cte("locked").prefix_with("MATERIALIZED")
    of = sa.and_(_SECRETS.c.log == locked.c.log, _SECRETS.c.environment == locked.c.environment)
    ended = sa.exists().where(
        _LEAVES.c.log == locked.c.log,
        _LEAVES.c.subject.in_([locked.c.id, locked.c.request]),
        _LEAVES.c.type.in_([sa.literal(type_) for type_ in endings]),
    )
    now: sa.ColumnElement[Any] = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)) if postgres else sa.null()
    print_: sa.ColumnElement[Any] = print_of(locked) if postgres else sa.null()
    of_place = (_SECRETS.c.gate_key, _SECRETS.c.mac, tables.logs.c.last_at)
    query = sa.select(*locked.c, *of_place, ended, print_, now.label("now"))
    return query.outerjoin_from(locked, _SECRETS, of).join(tables.logs, tables.logs.c.log == locked.c.log)


def print_of(row: sa.FromClause) -> sa.ColumnElement[Any]:
    """The hash of what a session's MAC covers, and of the MAC (PostgreSQL)."""
    text = sa.cast(sa.func.row(*(row.c[name] for name in _OF_ROW[:_COVERED])), sa.Text)
    return sa.func.sha256(sa.func.convert_to(text, "UTF8"), type_=sa.LargeBinary)


def _any(column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    return column == sa.func.any(sa.bindparam(name, type_=sa.ARRAY(column.type)))


def _in(column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    return column.in_(sa.bindparam(name, expanding=True))


async def record(tx: Transaction, now: datetime, passing: Sequence[Passing]) -> None:
    """Write down what passes at locked sessions: an event each, in order, and what the rows now count."""
    if not passing:
        return
    rows = {each.session.id: each.session for each in passing}
    numbers = _numbers(passing)
    events = dict(zip((each.session.id for each in passing), numbers, strict=True))  # the last of each counts
    if tx.dialect == "postgresql":
        await tx.fetch(_RECORD, {"now": now} | _arrays(rows, events, passing, numbers))
        return
    seen = {key: max(now, row.seen_at) for key, row in rows.items()}
    await tx.connection.execute(sa.insert(_EVENTS), _events(passing, numbers, now, seen))
    for key, row in rows.items():
        values = {"events": events[key], "seen_at": seen[key], "seal_at": row.seal_at or seen[key] + SEAL_AFTER}
        same = sa.and_(_SESSIONS.c.log == row.log, _SESSIONS.c.id == row.id)
        await tx.connection.execute(sa.update(_SESSIONS).where(same).values(values))


def _numbers(passing: Sequence[Passing]) -> list[int]:
    """The number of each event within its session, after those that the locked row counts."""
    counted: dict[str, int] = {}
    numbers = []
    for session, _, _ in passing:
        counted[session.id] = n = counted.get(session.id, session.events) + 1
        numbers.append(n)
    return numbers


def _events(
    passing: Sequence[Passing], numbers: Sequence[int], now: datetime, seen: Mapping[str, datetime]
) -> list[dict[str, Any]]:
    return [
        {
            "log": session.log,
            "session": session.id,
            "n": n,
            "at": now,
            "received_at": seen[session.id],
            "kind": KIND,
            "summary": summary,
            "detail": detail,
            "late": False,
        }
        for (session, summary, detail), n in zip(passing, numbers, strict=True)
    ]


def _arrays(
    rows: Mapping[str, AtGate], events: Mapping[str, int], passing: Sequence[Passing], numbers: Sequence[int]
) -> dict[str, list[Any]]:
    """Few and plain: the driver looks at every member of an array several times."""
    return {
        "logs": [row.log for row in rows.values()],
        "ids": list(rows),
        "events": [events[key] for key in rows],
        "of": [each.session.id for each in passing],
        "numbers": list(numbers),
        "summaries": [each.summary for each in passing],
        "details": [each.detail for each in passing],
    }


def _unnest(name: str, columns: Mapping[str, tuple[str, Any]]) -> Any:
    arrays = [sa.bindparam(given, type_=sa.ARRAY(type_)) for given, type_ in columns.values()]
    named = [sa.column(column, type_) for column, (_, type_) in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*named, name=name).render_derived()


def _record_statement() -> sa.Executable:
    text, number, now = sa.Text(), sa.BigInteger(), sa.bindparam("now", type_=Instant())
    rows = _unnest("rows", {"log": ("logs", text), "id": ("ids", text), "events": ("events", number)})
    seen = sa.func.greatest(_SESSIONS.c.seen_at, now, type_=Instant())
    counted = (
        sa.update(_SESSIONS)
        .where(_SESSIONS.c.log == rows.c.log, _SESSIONS.c.id == rows.c.id)
        .values(
            events=rows.c.events,
            seen_at=seen,
            seal_at=sa.func.coalesce(_SESSIONS.c.seal_at, seen + sa.literal(SEAL_AFTER, sa.Interval())),
        )
        .returning(_SESSIONS.c.log, _SESSIONS.c.id, _SESSIONS.c.seen_at)
        .cte("counted")
    )
    given = {"id": ("of", text), "n": ("numbers", number), "summary": ("summaries", text), "detail": ("details", text)}
    asked = _unnest("asked", given)
    fixed = {"kind": sa.literal(KIND, sa.Text()), "late": sa.false(), "at": now}
    names = ("log", "session", "n", "at", "received_at", "kind", "summary", "detail", "late")
    found = {"log": counted.c.log, "session": counted.c.id, "received_at": counted.c.seen_at} | fixed
    columns = [found[name] if name in found else asked.c[name] for name in names]
    events = sa.select(*columns).join_from(asked, counted, counted.c.id == asked.c.id)
    return sa.insert(_EVENTS).from_select(names, events)


_RECORD = _record_statement()
