"""Idempotency keys (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/): key and answer commit
with the change.

`reserve` is the transaction's first statement. On PostgreSQL a second transaction with the same key waits in it for the
first: it then sees the kept answer (or reserves the key itself, if the first rolled back), and is refused as
`idempotency-in-progress` when the wait is too long. On SQLite writers queue, so the second always sees what the first
left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.domain.errors import Refusal, Refused
from app.storage import tables
from app.storage.database import Dialect, Transaction, insert_of
from app.storage.doubts import lock_timed_out

_TABLE = tables.idempotency


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer as it was first given; `replayed` where it was given before."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    replayed: bool = False


async def reserve(
    tx: Transaction, client: str, key: str, fingerprint: bytes, now: datetime, expires_at: datetime
) -> Answer | None:
    """Null when the key is now ours and the work may be done, else the answer to replay.

    `fingerprint` is the hash of method, target and body; another one under the same key is refused as
    `idempotency-mismatch`.
    """
    row = {"client": client, "key": key, "fingerprint": fingerprint, "expires_at": expires_at, "now": now}
    try:
        reserved = await tx.fetch(_reserve(tx.dialect), row)
    except DBAPIError as error:
        if not lock_timed_out(error):
            raise
        detail = "the first request with this Idempotency-Key is still running; ask again"
        raise Refused(Refusal("idempotency-in-progress", detail, retry_after=1)) from error
    return None if reserved else await _kept(tx, client, key, fingerprint)


async def read(tx: Transaction, client: str, key: str, fingerprint: bytes, now: datetime) -> Answer | None:
    """The answer that is kept, where there is one; reserves nothing. Raises `Refused` as `reserve`."""
    known = sa.select(_TABLE.c.key).where(_TABLE.c.client == client, _TABLE.c.key == key, _TABLE.c.expires_at > now)
    if (await tx.connection.execute(known)).first() is None:
        return None
    return await _kept(tx, client, key, fingerprint)


@cache
def _reserve(dialect: Dialect) -> sa.Executable:
    names = ("client", "key", "fingerprint", "expires_at")
    insert = insert_of(dialect, _TABLE).values({name: sa.bindparam(name) for name in names})
    anew = {name: insert.excluded[name] for name in ("fingerprint", "expires_at", "status", "headers", "body")}
    over = _TABLE.c.expires_at <= sa.bindparam("now", type_=_TABLE.c.expires_at.type)
    reserved = insert.on_conflict_do_update(index_elements=["client", "key"], set_=anew, where=over)
    return reserved.returning(_TABLE.c.key)


async def keep(tx: Transaction, client: str, key: str, answer: Answer) -> None:
    """Keep the answer of a reserved key; committed with the change."""
    values = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    await tx.fetch(_KEEP, values | {"of_client": client, "of_key": key})


_KEEP = sa.update(_TABLE).where(_TABLE.c.client == sa.bindparam("of_client"), _TABLE.c.key == sa.bindparam("of_key"))


async def release(tx: Transaction, client: str, key: str) -> None:
    """Give a reserved key back: the work was refused, and refusals are not kept."""
    await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.client == client, _TABLE.c.key == key))


async def sweep(tx: Transaction, now: datetime) -> int:
    """Delete keys past their day; how many."""
    return (await tx.connection.execute(sa.delete(_TABLE).where(_TABLE.c.expires_at <= now))).rowcount


async def _kept(tx: Transaction, client: str, key: str, fingerprint: bytes) -> Answer:
    query = sa.select(_TABLE.c.fingerprint, _TABLE.c.status, _TABLE.c.headers, _TABLE.c.body)
    found = (await tx.connection.execute(query.where(_TABLE.c.client == client, _TABLE.c.key == key))).one()
    if found.fingerprint != fingerprint:
        raise Refused(
            Refusal("idempotency-mismatch", "this Idempotency-Key was used for another request; make a new one")
        )
    if found.status is None:  # committed without an answer: the action kept none, so nothing can be replayed
        raise Refused(
            Refusal("idempotency-in-progress", "the first request with this Idempotency-Key has no answer yet")
        )
    return Answer(found.status, found.headers, found.body)
