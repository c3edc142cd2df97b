"""Webhooks: where they lead, how their endpoints do, and what of the outbox waits for each or was given up.

Sequence numbers are counted for each webhook and institution, under the lock of that institution's log; so they rise
by one with each message, and no two transactions wait for each other over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache

import sqlalchemy as sa

from app.storage import tables
from app.storage.columns import select_rows, values_of
from app.storage.database import Dialect, Transaction, insert_of
from app.storage.outbox import OutboxRow

_TABLE = tables.webhooks
_OUTBOX = tables.outbox
_CLIENTS = tables.clients
_SEQUENCES = tables.webhook_sequences


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """`id` is the `whk_…`, `client` whose it is, null where it is the own one of its one institution; `types` patterns,
    `institutions` `("*",)` all that the client serves.

    Secrets are sealed by the caller; the old one signs too until an instant. `version` counts changes. `form` is
    `standard`, or `slack` or `teams`: then `url` is what may be shown of the sealed `address`.
    """

    id: str
    client: str | None
    url: str
    types: tuple[str, ...]
    institutions: tuple[str, ...]
    secret: bytes = field(repr=False)
    old_secret: bytes | None = field(repr=False)
    old_secret_until: datetime | None
    enabled: bool
    version: int
    created_at: datetime
    updated_at: datetime
    form: str = "standard"
    address: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint does: failures since it last took something, and until when nothing is tried."""

    failures: int = 0
    paused_until: datetime | None = None
    delivered_at: datetime | None = None
    failed_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A webhook that is told."""

    id: str
    types: tuple[str, ...]
    institutions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many messages wait for an endpoint, and how many were given up."""

    waiting: int = 0
    dead: int = 0


async def add(tx: Transaction, row: WebhookRow) -> None:
    """Insert a webhook; its endpoint was never tried."""
    await tx.fetch(insert_of(tx.dialect, _TABLE), values_of(row) | {"failures": 0})


async def read(tx: Transaction, webhook: str) -> WebhookRow | None:
    """The webhook of a `whk_…`."""
    found = (await tx.connection.execute(_ROWS.where(_TABLE.c.id == webhook))).one_or_none()
    return None if found is None else WebhookRow(*found)


async def read_all(tx: Transaction) -> list[WebhookRow]:
    """Every webhook, the newest first."""
    return [WebhookRow(*found) for found in await tx.connection.execute(_ROWS.order_by(_TABLE.c.id.desc()))]


async def save(tx: Transaction, row: WebhookRow) -> WebhookRow | None:
    """Write a webhook that was read at `row.version`; with its new version, or null when another was faster."""
    new = replace(row, version=row.version + 1)
    key = (_TABLE.c.id == row.id, _TABLE.c.version == row.version)
    saved = await tx.connection.execute(sa.update(_TABLE).where(*key).values(values_of(new)))
    return new if saved.rowcount == 1 else None


async def remove(tx: Transaction, webhook: str) -> None:
    """Delete a webhook, with what waits for it and what was given up."""
    # Its own row first, as whoever settles a delivery does: so nobody waits for the other in a circle.
    for table, column in ((_TABLE, _TABLE.c.id), (_OUTBOX, _OUTBOX.c.webhook), (_SEQUENCES, _SEQUENCES.c.webhook)):
        await tx.connection.execute(sa.delete(table).where(column == webhook))


async def listening(tx: Transaction) -> list[Listener]:
    """The webhooks that are told, in the order of their ids: enabled, and of no client that was revoked."""
    return [Listener(*found) for found in await tx.fetch(_LISTENING)]


async def count_on(tx: Transaction, log: str, webhook: str, messages: int) -> int:
    """The number of the first of so many messages of an institution to a webhook. The caller holds the log's lock."""
    ((last,),) = await tx.fetch(_count(tx.dialect), {"log": log, "webhook": webhook, "last": messages})
    return int(last) - messages + 1


@cache
def _count(dialect: Dialect) -> sa.Executable:
    insert = insert_of(dialect, _SEQUENCES)
    counted = insert.on_conflict_do_update(
        index_elements=["log", "webhook"], set_={"last": _SEQUENCES.c.last + insert.excluded.last}
    )
    return counted.returning(_SEQUENCES.c.last)


async def due(tx: Transaction, now: datetime) -> list[WebhookRow]:
    """Webhooks to whose endpoints something is due now, and that are told, in the order of their ids."""
    waiting = sa.exists().where(
        _OUTBOX.c.webhook == _TABLE.c.id, _OUTBOX.c.status == "waiting", _OUTBOX.c.due_at <= now
    )
    rested = sa.or_(_TABLE.c.paused_until.is_(None), _TABLE.c.paused_until <= now)
    query = _ROWS.outerjoin(_CLIENTS, _CLIENTS.c.id == _TABLE.c.client).where(*_TOLD, rested, waiting)
    return [WebhookRow(*found) for found in await tx.connection.execute(query.order_by(_TABLE.c.id))]


