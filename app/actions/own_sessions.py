"""Somebody's own sessions: where they are signed in, and signing out everywhere at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.actions.ledger import write
from app.actions.services import Services
from app.actions.signin import IDLE, Visitor, is_over
from app.domain.events import Event
from app.storage import web_sessions


@dataclass(frozen=True, slots=True)
class OwnSession:
    """One session; `ends_at` is when it is over if it is not used again, `here` whether it is this browser's."""

    signed_in_at: datetime
    seen_at: datetime
    ends_at: datetime
    here: bool


async def own_sessions(services: Services, visitor: Visitor) -> tuple[OwnSession, ...]:
    """The visitor's sessions that are not over, newest first."""
    async with services.database.read() as tx:
        now = await tx.now()
        rows = await web_sessions.of_person(tx, visitor.code, visitor.person)
    return tuple(
        OwnSession(row.created_at, row.seen_at, min(row.expires_at, row.seen_at + IDLE), row.token == visitor.session)
        for row in rows
        if not is_over(row, now)
    )


async def sign_out_everywhere(services: Services, visitor: Visitor) -> None:
    """End all sessions of the visitor, this one included, on every replica; one event for each that was not over."""
    async with write(services, visitor.code) as book:
        rows = await web_sessions.of_person(book.tx, book.code, visitor.person)
        await web_sessions.end_of_person(book.tx, book.code, visitor.person)
        done = Event("sign_out.done", visitor.person, visitor.actor, {"because": "person"})
        book.add(*(done for row in rows if not is_over(row, book.now)))
        await book.append()
