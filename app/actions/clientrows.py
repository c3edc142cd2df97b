"""API clients' rows: each has a MAC whose key is not in the database, and counts while the vendor's log tells no more.

So a row that is inserted or changed behind the service's back authenticates nobody, and neither does an older one that
is put back: the secret of before a rotation, a client of before it was revoked.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from app.storage import checks, clients
from app.storage.clients import ClientRow
from app.storage.database import Transaction
from app.tokens.clients import Client
from app.tokens.secrets import Secrets
from app.trail import canonical

LABEL = "row/client"


def sealed(secrets: Secrets, row: ClientRow, folded: int) -> ClientRow:
    """The row with its MAC, after the entry `folded` of the vendor's log, which is the last about this client."""
    row = replace(row, folded=folded)
    return replace(row, mac=secrets.mac(LABEL, *_covered(row)))


def holds(secrets: Secrets, row: ClientRow) -> bool:
    """Whether this service wrote the row."""
    return row.mac is not None and secrets.mac_holds(row.mac, LABEL, *_covered(row))


async def is_sound(tx: Transaction, secrets: Secrets, row: ClientRow) -> bool:
    """Whether the row is ours, and the newest there was."""
    return holds(secrets, row) and row.folded == await clients.newest_entry(tx, row.id)


async def seal_all(tx: Transaction, secrets: Secrets) -> None:
    """Seal every row whose seal does not hold; the caller has compared them with the log, which it has locked."""
    for row in await clients.read_all(tx):
        newest = await clients.newest_entry(tx, row.id)
        if newest is not None and not await is_sound(tx, secrets, row):
            await clients.save(tx, sealed(secrets, row, newest))


def is_institutions(row: ClientRow, code: str) -> bool:
    """Whether a client is the institution's own: held to it alone and to reading its trail, as its creation says.

    By the row and not by an access token, whose scopes may be fewer. The verifier judges by the same.
    """
    return (row.institutions, row.scopes, row.audiences) == ((code,), ("trail:read",), ())


def client_of(secrets: Secrets, found: checks.Client | None) -> Client | None:
    """The client that was found, if its row is ours and the log tells no more."""
    if found is None or found.outdated or not holds(secrets, found.row):
        return None
    row = found.row
    return Client(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        secret_hashes=row.secrets,
        scopes=frozenset(row.scopes),
        institutions=frozenset(row.institutions),
        audiences=frozenset(row.audiences),
        disabled=row.disabled,
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
    )


def _covered(row: ClientRow) -> tuple[str | bytes, ...]:
    """Every field but the MAC; lists with their lengths, so that none can pass into the next."""
    keys = b"" if row.jwks is None else canonical.encode(dict(row.jwks))
    names = (row.id, row.client_id, row.name, row.jwks_uri or "", keys, str(row.disabled), str(row.folded))
    lists = (row.secrets, row.scopes, row.institutions, row.audiences)
    return (*names, *(str(len(each)) for each in lists), *itertools.chain(*lists))
