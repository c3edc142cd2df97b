"""The logs observe each other: daily, of each institution's log that grew, VENDOR records the tree, and it VENDOR's.

So neither can be swapped alone: who forks one has to fork the other, and every log that recorded it. An idle log is
left alone; what observing itself adds does not count as growth.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from app.actions.checkpoints import opened, sign
from app.actions.ledger import lock
from app.actions.services import Services
from app.domain.errors import Refused, Unavailable
from app.domain.events import SERVICE, Event
from app.domain.kinds import VENDOR
from app.storage import publications
from app.trail.checkpoint import Checkpoint

BATCH = 20
AFTER_DOUBT = timedelta(hours=1)

_log = structlog.get_logger("countersign.observing")


async def observe(services: Services) -> int:
    """Observe what is due; how many logs there were."""
    async with services.database.read() as tx:
        due = await publications.unobserved(tx, await tx.now(), BATCH)
    for log in due:
        try:
            await _observe(services, log)
        except (Refused, Unavailable) as doubt:
            detail = doubt.detail if isinstance(doubt, Unavailable) else doubt.refusal.detail
            _log.error("log not observed", log=log, detail=detail)
            async with services.database.begin() as tx:
                await publications.observe_later(tx, log, await tx.now() + AFTER_DOUBT)
    return len(due)


async def _observe(services: Services, log: str) -> None:
    """Both record what was just signed of the other, in one transaction."""
    trees = {log: opened(await sign(services, VENDOR, None)), VENDOR: opened(await sign(services, log, None))}
    async with services.database.begin() as tx:
        books = {code: await lock(services, tx, code) for code in sorted(trees)}
        if not await publications.observed(tx, log, await tx.now(), books[log].head.size + 1):
            return  # another worker was before us
        for code, book in books.items():
            book.add(_event(code, trees[code]))
            await book.append()


def _event(code: str, tree: Checkpoint) -> Event:
    data = {"origin": tree.origin, "size": tree.size, "root": f"sha256:{tree.root.hex()}"}
    return Event("log.observed", code, SERVICE, data)
