"""Grants and approval tokens, as the hot path reads them. `mac` is made and checked by the caller over the other
fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_GRANTS = tables.grants
_TOKENS = tables.tokens


@dataclass(frozen=True, slots=True)
class GrantRow:
    """What an approved request gives. `engineer_id` is the vendor's id; the last two before `mac` are set when it is
    over.
    """

    log: str
    id: str
    request: str
    environment: str
    account: str
    engineer_id: str
    not_before: datetime
    not_after: datetime
    roles: tuple[str, ...]
    ended_at: datetime | None
    ended_because: str | None
    mac: bytes


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A minted approval token: never the token, only its `jti` and `digest`. `jkt` is the key it is bound to (DPoP)."""

    log: str
    jti: str
    grant: str
    request: str
    client: str
    audience: str
    digest: str
    jkt: str | None
    iat: int
    nbf: int
    exp: int
    revoked_at: datetime | None
    mac: bytes


async def add(tx: Transaction, row: GrantRow) -> None:
    """Insert the grant of a request."""
    await tx.put(_GRANTS, row)


async def save(tx: Transaction, row: GrantRow) -> None:
    """Write every field of a grant. Head lock held."""
    await tx.fetch(_SAVE, values_of(row) | {"key_log": row.log, "key_id": row.id})


_SAVE = sa.update(_GRANTS).where(_GRANTS.c.log == sa.bindparam("key_log"), _GRANTS.c.id == sa.bindparam("key_id"))


async def of_request(tx: Transaction, log: str, request: str) -> GrantRow | None:
    """The grant of a request."""
    found = await tx.fetch(_OF_REQUEST, {"log": log, "request": request})
    return GrantRow(*found[0]) if found else None


_OF_REQUEST = select_rows(_GRANTS, GrantRow).where(
    _GRANTS.c.log == sa.bindparam("log"), _GRANTS.c.request == sa.bindparam("request")
)


async def add_token(tx: Transaction, row: TokenRow) -> None:
    """Insert a minted token."""
    await tx.put(_TOKENS, row)


async def save_token(tx: Transaction, row: TokenRow) -> None:
    """Write every field of a token. Head lock held."""
    same = sa.and_(_TOKENS.c.log == row.log, _TOKENS.c.jti == row.jti)
    await tx.connection.execute(sa.update(_TOKENS).where(same).values(values_of(row)))


async def tokens_of(tx: Transaction, log: str, grant: str) -> list[TokenRow]:
    """Every token of a grant, oldest first."""
    query = select_rows(_TOKENS, TokenRow).where(_TOKENS.c.log == log, _TOKENS.c.grant == grant)
    return [TokenRow(*found) for found in await tx.connection.execute(query.order_by(_TOKENS.c.iat, _TOKENS.c.jti))]


async def read_tokens(tx: Transaction, jtis: Sequence[str]) -> dict[str, tuple[TokenRow, GrantRow]]:
    """The known ones among these tokens, by `jti`, each with its grant: one query for a group of callers."""
    width = len(_TOKENS.c)
    joined = sa.and_(_GRANTS.c.log == _TOKENS.c.log, _GRANTS.c.id == _TOKENS.c.grant)
    query = select_rows(_TOKENS, TokenRow).add_columns(*select_rows(_GRANTS, GrantRow).selected_columns)
    if tx.dialect == "postgresql":
        wanted = _TOKENS.c.jti == sa.func.any(sa.bindparam("jtis", list(jtis), type_=sa.ARRAY(sa.String)))
    else:
        wanted = _TOKENS.c.jti.in_(jtis)
    result = await tx.connection.execute(query.join_from(_TOKENS, _GRANTS, joined).where(wanted))
    pairs = ((TokenRow(*row[:width]), GrantRow(*row[width:])) for row in result)
    return {token.jti: (token, grant) for token, grant in pairs}
