"""What the institution's people see of a session: who, how much is recorded, what was done, newest first.

Nothing here is evidence that is read (`recordings.read_part` is), so looking leaves no entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.sessions import BY_GATE, SessionView, view, view_of
from app.actions.signin import Visitor
from app.actions.views import RequestView, private_fields
from app.actions.views import view as request_view
from app.domain.errors import Refused
from app.domain.institution import eligible
from app.domain.recording import Record
from app.domain.session import State
from app.domain.window import Span
from app.storage import activity, clients, entries, recordings, requests, roster, sessions
from app.storage.activity import EventRow
from app.storage.database import Transaction
from app.storage.leaves import Stored
from app.storage.sessions import Filter, SessionRow

SHOWN = 50
SIBLINGS = 100
_TOLD = ("session.opened", "session.lost", "session.resumed", "session.ended", "session.terminated")


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of what happened. `what`: `activity`, or `opened`, `lost`, `resumed`, `ended`, `terminated` as the trail
    tells it, with `index` and, where a person did it, who: the id, and the name.

    `at` is our time; `words` a summary, or where it was opened from; `detail` JSON text or null.
    """

    at: datetime
    what: str
    words: str = ""
    kind: str = ""
    detail: str | None = None
    late: bool = False
    index: int | None = None
    person: str | None = None
    by: str | None = None
    because: str | None = None


@dataclass(frozen=True, slots=True)
class PartView:
    """A part of the recording. `erased`: its time was over, only its digest is left."""

    n: int
    bytes: int
    content_type: str
    at: datetime
    erased: bool


@dataclass(frozen=True, slots=True)
class SessionPage:
    """A session for one of its institution's people.

    `happenings` are newest first, and go on below number `older` (null: that is all); `parts` likewise below
    `older_part`, of `parts_count`. `away` is the time in which it was lost. `may_end`, `may_read`: this visitor.
    """

    session: SessionView
    request: RequestView
    happenings: tuple[Happening, ...]
    older: int | None
    parts: tuple[PartView, ...]
    older_part: int | None
    parts_count: int
    away: tuple[Span, ...]
    may_end: bool
    may_read: bool
    ending: Happening | None

    @property
    def living(self) -> bool:
        """Whether it is open, or lost and may resume."""
        return self.session.state in {State.OPEN, State.LOST}


async def read_session(
    services: Services, visitor: Visitor, session_id: str, before: int | None = None, before_part: int | None = None
) -> SessionPage:
    """A session of the visitor's institution; what happened, and parts, below a number. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        row = await own_row(tx, visitor, session_id)
        request = await requests.read(tx, row.request, row.log)
        if request is None:  # no foreign key leads there, so say it aloud
            raise LookupError(row.request)
        now = await tx.now()
        seen, asked = await view(tx, row, now), await request_view(tx, request, now)
        told = await _told(tx, row)
        happenings, older = await _happenings(tx, row, told, before)
        parts = await recordings.latest(tx, row.log, row.id, SHOWN + 1, before_part)
        count = await recordings.count(tx, row.log, row.id)
    able = eligible(asked.institution, visitor.person, asked.institution.environments[row.environment].product)
    living = seen.state in {State.OPEN, State.LOST}
    return SessionPage(
        session=seen,
        request=asked,
        happenings=happenings,
        older=older,
        parts=tuple(
            PartView(each.n, each.bytes, each.content_type, each.at, each.erased_at is not None)
            for each in parts[:SHOWN]
        ),
        older_part=parts[SHOWN - 1].n if len(parts) > SHOWN else None,
        parts_count=count,
        away=_away(row, seen),
        may_end=able and living,
        may_read=able or "auditor" in visitor.roles,
        ending=told[-1] if told and told[-1].what in {"ended", "terminated"} else None,
    )


async def own_row(tx: Transaction, visitor: Visitor, session_id: str) -> SessionRow:
    """The row of a session of the visitor's institution. Raises `Refused` not-found."""
    row = await sessions.read(tx, session_id)
    if row is None or row.log != visitor.code or not visitor.roles:
        raise Refused(NOT_FOUND)
    return row


async def sessions_of(services: Services, visitor: Visitor, request_id: str) -> tuple[SessionView, ...]:
    """The sessions of a request of the visitor's institution, newest first."""
    if not visitor.roles:
        return ()
    async with services.database.read() as tx:
        rows = await sessions.find(tx, Filter((visitor.code,), request=request_id), SIBLINGS)
        now = await tx.now()
        names = {each.id: each.name for each in await clients.read_all(tx)} if rows else {}
    return tuple(view_of(row, names.get(row.client or "", row.client or BY_GATE), now) for row in rows)


async def _told(tx: Transaction, row: SessionRow) -> list[Happening]:
    """What the trail tells of its life, oldest first."""
    stored = await entries.of_subject(tx, row.log, row.id, _TOLD)
    people = {each.person: each.name for each in await roster.people(tx, row.log)}
    return [_as_happening(each, people) for each in stored]


def _as_happening(stored: Stored, people: dict[str, str]) -> Happening:
    entry, private = stored.entry, private_fields(stored)
    person = entry.actor.id if entry.actor.kind == "person" else None
    return Happening(
        at=entry.at,
        what=entry.type.removeprefix("session."),
        words=private.get("ip") or private.get("summary") or "",
        index=entry.index,
        person=person,
        by=None if person is None else people.get(person, person),
        because=entry.data.get("because"),
    )


async def _happenings(
    tx: Transaction, row: SessionRow, told: Sequence[Happening], before: int | None
) -> tuple[tuple[Happening, ...], int | None]:
    """A page of what happened, and the number below which the next goes on.

    What the trail tells stands on the page that holds its time: after what came before it.
    """
    found = await activity.latest(tx, row.log, row.id, SHOWN + 1, before)
    until = found[0].received_at if before is not None and found else None
    since = found[SHOWN].received_at if len(found) > SHOWN else None
    events = found[:SHOWN]
    marks = [
        each
        for each in told
        if (until is None or each.at <= until) and (since is None or each.at > since) and (before is None or found)
    ]
    lines = sorted(chain(reversed(marks), map(_as_activity, events)), key=lambda each: each.at, reverse=True)
    return tuple(lines), events[-1].n if since is not None else None


def _as_activity(event: EventRow) -> Happening:
    return Happening(event.received_at, "activity", event.summary, event.kind, event.detail, event.late)


def _away(row: SessionRow, seen: SessionView) -> tuple[Span, ...]:
    """The time in which it was lost, until now or its end."""
    record, until = Record.from_data(row.coverage), seen.ended_at or seen.now
    if seen.state is State.LOST:
        until = seen.now
    lost_at = record.lost_at or (seen.ended_at if seen.state is State.LOST else None)
    still = [Span(lost_at, until)] if lost_at is not None and lost_at < until else []
    return (*record.away, *still)
