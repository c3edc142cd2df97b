"""Sessions as the gate finds them: by the hash of its cookie or by a token's `jti`, locked, each with the key of its
environment and what its log was last told; for any number of callers in one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows
from app.storage.database import Transaction
from app.storage.sessions import SessionRow

_SESSIONS = tables.sessions
_SECRETS = tables.environment_secrets
_WIDTH = len(fields(SessionRow))


@dataclass(frozen=True, slots=True)
class AtGate:
    """A locked session that the gate opened. `gate_key`: the keyed hash of its environment's, null where it has none;
    `last_at`: the instant of the last entry of its log.
    """

    session: SessionRow
    gate_key: bytes | None
    last_at: datetime | None


async def lock(tx: Transaction, credentials: Sequence[bytes], jtis: Sequence[str]) -> tuple[list[AtGate], datetime]:
    """The sessions of these credentials and tokens, and the instant after they were locked."""
    values = {"credentials": list(credentials), "jtis": list(jtis)}
    rows = await tx.fetch(_STATEMENTS[tx.dialect], values)
    timed = tx.dialect == "postgresql" and tx.clock is None and rows
    now = rows[0][-1].astimezone(UTC) if timed else await tx.now()
    return [AtGate(SessionRow(*row[:_WIDTH]), row[_WIDTH], row[_WIDTH + 1]) for row in rows], now


def _statement(credential: sa.ColumnElement[bool], jti: sa.ColumnElement[bool], now: Any) -> sa.Select[Any]:
    wanted = select_rows(_SESSIONS, SessionRow).where(sa.or_(credential, jti), _SESSIONS.c.client.is_(None))
    # In one order, so that nobody waits in a circle. Materialized: the clock is read over rows already locked.
    in_order = wanted.order_by(_SESSIONS.c.log, _SESSIONS.c.id).with_for_update()
    locked = in_order.cte("locked").prefix_with("MATERIALIZED")
    of = sa.and_(_SECRETS.c.log == locked.c.log, _SECRETS.c.environment == locked.c.environment)
    query = sa.select(*locked.c, _SECRETS.c.gate_key, tables.logs.c.last_at, now.label("now"))
    return query.outerjoin_from(locked, _SECRETS, of).join(tables.logs, tables.logs.c.log == locked.c.log)


def _any(column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    return column == sa.func.any(sa.bindparam(name, type_=sa.ARRAY(column.type)))


_STATEMENTS = {
    "postgresql": _statement(
        _any(_SESSIONS.c.credential, "credentials"),
        _any(_SESSIONS.c.jti, "jtis"),
        sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)),
    ),
    "sqlite": _statement(
        _SESSIONS.c.credential.in_(sa.bindparam("credentials", expanding=True)),
        _SESSIONS.c.jti.in_(sa.bindparam("jtis", expanding=True)),
        sa.null(),
    ),
}
