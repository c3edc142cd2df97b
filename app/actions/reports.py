"""What gateways report of their sessions, and how they learn that one is over.

A session that is open, and of which nothing is due, is written down by set-based statements under the locks of session
rows alone, many at once. For anything else (its grant is over, it was silent, it has ended) its log is locked.

A report that meets an ended session is kept, flagged late; 60 s after the grant's end it is sealed no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.sessions import settle, still_told, watch_session
from app.actions.watched import Reported, unforged
from app.domain.errors import Refused
from app.domain.recording import SILENCE
from app.storage import activity, sessions
from app.storage.activity import SEAL_AFTER, EventRow
from app.storage.database import Transaction
from app.storage.grouped import GroupCommit
from app.storage.sessions import SessionRow

TOGETHER = 32
"""Reports of one commit: each may be a body of the largest size, and all of them stand in memory at once."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported of one session, by the client (`cli_…`) that opened it, or by the gate, where that is null."""

    session: str
    client: str | None
    events: tuple[Reported, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer: whether the session goes on, until when at most, and else why not."""

    goes_on: bool
    because: str | None
    not_after: datetime


class Reports:
    """Takes the reports that reach a process at the same time together: one commit for all of them.

    Whoever is heard joins a transaction that begins after the call, so an ending committed before it is seen.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._group = GroupCommit(services.database, self._write, limit=TOGETHER)

    async def take(self, given: Report) -> Heard:
        """Record a report, committed when this returns. Raises `Refused` not-found, `Unavailable`."""
        heard = await self._group.put(given)
        return heard or await hear_one(self._services, given)

    async def _write(self, tx: Transaction, reports: Sequence[Report]) -> list[Heard | None]:
        return await hear_many(self._services, tx, reports)


async def hear_many(services: Services, tx: Transaction, reports: Sequence[Report]) -> list[Heard | None]:
    """Record the reports of sessions that are open and of which nothing is due; null for all others, of which nothing
    was written: they go to `hear_one`. Set-based; safe beside any ending of a session.
    """
    rows = await sessions.lock(tx, sorted({each.session for each in reports}))
    return await hear_locked(services, tx, rows, await tx.now(), reports)


async def hear_locked(
    services: Services, tx: Transaction, locked: Sequence[SessionRow], now: datetime, reports: Sequence[Report]
) -> list[Heard | None]:
    """As `hear_many`, of rows that are locked already."""
    rows = {row.id: row for row in locked}
    good = {key: row for key, row in rows.items() if _goes_on(row, now) and unforged(services.secrets, row)}
    good = {row.id: row for row in await still_told(tx, list(good.values()))}
    counted: dict[str, SessionRow] = {}
    events: list[EventRow] = []
    heard: list[Heard | None] = []
    for each in reports:
        row = counted.get(each.session) or good.get(each.session)
        if row is None or row.client != each.client:
            heard.append(None)
            continue
        counted[row.id] = _counted(row, each.events, now, events)
        heard.append(Heard(True, None, row.not_after))
    if counted:
        await activity.record(tx, list(counted.values()), events)
    return heard


def _goes_on(row: SessionRow, now: datetime) -> bool:
    recorded = row.record_by is None or now < row.record_by
    return row.state == "open" and now < row.not_after and now - row.seen_at < SILENCE and recorded


def _counted(row: SessionRow, reported: Sequence[Reported], now: datetime, into: list[EventRow]) -> SessionRow:
    at = max(now, row.seen_at)
    into += [
        EventRow(row.log, row.id, row.events + n, each.at, at, each.kind, each.summary, each.detail, late=False)
        for n, each in enumerate(reported, 1)
    ]
    seal_at = row.seal_at or (at + SEAL_AFTER if reported else None)
    return replace(row, events=row.events + len(reported), seen_at=at, seal_at=seal_at)


async def hear_one(services: Services, given: Report) -> Heard:
    """Record one report under the lock of its log, whatever the session's state. Raises `Refused` not-found."""
    async with services.database.begin() as tx:
        row = await sessions.read(tx, given.session)
        if row is None or row.client != given.client:
            raise Refused(NOT_FOUND)
        held, session = await watch_session(services, tx, row)
        await settle(held, session)
        if session.living:
            session.hear()
        await session.report(given.events, held.book.now)
        await held.store()
        row = session.row
    if session.living:
        return Heard(True, None, row.not_after)
    return Heard(False, row.ended_because, row.not_after)
