"""What the doctor asks of sessions: rows that are ours, and tell what the trail tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from app.actions.watched import session_of, unforged
from app.audit.world import World
from app.storage import recordings, sessions
from app.storage.database import Transaction
from app.storage.sessions import Filter, SessionRow
from app.tokens.secrets import Secrets

_PAGE = 200


async def session_differences(tx: Transaction, log: str, secrets: Secrets, world: World) -> AsyncIterator[str]:
    """Every difference between the sessions' rows and the replayed trail, in words."""
    seen: set[str] = set()
    async for row in _rows(tx, log):
        seen.add(row.id)
        told = world.sessions.get(row.id)
        if told is None:
            yield f"{row.id} stands in the table alone"
            continue
        if not unforged(secrets, row) or session_of(row) != replace(told, parts=()):
            yield f"the row of {row.id} is not as the trail tells it"
        parts = tuple(part.n for part in await recordings.of_session(tx, log, row.id))
        if parts != told.parts:
            yield f"the parts of {row.id} are not those that the trail tells of"
    for missing in sorted(world.sessions.keys() - seen):
        yield f"{missing} stands in the trail alone"


async def _rows(tx: Transaction, log: str) -> AsyncIterator[SessionRow]:
    before = None
    while page := await sessions.find(tx, Filter((log,)), _PAGE, before):
        for each in page:
            yield each
        before = page[-1].id
