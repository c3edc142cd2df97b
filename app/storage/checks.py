"""What a check of a credential reads, for a whole group of callers at once: clients, tokens with their grants, and
whether the trail may have taken a token back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

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
MET = 8192
"""How many rows of a kind are known again."""
T = TypeVar("T")
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


class Found(NamedTuple):
    """What there is at `now`."""

    now: datetime
    client: Client | None
    token: Token | None


class Reader:
    """Reads for many at once, each row anew. One that is as it was when it was met before is given as the same object,
    so that whoever judged it then can tell.
    """

    def __init__(self) -> None:
        self._clients = _Met(_client)
        self._tokens = _Met(_token)

    async def read(self, tx: Transaction, asked: Sequence[Asked]) -> Mapping[Asked, Found]:
        """An answer for each, by one statement for all of them."""
        values = {
            "ids": _known({each.cli for each in asked}),
            "names": _known({each.client_id for each in asked}),
            "jtis": _known({each.jti for each in asked}),
        }
        rows, convert = await tx.fetch_raw(_statement(tx.dialect), values)
        timed = tx.clock is None and tx.dialect == "postgresql" and bool(rows)
        now = rows[0][0].astimezone(UTC) if timed else await tx.now()
        by_id: dict[str | None, Client] = {}
        by_name: dict[str | None, Client] = {}
        by_jti: dict[str | None, Token] = {}
        for row in rows:
            if row[1] is None:
                by_jti[row[_JTI]] = self._tokens.meet(row[_JTI], row, convert)
            else:
                client = by_id[row[1]] = self._clients.meet(row[1], row, convert)
                by_name[client.row.client_id] = client
        return {
            each: Found(
                now,
                by_name.get(each.client_id) if each.cli is None else by_id.get(each.cli),
                by_jti.get(each.jti),
            )
            for each in asked
        }


class _Met(Generic[T]):
    """What was made of rows, by key; the one not met for the longest goes first."""

    def __init__(self, make: Callable[[Sequence[Any]], T]) -> None:
        self._make = make
        self._met: OrderedDict[str, tuple[tuple[Any, ...], T]] = OrderedDict()

    def meet(self, key: str, row: Sequence[Any], convert: Callable[[Sequence[Any]], Sequence[Any]]) -> T:
        """The value of a row: the same object while all of the row but the clock is the same."""
        told = tuple(row[1:])
        known = self._met.get(key)
        if known is not None and known[0] == told:
            return known[1]
        value = self._make(convert(row))
        self._met[key] = (told, value)
        self._met.move_to_end(key)
        if len(self._met) > MET:
            self._met.popitem(last=False)
        return value


_OF_CLIENT, _OF_TOKEN, _OF_GRANT = (len(fields(kind)) for kind in (ClientRow, TokenRow, GrantRow))
_TOLD = 1 + _OF_CLIENT
_JTI = _TOLD + 1 + [field.name for field in fields(TokenRow)].index("jti")


def _client(row: Sequence[Any]) -> Client:
    return Client(ClientRow(*row[1:_TOLD]), bool(row[_TOLD]))


def _token(row: Sequence[Any]) -> Token:
    first, second = _TOLD + 1, _TOLD + 1 + _OF_TOKEN
    return Token(TokenRow(*row[first:second]), GrantRow(*row[second:-1]), bool(row[-1]))


def _known(names: set[str | None]) -> list[str]:
    """Those that may stand there at all: all are ASCII, and databases take neither NUL nor surrogates."""
    return [name for name in names if name is not None and name.isascii() and "\0" not in name]


@cache
def _statement(dialect: Dialect) -> sa.CompoundSelect[Any]:
    """A row for each client and each token: the instant, a client's columns or none, a token's or none."""
    at = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True)) if dialect == "postgresql" else sa.null()
    clients, tokens = _clients_of(dialect), _tokens_of(dialect)
    no_client = [sa.type_coerce(sa.null(), column.type) for column in clients.selected_columns]
    no_token = [sa.type_coerce(sa.null(), column.type) for column in tokens.selected_columns]
    first = clients.with_only_columns(at, *clients.selected_columns, *no_token, maintain_column_froms=True)
    second = tokens.with_only_columns(at, *no_client, *tokens.selected_columns, maintain_column_froms=True)
    return sa.union_all(first, second)


def _clients_of(dialect: Dialect) -> sa.Select[Any]:
    wanted = sa.or_(_among(dialect, _CLIENTS.c.id, "ids"), _among(dialect, _CLIENTS.c.client_id, "names"))
    told = sa.exists().where(
        _LEAVES.c.log == VENDOR, _LEAVES.c.subject == _CLIENTS.c.id, _LEAVES.c.idx > _CLIENTS.c.folded
    )
    return select_rows(_CLIENTS, ClientRow).add_columns(told).where(wanted)


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
