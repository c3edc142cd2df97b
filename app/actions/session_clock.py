"""What the clock does to sessions: what was reported is sealed every minute, who is silent is lost, and what may not go
on ends: a grant that is over, a recording that is owed and does not come.

Every call of a gateway does the same to its own session first; this is for those that do not call.
"""

from __future__ import annotations

from itertools import groupby

from app.actions.endings import store
from app.actions.held import Held, conclude, hold, watch
from app.actions.ledger import Ledger, write
from app.actions.services import Services
from app.actions.sessions import settle
from app.actions.watched import unforged
from app.domain.errors import Unavailable
from app.domain.recording import SILENCE
from app.storage import sessions

BATCH = 100


async def watch_over(services: Services) -> int:
    """Do what is due of up to `BATCH` sessions; how many were looked at.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    async with services.database.read() as tx:
        now = await tx.now()
        due = sorted(await sessions.due(tx, now, now - SILENCE, BATCH))
    looked, doubts = 0, []
    for log, group in groupby(due, key=lambda each: each[0]):
        ids = [session for _, session in group]
        try:
            await _of_log(services, log, ids)
            looked += len(ids)
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return looked


async def _of_log(services: Services, log: str, ids: list[str]) -> None:
    """The sessions of one log, in one append."""
    async with write(services, log) as book:
        held = await _hold(book, ids)
        await watch(held, ids)
        await conclude(held)
        for each in held:
            for session in each.sessions:
                if session.row.id not in ids or not unforged(services.secrets, session.row):
                    continue
                await settle(each, session)
                if session.silent:
                    session.lose()
                await session.seal()
                session.rest()
        await store(book, held)


async def _hold(book: Ledger, ids: list[str]) -> list[Held]:
    found = await sessions.read_many(book.tx, "id", ids)
    return [await hold(book, request) for request in sorted({row.request for row in found})]
