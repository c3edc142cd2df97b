"""Delivery of webhooks: at least once, endpoint beside endpoint, each with its messages in about their order.

A message is made from the trail when it is first tried, and says what the request was after its event. The bytes of a
try that failed are kept, so that the next one carries the same. An endpoint that is down or asks for a rest is asked
with one message at a time, ever more seldom, while the others wait; what has waited for three days is given up.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.actions import chats
from app.actions.announce import address_label, label
from app.actions.services import Services
from app.actions.views import RequestView, view_at
from app.domain.errors import Unavailable
from app.identity.errors import FetchError
from app.notify import retries, webhook
from app.notify.chat import FORMS
from app.notify.webhook import Failed, Gone, Taken, Verdict
from app.storage import outbox, requests, webhooks
from app.storage.database import Transaction
from app.storage.outbox import OutboxRow
from app.storage.webhooks import Health, WebhookRow
from app.tokens.secrets import Secrets

BATCH = 10
LEASE = timedelta(minutes=4)  # longer than a batch takes whose every message waits for its time-out
AT_ONCE = 8

Render = Callable[[Services, RequestView], bytes]
"""A request as the API represents it."""


async def deliver_webhooks(services: Services, render: Render) -> int:
    """Try a batch of what is due to each endpoint; how many messages were tried.

    Raises `Unavailable`; where one endpoint's messages met it, after the others had their turn.
    """
    async with services.database.read() as tx:
        due = await webhooks.due(tx, await tx.now())
    places = asyncio.Semaphore(AT_ONCE)

    async def serve(row: WebhookRow) -> int | Unavailable:
        async with places:
            try:
                return await _serve(services, row.id, render)
            except Unavailable as doubt:
                return doubt

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(serve(row)) for row in due]
    outcomes = [task.result() for task in tasks]
    for outcome in outcomes:
        if isinstance(outcome, Unavailable):
            raise outcome
    return sum(outcome for outcome in outcomes if isinstance(outcome, int))


async def _serve(services: Services, name: str, render: Render) -> int:
    """One endpoint's batch, in turn, until one of them says that it is no use now; how many were tried."""
    async with services.database.begin() as tx:
        now = await tx.now()
        rows = await outbox.claim(tx, secrets.token_hex(16), now, now + LEASE, BATCH, name)
    for place, row in enumerate(rows):
        if not await _deliver(services, row, render):
            await _give_back(services, rows[place + 1 :])
            return place + 1
    return len(rows)


async def _give_back(services: Services, rows: Sequence[OutboxRow]) -> None:
    async with services.database.begin() as tx:
        for row in rows:
            await outbox.give_back(tx, row, row.created_at)


async def _deliver(services: Services, row: OutboxRow, render: Render) -> bool:
    """Try one message; whether the endpoint may be asked with the next one at once."""
    async with services.database.read() as tx:
        told, now = await webhooks.told(tx, row.webhook or ""), await tx.now()
        content = b"" if told is None else await _content(tx, services, told, row, render)
    if told is None:  # disabled or removed since, or its client revoked
        await _give_back(services, [row])
        return False
    outcome = await _try(services, told, row, content, now)
    async with services.database.begin() as tx:
        return await _settle(tx, told.id, row, content, outcome)


async def _content(tx: Transaction, services: Services, told: WebhookRow, row: OutboxRow, render: Render) -> bytes:
    if row.rendered is not None:
        return row.rendered
    request = await requests.read(tx, row.about or "", row.log)
    if request is None:  # no foreign key leads there, so say it aloud
        raise LookupError(row.about)
    view = await view_at(tx, request, row.payload["last"])
    for form in FORMS:
        if told.form == form:
            return chats.message(services, form, row.payload["type"], view)
    return webhook.body(row.payload["type"], view.now, render(services, view))


async def _try(services: Services, told: WebhookRow, row: OutboxRow, content: bytes, now: datetime) -> Verdict:
    sender = f"Countersign/{services.version}"
    if told.address is None:
        signing, sequence = keys(services.secrets, told, now), row.payload["sequence"]
        url = told.url
        headers = webhook.headers(signing, row.payload["event"], now, content, sequence=sequence, sender=sender)
    else:
        url = services.secrets.open(address_label(told.id), told.address).decode()
        headers = {"Content-Type": "application/json", "User-Agent": sender}
    try:
        reply = await services.webhooks.post(url, content, headers)
    except FetchError as error:
        return webhook.unreachable(error.problem)
    return webhook.verdict(reply.status, reply.retry_after)


async def _settle(tx: Transaction, name: str, row: OutboxRow, content: bytes, outcome: Verdict) -> bool:
    """Write what came of a try, of the webhook first; whether the endpoint may be asked with the next one at once."""
    now, health = await tx.now(), await webhooks.health(tx, name)
    if isinstance(outcome, Taken):
        await webhooks.note(tx, name, replace(health, failures=0, paused_until=None, delivered_at=now, error=None))
        await outbox.delivered(tx, row)
        return True
    if isinstance(outcome, Gone):
        await webhooks.disable(tx, name, now, outcome.reason)
        return False
    if outcome.busy:
        await webhooks.note(tx, name, _rested(health, outcome, now))
    else:
        await webhooks.note(tx, name, replace(health, failed_at=now, error=outcome.reason))
    await _put_off(tx, row, content, outcome, now)
    await webhooks.give_up(tx, name, outcome.reason, now - retries.LIFE)
    return not outcome.busy


def _rested(health: Health, outcome: Failed, now: datetime) -> Health:
    """An endpoint that rests, the longer the more often it failed."""
    failures = health.failures + 1
    until = now + max(retries.delay(failures, _jitter()), outcome.wait)
    return replace(health, failures=failures, paused_until=until, failed_at=now, error=outcome.reason)


async def _put_off(tx: Transaction, row: OutboxRow, content: bytes, outcome: Failed, now: datetime) -> None:
    due = retries.next_attempt(row.created_at, now, row.attempts, _jitter())
    if due is None:
        await outbox.failed(tx, row, outcome.reason, forget=True)
        return
    await outbox.render(tx, row, content)
    await outbox.retry(tx, row, max(due, now + outcome.wait), outcome.reason)


def keys(vault: Secrets, row: WebhookRow, now: datetime) -> list[bytes]:
    """The keys that sign now, newest first."""
    found = [vault.open(label(row.id), row.secret)]
    if row.old_secret is not None and row.old_secret_until is not None and now < row.old_secret_until:
        found.append(vault.open(label(row.id), row.old_secret))
    return found


def _jitter() -> float:
    return random.random()  # noqa: S311 -- jitter, no secret
