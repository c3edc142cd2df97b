"""Mails that did not arrive: refused by the peer, or given up later and reported back. Access stays closed either way.

A refusal is noted by `deliver`; a report is given to `record`, and believed by the tag of the address it came to.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.actions.change_views import scene
from app.actions.ledger import write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.events import WORKER, Event
from app.notify import bounces, facts
from app.notify.facts import Settings
from app.notify.settings_facts import Digest
from app.storage import outbox, roster
from app.storage.database import Transaction
from app.storage.outbox import OutboxRow
from app.trail import canonical

SHOWN = timedelta(days=30)
MOST = 100
Recorded = Literal["recorded", "known", "no-bounce", "unknown"]


def sender(services: Services, mail: str) -> str:
    """The envelope sender of a mail (an `evt_…`): an address of its own where bounces are taken."""
    if services.bounces_to is None:
        return services.mail_from
    return bounces.return_address(services.bounces_to, mail, _tag(services, mail))


async def record(services: Services, raw: bytes) -> Recorded:
    """Record what a mail that came back says. What is no bounce, or of no mail of ours, changes nothing.

    Raises `Unavailable`.
    """
    bounce = bounces.read(raw)
    if bounce is None:
        return "no-bounce"
    if not hmac.compare_digest(bounce.tag, _tag(services, bounce.mail)):
        return "unknown"
    async with services.database.read() as tx:
        row = await outbox.of_id(tx, bounce.mail)
    if row is None:
        return "unknown"
    async with write(services, row.log) as book:
        if not await outbox.bounced(book.tx, row, bounce.reason):
            return "known"
        book.add(failed_event(row, permanent=bounce.permanent))
        await book.append()
    return "recorded"


def failed_event(row: OutboxRow, *, permanent: bool) -> Event:
    """That a mail did not arrive."""
    identifier = canonical.sha(row.payload["message_id"].encode())
    data = {"message_id": identifier, "to": list(row.payload["people"]), "permanent": permanent}
    return Event("mail.failed", row.log, WORKER, data)


@dataclass(frozen=True, slots=True)
class Lost:
    """A mail that did not arrive: to whom (`person` and name where it is one of the roster's), of what kind, of which
    requests (id and number), and why.
    """

    at: datetime
    address: str
    person: str
    name: str | None
    kind: str
    requests: tuple[tuple[str, str], ...]
    reason: str


async def lost(services: Services, visitor: Visitor) -> list[Lost]:
    """The mails of the last days that did not arrive, newest first, for admins. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        return await _lost(tx, visitor.code, there.now)


async def lost_of_requests(services: Services, visitor: Visitor) -> dict[str, dict[str, str]]:
    """For each request of which a mail to people of the roster did not arrive: they (`per_…`), and their names."""
    async with services.database.read() as tx:
        found = await _lost(tx, visitor.code, await tx.now())
    people: dict[str, dict[str, str]] = {}
    for each in reversed(found):
        for request, _ in each.requests if each.name is not None else ():
            people.setdefault(request, {})[each.person] = each.name or ""
    return people


async def _lost(tx: Transaction, code: str, now: datetime) -> list[Lost]:
    rows = await outbox.lost(tx, code, now - SHOWN, MOST)
    names = {each.person: each.name for each in await roster.people(tx, code)} if rows else {}
    return [_view(row, names) for row in rows]


def _view(row: OutboxRow, names: dict[str, str]) -> Lost:
    payload, told = row.payload, facts.from_data(row.payload["facts"])
    person = next(iter(payload["people"]), "")
    numbers: list[str] = []
    if isinstance(told, Digest):
        numbers = [item.number for item in told.items]
    elif not isinstance(told, Settings):
        numbers = [told.request.number]
    return Lost(
        at=row.created_at,
        address=payload["to"][0],
        person=person,
        name=names.get(person),
        kind=told.kind,
        requests=tuple(zip(payload.get("requests", [row.about]), numbers, strict=False)),
        reason=row.error or "",
    )


def _tag(services: Services, mail: str) -> str:
    return b32encode(services.secrets.mac("bounce", mail)[:10]).decode().lower()
