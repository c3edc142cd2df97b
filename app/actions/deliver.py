"""Delivery: mails leave the outbox at least once, with a receipt that covers their own event, the same on every try."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from datetime import timedelta

from app.actions.bounces import failed_event, sender
from app.actions.checkpoints import checkpoint
from app.actions.ledger import write
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.notify import facts, retries, smtp
from app.notify.mail import Envelope, build
from app.notify.messages import render
from app.notify.smtp import Delivered, Permanent
from app.storage import outbox
from app.storage.outbox import OutboxRow
from app.trail.checkpoint import Checkpoint

LEASE = timedelta(minutes=2)
BATCH = 20


async def deliver(services: Services) -> int:
    """Try every due mail once, a batch of them; how many were tried.

    Raises `Unavailable`; where one log is in doubt, after the mails of the others were tried.
    """
    if services.smtp is None:
        return 0
    async with services.database.begin() as tx:
        now = await tx.now()
        rows = await outbox.claim(tx, secrets.token_hex(16), now, now + LEASE, BATCH)
    doubts = []
    for row in rows:
        try:
            await _deliver(services, row, services.smtp)
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return len(rows)


async def _deliver(services: Services, row: OutboxRow, settings: smtp.SmtpSettings) -> None:
    raw = row.rendered if row.rendered is not None else await _render(services, row)
    verdicts = await smtp.send(settings, raw, sender(services, row.id), row.payload["to"])
    failed = [verdict for verdict in verdicts.values() if not isinstance(verdict, Delivered)]
    if not failed:
        async with services.database.begin() as tx:
            await outbox.done(tx, row)
        return
    reason = failed[0].reason
    async with write(services, row.log) as book:
        due = retries.next_attempt(row.created_at, book.now, row.attempts, random.random())  # noqa: S311 -- jitter, no secret
        permanent = all(isinstance(verdict, Permanent) for verdict in failed)
        if due is None or permanent:
            if await outbox.failed(book.tx, row, reason):
                book.add(failed_event(row, permanent=permanent))
            await book.append()
        else:
            await outbox.retry(book.tx, row, due, reason)


async def _render(services: Services, row: OutboxRow) -> bytes:
    """The mail as it is first sent, kept before it is: its receipt is signed after its event was committed."""
    receipt = await checkpoint(services, row.log)
    size = Checkpoint.parse(receipt.decode().partition("\n\n")[0] + "\n").size
    if size <= row.payload["index"]:
        raise RuntimeError("a receipt has to cover the mail's own event")
    message = render(facts.from_data(row.payload["facts"]), receipt)
    envelope = Envelope(
        sender=services.mail_from,
        code=row.log,
        to=_strings(row.payload["to"]),
        reply_to=_strings(row.payload["reply_to"]),
        date=row.created_at,
        message_id=row.payload["message_id"],
        first=row.payload["first"],
    )
    raw = build(message, envelope, receipt)
    async with services.database.begin() as tx:
        return await outbox.render(tx, row, raw)


def _strings(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(values)
