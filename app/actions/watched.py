"""A session held under the locks of its log and its row: events told to it, then its row stored, with its MAC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from app.actions.ledger import Ledger
from app.actions.mails import post
from app.actions.subject import Subject
from app.audit.segment import Told, segment_digest
from app.domain import recording
from app.domain.events import SERVICE, WORKER, Actor, Event
from app.domain.recording import REACH, SILENCE, Record
from app.domain.session import Coverage, Session, State, evolve
from app.domain.times import stamp
from app.storage import activity, clients, sessions
from app.storage.activity import SEAL_AFTER, EventRow, SegmentRow
from app.storage.gates import AtGate
from app.storage.sessions import LIVING, SessionRow
from app.tokens.secrets import Secrets
from app.trail.log import new_salt

SESSION_LABEL = "row/session"
SEGMENT_EVENTS = 5_000
LATE = timedelta(seconds=60)
"""What is reported so long after the grant's end is kept, but sealed no more (`trail-format.md`)."""

Because = Literal["approver", "grant-over", "revoked", "completed", "not-recorded"]


@dataclass(frozen=True, slots=True)
class Reported:
    """One event as a gateway reports it. `at` is its own time; `detail` is JSON text or null."""

    at: datetime
    kind: str
    summary: str
    detail: str | None = None


class Watched:
    """A session whose log and row are locked, and the request it is on. `row` and `record` are as everything told so
    far left them.
    """

    def __init__(self, subject: Subject, row: SessionRow) -> None:
        self.subject = subject
        self.row = row
        self.record = Record.from_data(row.coverage)
        self._before = row

    @property
    def book(self) -> Ledger:
        """The locked log."""
        return self.subject.book

    @property
    def over(self) -> datetime:
        """When its grant is over, as far as is known."""
        grant = self.subject.request.grant
        return self.row.not_after if grant is None else grant.ended_at or grant.not_after

    @property
    def living(self) -> bool:
        """Whether it is open, or lost and may resume."""
        return self.row.state in LIVING

    @property
    def silent(self) -> bool:
        """Whether it is open, but was silent for so long that it is lost."""
        return self.row.state == "open" and self.book.now - self.row.seen_at >= SILENCE

    @property
    def unrecorded(self) -> bool:
        """Whether it is open, has to be recorded, and no part came in time; not where it was lost before that."""
        by, policy = self.row.record_by, self.book.institution.policy
        missed = by is not None and by <= self.book.now and by < self.row.seen_at + SILENCE
        return self.row.state == "open" and missed and policy.recording_required

    @property
    def actor(self) -> Actor:
        """Who reports it: the client of its gateway, or this service's own gate."""
        return SERVICE if self.row.client is None else Actor("client", self.row.client)

    def coverage(self) -> Coverage:
        """What is covered of its time until now, or until it ended."""
        return recording.covered(self.record, self.row.ended_at or self.book.now)

    def tell(self, event: Event) -> None:
        """Gather an event of this session, and fold it into its row."""
        session = evolve(session_of(self.row), self.book.place(event))
        self.row = replace(
            self.row,
            state=session.state.value,
            ended_at=session.ended_at,
            ended_because=session.ended_because,
            segments=session.segments,
        )

    async def seal(self) -> None:
        """Seal what was reported and is not sealed yet; what came too late for that stays as it is."""
        limit = self.over + LATE
        while self.row.sealed < self.row.events:
            found = await activity.read(
                self.book.tx, self.row.log, self.row.id, self.row.sealed + 1, self.row.events, SEGMENT_EVENTS
            )
            events = [event for event in found if event.received_at <= limit]
            if not events:
                break
            await self._seal(events)
        self.row = replace(self.row, seal_at=None)

    async def _seal(self, events: list[EventRow]) -> None:
        row, first, last = self.row, events[0], events[-1]
        n, salt = row.segments + 1, new_salt()
        digest = digest_of(row.id, n, salt, events)
        data = {
            "n": n,
            "from": stamp(min(first.received_at, self.book.now)),
            "to": stamp(min(last.received_at, self.book.now)),
            "events": len(events),
            "digest": digest,
            "late": sum(event.late for event in events),
        }
        self.tell(Event("session.segment_sealed", row.id, WORKER, data))
        await activity.add_segment(self.book.tx, SegmentRow(row.log, row.id, n, first.n, last.n, salt, digest))
        self.row = replace(self.row, sealed=last.n)

    def lose(self) -> None:
        """It was silent too long."""
        seen = min(self.row.seen_at, self.book.now)
        self.record = recording.lost(self.record, seen, self.book.now)
        figures = self._figures()
        self.tell(Event("session.lost", self.row.id, WORKER, {"last_seen": stamp(seen), **figures}))

    def hear(self) -> None:
        """A sign of life: whoever was lost, or silent for too long, is there again."""
        if self.silent:
            self.lose()
        if self.row.state == "lost":
            gap = (self.book.now - self.row.seen_at) // timedelta(seconds=1)
            self.record = recording.resumed(self.record, self.book.now)
            self.tell(Event("session.resumed", self.row.id, self.actor, {"gap_s": max(0, gap)}))
            self.owe_recording()
        self.row = replace(self.row, seen_at=max(self.book.now, self.row.seen_at))

    def rest(self) -> None:
        """Where policy no longer asks for a recording, none is waited for."""
        if not self.book.institution.policy.recording_required:
            self.row = replace(self.row, record_by=None)

    def must_record(self) -> None:
        """Policy asks for recordings from now on, this session's too: the time for its next part begins."""
        self.record = recording.required(self.record)
        if self.record.owed or self.record.parts:
            self.row = replace(self.row, record_by=self.book.now + REACH)

    def owe_recording(self) -> None:
        """Set anew by when a part has to come, where one has."""
        by = self.book.now + REACH if not self.record.gate and self.record.owed else None
        if self.record.gate and self.record.parts:  # a recorder in the page has begun, and has to go on
            by = self.book.now + REACH if self.book.institution.policy.recording_required else None
        self.row = replace(self.row, record_by=by)

    def add_part(self) -> None:
        """A part arrived: what it covers is recorded."""
        self.record = recording.with_part(self.record, self.book.now)
        if self.row.state == "open":
            self.owe_recording()

    async def end(self, summary: str) -> None:
        """Its gateway, or its engineer, is done; who was silent for too long before says so by this."""
        if self.silent:
            self.hear()
        await self.seal()
        self.tell(Event("session.ended", self.row.id, self.actor, self._figures(), {"summary": summary}))
        await self.mail("ended", summary)

    async def terminate(self, actor: Actor, because: Because) -> None:
        """End it against its gateway's will; a silence before that is no recorded time."""
        if self.silent:
            self.lose()
        await self.seal()
        self.tell(Event("session.terminated", self.row.id, actor, {"because": because, **self._figures()}))
        await self.mail("ended")

    async def report(self, events: Sequence[Reported], now: datetime) -> None:
        """Keep what was reported; it is sealed within a minute, unless it came too late for that."""
        at, row = max(now, self.row.seen_at), self.row
        late = not self.living
        told = [
            EventRow(row.log, row.id, row.events + n, each.at, at, each.kind, each.summary, each.detail, late)
            for n, each in enumerate(events, 1)
        ]
        await activity.record(self.book.tx, [], told)
        seal_at = row.seal_at or (at + SEAL_AFTER if at <= self.over + LATE else None)
        self.row = replace(row, events=row.events + len(told), seen_at=at, seal_at=seal_at)

    async def mail(self, event: Literal["opened", "ended"], words: str = "") -> None:
        """Tell the approvers; `words` is the summary of whoever ended it."""
        row, found = self.row, self.coverage()
        client = None if row.client is None else await clients.read(self.book.tx, row.client)
        name = row.client if client is None else client.name
        details = (
            {}
            if event == "opened"
            else {
                "ended_at": row.ended_at,
                "because": row.ended_because,
                "open_s": found.open_s,
                "covered_s": found.covered_s,
                "gaps": len(found.gaps),
                "events": row.events,
                "words": words,
            }
        )
        (await post(self.subject)).session(event, row.id, row.opened_at, name, **details)

    async def store(self) -> None:
        """Write the row, where it changed, with its MAC. What was told is appended."""
        row = replace(self.row, coverage=self.record.to_data())
        if row != self._before:
            self.row = self._before = seal_row(self.book.services.secrets, row)
            await sessions.save(self.book.tx, self.row)

    def _figures(self) -> dict[str, int]:
        found = self.coverage()
        return {"open_s": found.open_s, "covered_s": found.covered_s}


