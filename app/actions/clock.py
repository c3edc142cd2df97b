"""The clock's own work: what is due is recorded by the same function that every action calls first.

Lapses of requests and of changes, openings and ends; reminders and escalations; refusals counted over a minute that is
now over.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from app.actions import tries, webhooks
from app.actions.change_mails import tell_gathered
from app.actions.held import Held, changed_row, hold
from app.actions.ledger import write
from app.actions.mails import post
from app.actions.proposals import lapse
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.events import WORKER, Actor, Event
from app.domain.request import Status
from app.storage import (
    attempts,
    changes,
    drafts,
    entries,
    idempotency,
    institutions,
    refusals,
    replays,
    requests,
    web_sessions,
)
from app.storage import proposals as rows
from app.storage.refusals import RefusalRow

BATCH = 50
DRAFT_LIFE = timedelta(days=1)
FLOW_LIFE = timedelta(hours=1)
CHANGE_LIFE = timedelta(days=30)


async def sweep(services: Services) -> int:
    """Record what is due of up to `BATCH` requests; how many were looked at.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    looked, doubts = 0, dict[str, Unavailable]()
    while True:
        known = len(doubts)
        for log, request_id in await _due(services, doubts):
            if log in doubts:
                continue
            try:
                await _settle(services, log, request_id)
                looked += 1
            except Unavailable as doubt:
                doubts[log] = doubt
        if len(doubts) == known:
            break
    if doubts:
        raise next(iter(doubts.values()))
    return looked


async def _due(services: Services, but: Collection[str]) -> list[tuple[str, str]]:
    """Log and id of the requests that are due, those of some logs left out."""
    async with services.database.read() as tx:
        logs = sorted({*await institutions.codes(tx)}.difference(but)) if but else None
        return await requests.due(tx, await tx.now(), BATCH, logs)


async def _settle(services: Services, log: str, request_id: str) -> None:
    async with write(services, log) as book:
        held = await hold(book, request_id)
        if held.request.status is Status.PENDING:
            await _remind(held)
        elif held.request.status is Status.EXPIRED:
            (await post(held, thick=("request.expired",))).outcome("expired", by=None, because=None)
        await held.store()
        await _reschedule(held)


async def _reschedule(held: Held) -> None:
    """Where nothing changed but that an alarm rang, set the next one."""
    row = changed_row(held.row, held.request, held.book)
    if row.due_at != held.row.due_at:
        await requests.save(held.book.tx, row)


async def _remind(held: Held) -> None:
    """Reminders whose time has come (as one), and the escalation, once each."""
    book, policy = held.book, held.book.institution.policy
    waited = (book.now - held.request.created_at) / timedelta(minutes=1)
    types = ("request.reminded", "request.escalated")
    before = await entries.of_requests(book.tx, book.code, [held.request.id], types)
    told = [each.entry for each in before[held.request.id]]
    rung = sum(minutes <= waited for minutes in policy.remind_after_minutes)
    mails = await post(held, thick=("request.reminded", "request.escalated"))
    if rung > max((entry.data["n"] for entry in told if entry.type == "request.reminded"), default=0):
        to = mails.needed("reminder", mails.waited_for())
        held.tell(Event("request.reminded", held.request.id, WORKER, {"n": rung, "to": sorted(to)}))
    escalated = any(entry.type == "request.escalated" for entry in told)
    if policy.escalate_after_minutes is not None and policy.escalate_after_minutes <= waited and not escalated:
        to = mails.needed("escalation", mails.backups())
        held.tell(Event("request.escalated", held.request.id, WORKER, {"to": sorted(to)}))


async def lapse_changes(services: Services) -> int:
    """Record the lapse of changes that no admin has answered in time; how many.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    async with services.database.read() as tx:
        logs = sorted({log for log, _ in await rows.due(tx, await tx.now(), BATCH)})
    lapsed, doubts = 0, []
    for log in logs:
        try:
            async with write(services, log) as book:
                lapsed += await lapse(book)
                await tell_gathered(book)
                await book.append()
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return lapsed


async def tell_refusals(services: Services) -> int:
    """Record the refusals that minutes now over had counted after their first; how many events.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    async with services.database.read() as tx:
        logs = await refusals.waiting(tx, await tx.now())
    told, doubts = 0, []
    for log in logs:
        try:
            told += await _tell_refusals(services, log)
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return told


async def _tell_refusals(services: Services, log: str) -> int:
    async with write(services, log) as book:
        rows = await refusals.collect(book.tx, log, book.now)
        book.add(*map(_refusal, rows))
        await book.append()
    return len(rows)


def _refusal(row: RefusalRow) -> Event:
    event = row.event
    kind, actor = event["actor"]
    data = event["data"] | ({"count": row.later} if "count" in event["data"] else {})
    return Event(event["type"], event["subject"], Actor(kind, actor), data, event["private"])


async def tidy(services: Services) -> None:
    """Forget what is over: sign-ins and drafts nobody finished, old keys, tries, and what was to be shown once."""
    async with services.database.begin() as tx:
        now = await tx.now()
        await web_sessions.sweep_flows(tx, now - FLOW_LIFE)
        await drafts.sweep(tx, now - DRAFT_LIFE)
        await idempotency.sweep(tx, now)
        await attempts.sweep(tx, now - tries.LONGEST)
        await replays.sweep(tx, now)
        await webhooks.tidy(tx, now)
        await changes.sweep(tx, now - CHANGE_LIFE)