async def told(tx: Transaction, webhook: str) -> WebhookRow | None:
    """The webhook as it is now, if it is told at all."""
    query = _ROWS.outerjoin(_CLIENTS, _CLIENTS.c.id == _TABLE.c.client).where(*_TOLD, _TABLE.c.id == webhook)
    found = (await tx.connection.execute(query)).one_or_none()
    return None if found is None else WebhookRow(*found)


async def health(tx: Transaction, webhook: str) -> Health:
    """How its endpoint does."""
    found = (await tx.connection.execute(select_rows(_TABLE, Health).where(_TABLE.c.id == webhook))).one_or_none()
    return Health() if found is None else Health(*found)


async def note(tx: Transaction, webhook: str, health: Health) -> None:
    """Write how its endpoint does."""
    await tx.connection.execute(sa.update(_TABLE).where(_TABLE.c.id == webhook).values(values_of(health)))


async def disable(tx: Transaction, webhook: str, now: datetime, error: str) -> None:
    """Tell it nothing more; what waits for it is given up."""
    stopped = {"enabled": False, "version": _TABLE.c.version + 1, "updated_at": now, "failed_at": now, "error": error}
    await tx.connection.execute(sa.update(_TABLE).where(_TABLE.c.id == webhook).values(**stopped))
    await give_up(tx, webhook, error)


async def give_up(tx: Transaction, webhook: str, error: str, before: datetime | None = None) -> None:
    """Give up whatever waits for it, or has waited since before an instant."""
    waiting = [_OUTBOX.c.webhook == webhook, _OUTBOX.c.status == "waiting"]
    if before is not None:
        waiting.append(_OUTBOX.c.created_at < before)
    dead = {"status": "failed", "lease": None, "rendered": None, "error": error}
    await tx.connection.execute(sa.update(_OUTBOX).where(*waiting).values(**dead))


async def counts(tx: Transaction, chosen: Sequence[str]) -> dict[str, Counted]:
    """How much waits for each of these webhooks, and how much was given up."""
    query = sa.select(_OUTBOX.c.webhook, _OUTBOX.c.status, sa.func.count()).group_by(
        _OUTBOX.c.webhook, _OUTBOX.c.status
    )
    found = dict.fromkeys(chosen, Counted())
    for webhook, status, number in await tx.connection.execute(query.where(_OUTBOX.c.webhook.in_(chosen))):
        name = "waiting" if status == "waiting" else "dead"
        found[webhook] = replace(found[webhook], **{name: number})
    return found


async def dead_letters(
    tx: Transaction, webhook: str, limit: int, after: tuple[str, str] | None = None
) -> list[OutboxRow]:
    """What was given up of a webhook, by institution, oldest first; `after`: log and id of the last one before."""
    query = select_rows(_OUTBOX, OutboxRow).where(_OUTBOX.c.webhook == webhook, _OUTBOX.c.status == "failed")
    if after is not None:
        query = query.where(sa.tuple_(_OUTBOX.c.log, _OUTBOX.c.id) > after)
    query = query.order_by(_OUTBOX.c.log, _OUTBOX.c.id).limit(limit)
    return [OutboxRow(*found) for found in await tx.connection.execute(query)]


async def revive(tx: Transaction, webhook: str, now: datetime) -> int:
    """Let what was given up wait again, with three days of its own; how many messages."""
    dead = (_OUTBOX.c.webhook == webhook, _OUTBOX.c.status == "failed")
    anew = {"status": "waiting", "attempts": 0, "created_at": now, "due_at": now, "error": None}
    return (await tx.connection.execute(sa.update(_OUTBOX).where(*dead).values(**anew))).rowcount


async def sweep(tx: Transaction, before: datetime) -> None:
    """Forget what was given up before an instant."""
    dead = (_OUTBOX.c.webhook.is_not(None), _OUTBOX.c.status == "failed", _OUTBOX.c.due_at < before)
    await tx.connection.execute(sa.delete(_OUTBOX).where(*dead))


_ROWS = select_rows(_TABLE, WebhookRow)
_TOLD = (_TABLE.c.enabled, sa.or_(_TABLE.c.client.is_(None), sa.not_(_CLIENTS.c.disabled)))
_LISTENING = (
    select_rows(_TABLE, Listener)
    .outerjoin(_CLIENTS, _CLIENTS.c.id == _TABLE.c.client)
    .where(*_TOLD)
    .order_by(_TABLE.c.id)
)
