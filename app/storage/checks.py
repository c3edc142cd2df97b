"""What a check of a credential reads, for a whole group of callers at once: clients, tokens with their grants, and
whether the trail may have taken a token back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.domain.kinds import VENDOR
from app.storage import tables
from app.storage.clients import ClientRow
from app.storage.columns import select_rows
from app.storage.database import Dialect, Transaction
from app.storage.grants import GrantRow, TokenRow

_CLIENTS = tables.clients
_TOKENS = tables.tokens
_GRANTS = tables.grants
_LEAVES = tables.leaves
ENDINGS = ("request.revoked", "request.completed", "token.revoked")
"""The entries that tell of an ending of a request's access, or of a token on it."""


class Asked(NamedTuple):
    """Who asks, by `cli_…` or by the name it signs in with, and about which token; null asks nothing."""

    cli: str | None = None
    client_id: str | None = None
    jti: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A client that is known. `outdated`: the vendor's log tells more of it than the row."""

    row: ClientRow
    outdated: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is known. `ended`: the trail has at least one of `ENDINGS` about its request."""

    row: TokenRow
    grant: GrantRow
    ended: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What there is at `now`."""

    now: datetime
    client: Client | None
    token: Token | None


async def read(tx: Transaction, asked: Sequence[Asked]) -> Mapping[Asked, Found]:
    """An answer for each: two statements for all of them."""
    now, clients = await _clients(tx, {each.cli for each in asked}, {each.client_id for each in asked})
    by_id = {each.row.id: each for each in clients}
    by_name = {each.row.client_id: each for each in clients}
    tokens = await _tokens(tx, {each.jti for each in asked})
    return {
        each: Found(
            now,
            by_id.get(each.cli) if each.cli is not None else by_name.get(each.client_id or ""),
            tokens.get(each.jti or ""),
        )
        for each in asked
    }


async def _clients(tx: Transaction, ids: set[str | None], names: set[str | None]) -> tuple[datetime, list[Client]]:
    """Now, and the clients."""
    rows = await tx.fetch(_clients_of(tx.dialect), {"ids": _known(ids), "names": _known(names)})
    timed = tx.clock is None and tx.dialect == "postgresql" and bool(rows)
    now = rows[0][-1].astimezone(UTC) if timed else await tx.now()
    return now, [Client(ClientRow(*row[:-2]), bool(row[-2])) for row in rows]


async def _tokens(tx: Transaction, jtis: set[str | None]) -> dict[str, Token]:
    wanted = _known(jtis)
    if not wanted:
        return {}
    own = len(fields(TokenRow))
    rows = await tx.fetch(_tokens_of(tx.dialect), {"jtis": wanted})
    found = (Token(TokenRow(*row[:own]), GrantRow(*row[own:-1]), bool(row[-1])) for row in rows)
    return {each.row.jti: each for each in found}


def _known(names: set[str | None]) -> list[str]:
    """Those that may stand there at all: all are ASCII, and databases take neither NUL nor surrogates."""
    return [name for name in names if name is not None and name.isascii() and "\0" not in name]


@cache
def _clients_of(dialect: Dialect) -> sa.Select[Any]:
    at = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)) if dialect == "postgresql" else sa.null()
    wanted = sa.or_(_among(dialect, _CLIENTS.c.id, "ids"), _among(dialect, _CLIENTS.c.client_id, "names"))
    told = sa.exists().where(
        _LEAVES.c.log == VENDOR, _LEAVES.c.subject == _CLIENTS.c.id, _LEAVES.c.idx > _CLIENTS.c.folded
    )
    return select_rows(_CLIENTS, ClientRow).add_columns(told, at).where(wanted)


@cache
def _tokens_of(dialect: Dialect) -> sa.Select[Any]:
    told = sa.exists().where(
        _LEAVES.c.log == _TOKENS.c.log,
        _LEAVES.c.request == _TOKENS.c.request,
        _LEAVES.c.type.in_([sa.literal(type_) for type_ in ENDINGS]),
    )
    same = sa.and_(_GRANTS.c.log == _TOKENS.c.log, _GRANTS.c.id == _TOKENS.c.grant)
    query = select_rows(_TOKENS, TokenRow).add_columns(*select_rows(_GRANTS, GrantRow).selected_columns, told)
    return query.join_from(_TOKENS, _GRANTS, same).where(_among(dialect, _TOKENS.c.jti, "jtis"))


def _among(dialect: Dialect, column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    if dialect == "postgresql":
        return column == sa.func.any(sa.bindparam(name, type_=sa.ARRAY(sa.String)))
    return column.in_(sa.bindparam(name, expanding=True))
