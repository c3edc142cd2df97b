"""Access requests as vendor systems read and end them, and the conversation about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.actions.cursors import cursor_of, open_cursor
from app.actions.held import Held, hold
from app.actions.ledger import NOT_FOUND, lock, unwrap
from app.actions.mails import post
from app.actions.services import Services
from app.actions.views import RequestView, view, views
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.languages import msg, told
from app.domain.request import (
    TERMINAL,
    Status,
)
from app.domain.request import (
    complete as complete_request,
)
from app.domain.request import (
    withdraw as withdraw_request,
)
from app.domain.request.judge import wrong_state
from app.notify.facts import Remark
from app.storage import requests
from app.storage.database import Transaction
from app.storage.requests import Filter, RequestRow
from app.tokens.clients import EVERY_INSTITUTION, Caller

MESSAGES_PER_HOUR = 60
STALE = Refusal("stale", msg("The request has changed since; read it again."))


async def read(services: Services, caller: Caller, request_id: str) -> RequestView:
    """A request of one of the caller's institutions. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        row = _served(await requests.read(tx, request_id), caller)
        return await view(tx, row, await tx.now())


def _served(row: RequestRow | None, caller: Caller) -> RequestRow:
    if row is None or not caller.serves(row.log):
        raise Refused(NOT_FOUND)
    return row


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list shows; null narrows nothing."""

    institution: str | None = None
    status: Status | None = None
    case: str | None = None
    engineer: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, newest first; `next_cursor` is null on the last."""

    items: tuple[RequestView, ...]
    next_cursor: str | None


# The status last recorded may be one of these while the clock already says the other.
_RECORDED_AS: Mapping[Status, tuple[str, ...]] = {
    Status.ACTIVE: ("active", "approved"),
    Status.ELAPSED: ("elapsed", "active", "approved"),
    Status.EXPIRED: ("expired", "pending"),
}


async def find(services: Services, caller: Caller, wanted: Wanted, limit: int, cursor: str | None) -> Page:
    """A page of the caller's requests, by the status of the clock. Raises `Refused` for a foreign cursor."""
    before = open_cursor(cursor, "req")
    logs = None if EVERY_INSTITUTION in caller.institutions else tuple(sorted(caller.institutions))
    if wanted.institution is not None:
        logs = (wanted.institution,) if caller.serves(wanted.institution) else ()
    statuses = () if wanted.status is None else _RECORDED_AS.get(wanted.status, (wanted.status.value,))
    chosen = Filter(logs, statuses, wanted.case, wanted.engineer, None, wanted.created_after, wanted.created_before)
    found: list[RequestView] = []
    async with services.database.read() as tx:
        now = await tx.now()
        while len(found) <= limit:
            rows = await requests.find(tx, chosen, limit + 1, before)
            found += [each for each in await views(tx, rows, now) if wanted.status in {None, each.status}]
            if len(rows) <= limit:
                break
            before = rows[-1].id
    items = tuple(found[:limit])
    return Page(items, cursor_of(items[-1].row.id) if len(found) > limit else None)


async def withdraw(
    services: Services, caller: Caller, request_id: str, reason: str, if_match: str | None
) -> RequestView:
    """Pending → withdrawn. Raises `Refused`: not-found, stale, wrong-state."""

    def act(held: Held, client: Actor) -> list[Event] | Refusal:
        return withdraw_request(held.request, client, reason, held.book.now)

    return await _end(services, caller, request_id, if_match, act, ("withdrawn", reason))


async def complete(
    services: Services, caller: Caller, request_id: str, summary: str, if_match: str | None
) -> RequestView:
    """Approved or active → completed. Raises `Refused`: not-found, stale, wrong-state."""

    def act(held: Held, client: Actor) -> list[Event] | Refusal:
        return complete_request(held.request, client, summary, held.book.now)

    return await _end(services, caller, request_id, if_match, act, ("completed", summary))


async def message(
    services: Services, caller: Caller, request_id: str, text: str, if_match: str | None = None
) -> RequestView:
    """The engineer's side of the conversation, while the request is pending, approved or active.

    Raises `Refused`: not-found, stale, wrong-state, too-many-requests.
    """
    outcome: RequestView | Refusal
    async with services.database.begin() as tx:
        held = await hold_served(services, tx, caller, request_id)
        if _stale(await view(tx, held.row, held.book.now), if_match):
            await held.store()
            outcome = STALE
        else:
            outcome = await say(held, Actor("client", caller.cli), text, None)
    return unwrap(outcome)


async def say(held: Held, actor: Actor, text: str, by: str | None) -> RequestView | Refusal:
    """Add a message to a held request and tell the others; `by` is the person's name, null for the engineer."""
    if held.request.status in TERMINAL:
        await held.store()
        return wrong_state(held.request.status)
    before = await view(held.book.tx, held.row, held.book.now)
    recent = [each for each in before.messages if each.at > held.book.now - timedelta(hours=1)]
    if len(recent) >= MESSAGES_PER_HOUR:
        detail = told(
            "At most %(messages_per_hour)s messages an hour on one request.", messages_per_hour=MESSAGES_PER_HOUR
        )
        free_at = recent[-MESSAGES_PER_HOUR].at + timedelta(hours=1)
        return Refusal("too-many-requests", detail, retry_after=math.ceil((free_at - held.book.now).total_seconds()))
    side: Literal["institution", "vendor"] = "institution" if actor.kind == "person" else "vendor"
    held.tell(Event("message.sent", held.request.id, actor, {"from": side}, {"text": text}))
    remark = Remark(side, by or before.asked.get("engineer_name") or "", held.book.now, text)
    last = next((each for each in reversed(before.messages) if each.side != side), None)
    earlier = (
        None
        if last is None
        else Remark("vendor" if side == "institution" else "institution", last.by, last.at, last.text)
    )
    mails = await post(held, dict(before.asked))
    mails.message(remark, earlier, but=actor.id)
    await held.store()
    return await view(held.book.tx, held.row, held.book.now)


def _stale(seen: RequestView, if_match: str | None) -> bool:
    """Whether `If-Match` names another state than this (RFC 9110, section 13.1.1: compared strongly)."""
    if if_match is None or if_match.strip() == "*":
        return False
    return seen.etag not in map(str.strip, if_match.split(","))


async def _end(
    services: Services,
    caller: Caller,
    request_id: str,
    if_match: str | None,
    act: Callable[[Held, Actor], list[Event] | Refusal],
    told: tuple[Literal["withdrawn", "completed"], str],
) -> RequestView:
    async with services.database.begin() as tx:
        held = await hold_served(services, tx, caller, request_id)
        before = await view(tx, held.row, held.book.now)
        outcome: RequestView | Refusal = before
        events = act(held, Actor("client", caller.cli))
        if _stale(before, if_match):
            outcome = STALE
        elif isinstance(events, Refusal):
            outcome = events
        else:
            held.tell(*events)
            mails = await post(held, dict(before.asked), (f"request.{told[0]}",) if told[0] == "withdrawn" else ())
            mails.outcome(told[0], by=before.asked.get("engineer_name"), because=None, words=told[1])
        await held.store()
        if isinstance(outcome, RequestView):
            outcome = await view(tx, held.row, held.book.now)
    return unwrap(outcome)


async def hold_served(services: Services, tx: Transaction, caller: Caller, request_id: str) -> Held:
    """Hold a request of one of the caller's institutions. Raises `Refused` not-found."""
    row = _served(await requests.read(tx, request_id), caller)
    return await hold(await lock(services, tx, row.log), request_id)
