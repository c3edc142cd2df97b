"""An access request held under the lock of its log: events told to it, then stored with the rows that follow.

A request whose grant ends takes its sessions with it, in the same append: `store` sees to that, whatever ended it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from app.actions.grant_rows import grant_row
from app.actions.ledger import NOT_FOUND, Ledger
from app.actions.subject import Subject
from app.actions.watched import Because, Watched
from app.domain.errors import Refused
from app.domain.events import SERVICE, Entry, Event
from app.domain.request import TERMINAL, AccessRequest, Grant, Status, due, evolve
from app.storage import grants, requests, sessions
from app.storage.requests import RequestRow

_ENDED: Mapping[str, Because] = MappingProxyType({"elapsed": "grant-over", "completed": "completed"})


@dataclass(slots=True)
class Held(Subject):
    """A request whose log is locked. `request` is its state after everything told so far; `sessions` those of its
    sessions that are locked too.
    """

    sessions: list[Watched] = field(default_factory=list, kw_only=True)

    def settle(self) -> None:
        """Tell the events of the clock that are due; every action does this before it judges."""
        self.tell(*due(self.request, self.book.now))

    def tell(self, *events: Event) -> list[Entry]:
        """Gather events of this request and fold them into its state; the entries they will be."""
        placed = []
        for event in events:
            placed.append(self.book.place(event))
            self.request = evolve(self.request, placed[-1])
        return placed

    @property
    def grant_ends(self) -> bool:
        """Whether its grant ended with what was told since the last `store`."""
        before, grant = self._stored().grant, self.request.grant
        return before is not None and before.ended_at is None and grant is not None and grant.ended_at is not None

    async def store(self) -> None:
        """Append what was gathered, sessions that end with the grant included; write the rows that changed."""
        await conclude([self])
        await self.book.append()
        for session in self.sessions:
            await session.store()
        before = self._stored()
        if self.request == before:
            return
        await self._store_grant(before.grant)
        saved = await requests.save(self.book.tx, changed_row(self.row, self.request, self.book))
        if saved is None:  # the head is locked, so nobody else can have written
            raise RuntimeError(f"{self.row.id} was changed without the lock of its log")
        self.row = saved

    def _stored(self) -> AccessRequest:
        return AccessRequest.from_data(self.row.state)

    async def _store_grant(self, before: Grant | None) -> None:
        grant = self.request.grant
        if grant is None or grant == before:
            return
        row = grant_row(self.book.services.secrets, self.row, grant)
        await (grants.add if before is None else grants.save)(self.book.tx, row)


async def watch(held: Sequence[Held], also: Iterable[str] = ()) -> None:
    """Lock the living sessions of these requests of one log, and those named by `also`, all at once."""
    if not held:
        return
    of = {each.row.id: each for each in held}
    for row in await sessions.lock_of(held[0].book.tx, held[0].book.code, list(of), list(also)):
        known = of.get(row.request)
        if known is not None and all(row.id != session.row.id for session in known.sessions):
            known.sessions.append(Watched(known, row))


async def conclude(held: Sequence[Held]) -> None:
    """End the living sessions of those requests whose grant ended, and tell the approvers."""
    ending = [each for each in held if each.grant_ends]
    await watch([each for each in ending if not each.sessions])
    for each in ending:
        because = _ENDED.get(str(each.request.grant and each.request.grant.ended_because), "revoked")
        for session in [session for session in each.sessions if session.living]:
            await session.terminate(SERVICE, because)


async def hold(book: Ledger, request_id: str) -> Held:
    """Read a request of the locked log. Raises `Refused` not-found."""
    row = await requests.read(book.tx, request_id, book.code)
    if row is None:
        raise Refused(NOT_FOUND)
    held = Held(book, row, AccessRequest.from_data(row.state))
    held.settle()
    return held


def changed_row(row: RequestRow, request: AccessRequest, book: Ledger) -> RequestRow:
    """The row that goes with a request's new state."""
    return replace(
        row,
        status=request.status.value,
        due_at=next_due(request, book),
        updated_at=request.updated_at,
        state=request.to_data(),
    )


def next_due(request: AccessRequest, book: Ledger) -> datetime | None:
    """When the clock has next something to do: a reminder, the escalation, the lapse; the window's begin or end."""
    if request.status in TERMINAL:
        return None
    if request.status is Status.PENDING:
        policy = book.institution.policy
        after = [*policy.remind_after_minutes, *filter(None, [policy.escalate_after_minutes])]
        alarms = [request.created_at + timedelta(minutes=minutes) for minutes in after]
        return min([request.decide_by, *(alarm for alarm in alarms if alarm > book.now)])
    if request.grant is None:
        return None
    return request.grant.not_before if request.status is Status.APPROVED else request.grant.not_after
