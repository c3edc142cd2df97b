"""API clients: who the vendor's systems are, and what each may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.domain.kinds import VENDOR
from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Transaction

_TABLE = tables.clients


@dataclass(frozen=True, slots=True)
class ClientRow:
    """`id` is the `cli_…`, `client_id` the name it signs in with, `secrets` keyed hashes as text (two while one is
    rotated out).

    `folded` is the index of the vendor's last entry about it, `mac` made and checked by the caller over all the rest.
    `jwks` or `jwks_uri` serve `private_key_jwt`. `institutions` `("*",)` means all; `audiences` `()` means none.
    """

    id: str
    client_id: str
    name: str
    secrets: tuple[str, ...]
    jwks: Mapping[str, Any] | None
    jwks_uri: str | None
    scopes: tuple[str, ...]
    institutions: tuple[str, ...]
    audiences: tuple[str, ...]
    disabled: bool = False
    folded: int | None = None
    mac: bytes | None = None


async def add(tx: Transaction, row: ClientRow) -> bool:
    """Insert a client; false when its id or `client_id` is taken."""
    return await tx.put_once(_TABLE, row)


async def save(tx: Transaction, row: ClientRow) -> None:
    """Write every field of a client."""
    await tx.connection.execute(sa.update(_TABLE).where(_TABLE.c.id == row.id).values(values_of(row)))


async def read(tx: Transaction, cli: str) -> ClientRow | None:
    """The client of a `cli_…`."""
    found = await tx.fetch(_READ, {"id": cli})
    return ClientRow(*found[0]) if found else None


async def of_client_id(tx: Transaction, client_id: str) -> ClientRow | None:
    """The client that signs in with this name."""
    return await _one(tx, select_rows(_TABLE, ClientRow).where(_TABLE.c.client_id == client_id))


async def read_all(tx: Transaction) -> list[ClientRow]:
    """Every client, in the order of their names."""
    return [ClientRow(*found) for found in await tx.fetch(_ALL)]


async def newest_entry(tx: Transaction, cli: str) -> int | None:
    """The index of the vendor's last entry about a client."""
    rows = await tx.fetch(_NEWEST, {"log": VENDOR, "subject": cli})
    return None if rows[0][0] is None else int(rows[0][0])


_NEWEST = sa.select(sa.func.max(tables.leaves.c.idx)).where(
    tables.leaves.c.log == sa.bindparam("log"), tables.leaves.c.subject == sa.bindparam("subject")
)
_READ = select_rows(_TABLE, ClientRow).where(_TABLE.c.id == sa.bindparam("id"))
_ALL = select_rows(_TABLE, ClientRow).order_by(_TABLE.c.client_id)


async def _one(tx: Transaction, query: sa.Select[Any]) -> ClientRow | None:
    found = (await tx.connection.execute(query)).one_or_none()
    return None if found is None else ClientRow(*found)
