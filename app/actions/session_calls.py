"""What a gateway's client asks of sessions beside opening and reporting: to read and list them, and to end its own.

A client sees the sessions at its audiences in its institutions, the gate's among them. It ends those that it opened; of
any other it is told what it is told of none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.actions.cursors import cursor_of, open_cursor
from app.actions.ledger import NOT_FOUND
from app.actions.services import Services
from app.actions.sessions import BY_GATE, SessionView, settle, view, view_of, watch_session
from app.domain.errors import Refusal, Refused
from app.domain.session import State
from app.storage import clients, sessions
from app.storage.database import Transaction
from app.storage.sessions import Filter, SessionRow
from app.tokens.clients import EVERY_INSTITUTION, Caller


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, newest first; `next_cursor` is null on the last."""

    items: tuple[SessionView, ...]
    next_cursor: str | None


# The state last recorded may be one of these while the clock already says the other.
_RECORDED_AS: Mapping[State, tuple[str, ...]] = {
    State.LOST: ("lost", "open"),
    State.TERMINATED: ("terminated", "open", "lost"),
}


async def read(services: Services, caller: Caller, session_id: str) -> SessionView:
    """A session at one of the caller's gateways. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        return await view(tx, await _seen(tx, caller, session_id), await tx.now())


async def find(
    services: Services,
    caller: Caller,
    institution: str | None,
    request: str | None,
    state: State | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """A page of the sessions at the caller's gateways, by the state of the clock; a null narrows nothing."""
    before = open_cursor(cursor, "ses")
    logs = None if EVERY_INSTITUTION in caller.institutions else tuple(sorted(caller.institutions))
    if institution is not None:
        logs = (institution,) if caller.serves(institution) else ()
    states = () if state is None else _RECORDED_AS.get(state, (state.value,))
    chosen = Filter(logs, tuple(sorted(caller.audiences)), request, states)
    found: list[SessionView] = []
    async with services.database.read() as tx:
        now = await tx.now()
        names = {row.id: row.name for row in await clients.read_all(tx)}
        while len(found) <= limit:
            rows = await sessions.find(tx, chosen, limit + 1, before)
            views = [view_of(row, names.get(row.client or "", row.client or BY_GATE), now) for row in rows]
            found += [each for each in views if state in {None, each.state}]
            if len(rows) <= limit:
                break
            before = rows[-1].id
    items = tuple(found[:limit])
    return Page(items, cursor_of(items[-1].row.id) if len(found) > limit else None)


async def end(services: Services, caller: Caller, session_id: str, summary: str) -> SessionView:
    """End and seal a session that the caller opened. Raises `Refused`: not-found, wrong-state."""
    async with services.database.begin() as tx:
        held, session = await watch_session(services, tx, await own(tx, caller, session_id))
        await settle(held, session)
        ends = session.living
        if ends:
            await session.end(summary)
        await held.store()
        if ends:
            return await view(tx, session.row, held.book.now)
    raise Refused(over(session.row))


def over(row: SessionRow) -> Refusal:
    """The refusal of what only a session that goes on allows."""
    return Refusal("wrong-state", f"The session is {row.state}.", extra=(("status", row.state),))


async def own(tx: Transaction, caller: Caller, session_id: str) -> SessionRow:
    """The row of a session that the caller opened. Raises `Refused` not-found."""
    row = await _seen(tx, caller, session_id)
    if row.client != caller.cli:
        raise Refused(NOT_FOUND)
    return row


async def _seen(tx: Transaction, caller: Caller, session_id: str) -> SessionRow:
    row = await sessions.read(tx, session_id)
    if row is None or not caller.serves(row.log) or row.audience not in caller.audiences:
        raise Refused(NOT_FOUND)
    return row