def digest_of(session: str, n: int, salt: str, events: Sequence[EventRow]) -> str:
    """The digest of a segment of these events."""
    told = [Told(e.n, e.at, e.received_at, e.kind, e.summary, e.detail, e.late) for e in events]
    return segment_digest(session, n, salt, told)


def session_of(row: SessionRow) -> Session:
    """The session that a row tells of, but for its parts."""
    return Session(
        id=row.id,
        institution=row.log,
        request=row.request,
        grant=row.grant,
        jti=row.jti,
        engineer_proved=row.client is None,
        opened_at=row.opened_at,
        state=State(row.state),
        ended_at=row.ended_at,
        ended_because=row.ended_because,
        segments=row.segments,
    )


def seal_row(secrets: Secrets, row: SessionRow) -> SessionRow:
    """The row with its MAC."""
    return replace(row, mac=secrets.mac(SESSION_LABEL, *_parts(row)))


def unforged(secrets: Secrets, row: SessionRow | AtGate) -> bool:
    """Whether this service wrote the row."""
    return secrets.mac_holds(row.mac, SESSION_LABEL, *_parts(row))


def _parts(row: SessionRow | AtGate) -> list[str | bytes]:
    """What the MAC of a session's row covers, in order."""
    ended = "" if row.ended_at is None else stamp(row.ended_at)
    names = (row.log, row.id, row.request, row.grant, row.jti, row.client or "", row.audience, row.environment)
    who = (row.account, row.engineer_id, row.credential or b"", row.jkt or "")
    life = (row.state, stamp(row.opened_at), stamp(row.not_after), ended, row.ended_because or "")
    return [*names, *who, *life, str(row.segments), str(row.sealed)]
