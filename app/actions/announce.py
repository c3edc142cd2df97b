"""Webhooks are told: each event of an access request becomes a message to every webhook that asked for its type.

Called by the ledger with what it has just appended, so that a message is in the outbox exactly if its event is in the
trail, whoever caused it: a call, a page, the clock. What a message says is read from the trail when it is first sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from app.domain.events import Actor, Entry, Event
from app.domain.hooks import TOLD, admits
from app.domain.kinds import VENDOR
from app.storage import webhooks
from app.storage.database import Transaction
from app.storage.leaves import Stored
from app.storage.outbox import OutboxRow
from app.storage.webhooks import Listener, WebhookRow
from app.tokens.clients import EVERY_INSTITUTION

KIND = "webhook"


async def announce(tx: Transaction, code: str, stored: Sequence[Stored]) -> list[OutboxRow]:
    """The messages of one append to an institution's log."""
    told = [each.entry for each in stored if each.entry.type in TOLD]
    if not told or code == VENDOR:
        return []
    messages = []
    for listener in await webhooks.listening(tx):
        chosen = [entry for entry in told if admits(listener.types, entry.type)]
        if chosen and concerned([code], listener.institutions):
            first = await webhooks.count_on(tx, code, listener.id, len(chosen))
            last = stored[-1].entry.index
            messages += [_message(listener, entry, last, first + place) for place, entry in enumerate(chosen)]
    return messages


async def announced(tx: Transaction, code: str, actor: Actor) -> list[Event]:
    """What a new institution's log says first: which webhooks are told about it, because they are told about all."""
    rows = [row for row in await webhooks.read_all(tx) if EVERY_INSTITUTION in row.institutions]
    return [] if code == VENDOR else [replace(set_event(row, actor), subject=code) for row in rows]


def set_event(row: WebhookRow, actor: Actor) -> Event:
    """That a webhook is set, for whichever log."""
    return Event("webhook.set", "", actor, {"webhook": row.id, "types": sorted(set(row.types))}, {"url": row.url})


def concerned(codes: Iterable[str], institutions: Collection[str]) -> set[str]:
    """Those of the codes that a webhook of these institutions is told about; the vendor's only where it is named."""
    every = EVERY_INSTITUTION in institutions
    return {code for code in codes if code in institutions or (every and code != VENDOR)}


def label(name: str) -> str:
    """The label under which the secrets of a webhook are sealed."""
    return f"webhook/{name}"


def address_label(name: str) -> str:
    """The label under which the address of a channel is sealed."""
    return f"webhook-address/{name}"


def delivery_id(webhook: str, index: int) -> str:
    """The id of a delivery in the outbox; those of one log sort as their entries do."""
    return f"{webhook}/{index:012}"


def _message(listener: Listener, entry: Entry, last: int, sequence: int) -> OutboxRow:
    """`last` is the index up to which the trail tells what the message says: that of the append."""
    told = {"event": entry.id, "type": entry.type, "index": entry.index, "last": last, "sequence": sequence}
    return OutboxRow(
        log=entry.institution,
        id=delivery_id(listener.id, entry.index),
        kind=KIND,
        about=entry.subject,
        payload=told,
        created_at=entry.at,
        due_at=entry.at,
        webhook=listener.id,
    )
