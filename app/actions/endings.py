"""Access that ends without anybody asking for this one end: by a stop code, or because what it rests on changed.

A change after which running grants would not be given today revokes them in its own append (`product.md`); the
verifier asks for exactly that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from app.actions.held import Held, conclude, watch
from app.actions.ledger import Ledger, unwrap
from app.actions.mails import post
from app.domain.events import SERVICE, Event
from app.domain.institution import evolve
from app.domain.request import AccessRequest, Status, reassess, revoke
from app.storage import requests

_RUNNING = frozenset({Status.APPROVED, Status.ACTIVE})


async def hold_running(book: Ledger, clients: Collection[str] | None = None) -> list[Held]:
    """Every request last recorded as approved or active, what the clock was due told: its grant may be over by now.

    `clients` (`cli_…`): only what these filed.
    """
    rows = [row for row in await requests.unfinished(book.tx, book.code) if row.status in _RUNNING]
    rows = [row for row in rows if clients is None or row.client in clients]
    held = [Held(book, row, AccessRequest.from_data(row.state)) for row in rows]
    for each in held:
        each.settle()
    return held


def runs(held: Held) -> bool:
    """Whether the request's grant runs, or its window has yet to begin."""
    return held.request.status in _RUNNING


async def end(held: Held, because: Literal["stop-code", "rules"]) -> None:
    """Take a running grant back, and tell approvers and engineer."""
    held.tell(*unwrap(revoke(held.request, SERVICE, because, "", held.book.now)))
    (await post(held)).outcome("revoked", by=None, because=because)


async def change(book: Ledger, event: Event) -> None:
    """Append a change of the institution; with it, every running grant that would not be given after it ends, and
    every running session owes a recording where policy begins to ask for them.
    """
    held = await hold_running(book)
    changed = evolve(book.institution, book.place(event))
    for each in held:
        if reassess(each.request, changed, book.now):
            await end(each, "rules")
    if changed.policy.recording_required and not book.institution.policy.recording_required:
        await watch(held)
        for session in [session for each in held for session in each.sessions if session.living]:
            session.must_record()
    await store(book, held)


async def end_of_clients(book: Ledger, clients: Collection[str]) -> None:
    """Take back every running grant on what these revoked clients (`cli_…`) filed, and append that."""
    held = await hold_running(book, clients)
    for each in filter(runs, held):
        await end(each, "rules")
    await store(book, held)


async def store(book: Ledger, held: Sequence[Held]) -> None:
    """Append what was gathered, the sessions that end included, and write the rows of what changed."""
    await conclude(held)
    await book.append()
    for each in held:
        await each.store()
