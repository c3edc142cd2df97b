"""What the recorder in a page sends through the gate: a part of its session's recording, numbered here.

Whoever may not pass may not record either, and is turned away as at any request. The bytes are the engineer's browser's
word; that they came, when, and that nobody changed them since, is ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

from app.actions.passing import Passage, Question
from app.actions.recordings import Kept, NewPart, add_part
from app.actions.services import Services
from app.domain.errors import Refusal, Refused
from app.storage import recordings

MAX_BODY = 4 << 20
CONTENT_TYPE = "application/vnd.countersign.rrweb+json"
MINUTE, MOST = timedelta(minutes=1), 60
TRIES = 5
_TOO_MANY = Refusal("too-many-requests", f"A session records at most {MOST} parts a minute here.", retry_after=30)


async def record_page(services: Services, passage: Passage, question: Question, body: bytes) -> Kept:
    """Keep what a page's recorder sent as the next part of its session.

    Raises `Refused`: gate-unknown, unauthorized, session-foreign, access-over, validation, too-many-requests; and
    `Unavailable`.
    """
    row = await passage.whose(question)
    if isinstance(row, Refusal):
        raise Refused(row)
    for _ in range(TRIES):
        async with services.database.read() as tx:
            latest = await recordings.latest(tx, row.log, row.id, MOST)
            now = await tx.now()
        if len(latest) == MOST and latest[-1].at > now - MINUTE:
            raise Refused(_TOO_MANY)
        n = latest[0].n + 1 if latest else 1
        part = NewPart(n, CONTENT_TYPE, {"sha-256": sha256(body).digest()}, _once(body))
        try:
            return await add_part(services, row.id, None, part)
        except Refused as refused:
            if refused.refusal.problem != "part-differs":  # else another tab was faster
                raise
    raise Refused(_TOO_MANY)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
