"""An access request held under the lock of its log: events told to it, then stored with the rows that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.actions.ledger import NOT_FOUND, Ledger
from app.actions.views import private_fields
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.request import TERMINAL, AccessRequest, Grant, Status, due, evolve
from app.storage import entries, grants, requests
from app.storage.grants import GrantRow
from app.storage.requests import RequestRow
from app.tokens.secrets import Secrets

GRANT_LABEL = "row/grant"


@dataclass(slots=True)
class Held:
    """A request whose log is locked. `request` is its state after everything told so far."""

    book: Ledger
    row: RequestRow
    request: AccessRequest
    _asked: dict[str, str | None] | None = None

    async def asked(self) -> dict[str, str | None]:
        """The private fields of the request's own entry, read once; empty where they were erased."""
        if self._asked is None:
            index = self.row.created_index
            stored = await entries.read_leaves(self.book.tx, self.book.code, index, index + 1)
            self._asked = dict(private_fields(stored[0]))
        return self._asked

    def settle(self) -> None:
        """Tell the events of the clock that are due; every action does this before it judges."""
        self.tell(*due(self.request, self.book.now))

    def tell(self, *events: Event) -> None:
        """Gather events of this request and fold them into its state."""
        for event in events:
            self.request = evolve(self.request, self.book.place(event))

    async def store(self) -> None:
        """Append what was gathered; write the request's row, and its grant's, where they changed."""
        await self.book.append()
        before = AccessRequest.from_data(self.row.state)
        if self.request == before:
            return
        await self._store_grant(before.grant)
        saved = await requests.save(self.book.tx, changed_row(self.row, self.request, self.book))
        if saved is None:  # the head is locked, so nobody else can have written
            raise RuntimeError(f"{self.row.id} was changed without the lock of its log")
        self.row = saved

    async def _store_grant(self, before: Grant | None) -> None:
        grant = self.request.grant
        if grant is None or grant == before:
            return
        row = grant_row(self.book.services.secrets, self.row, grant)
        await (grants.add if before is None else grants.save)(self.book.tx, row)


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


def grant_row(secrets: Secrets, row: RequestRow, grant: Grant) -> GrantRow:
    """The row that the hot path reads, with its MAC."""
    account = AccessRequest.from_data(row.state).account
    unsealed = GrantRow(
        log=row.log,
        id=grant.id,
        request=row.id,
        environment=row.environment,
        account=account,
        engineer_id=row.engineer_id,
        not_before=grant.not_before,
        not_after=grant.not_after,
        roles=grant.roles,
        ended_at=grant.ended_at,
        ended_because=grant.ended_because,
        mac=b"",
    )
    return replace(unsealed, mac=secrets.mac(GRANT_LABEL, *grant_parts(unsealed)))


def grant_parts(row: GrantRow) -> list[str]:
    """What the MAC of a grant's row covers, in order."""
    ended = "" if row.ended_at is None else row.ended_at.isoformat()
    window = (row.not_before.isoformat(), row.not_after.isoformat(), ended, row.ended_because or "")
    return [row.log, row.id, row.request, row.environment, row.account, row.engineer_id, *window, *row.roles]
