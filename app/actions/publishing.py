"""Publishing checkpoints: of each log that grew, at most one in a while, signed and brought before the witnesses.

The worker takes logs from the queue (`storage/publications.py`), each under a lease, so that it has one owner at a
time. A log that signs nothing (rolled back, say) keeps its place and is looked at again when the lease is over.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta

import structlog

from app.actions.checkpoints import opened
from app.actions.services import Services
from app.actions.witnessing import Gathered, cosigned
from app.domain.errors import Refused, Unavailable
from app.domain.kinds import VENDOR
from app.storage import publications

BATCH = 8
LEASE = timedelta(minutes=2)
OBSERVE_EVERY = timedelta(hours=24)

_log = structlog.get_logger("countersign.publishing")


async def publish(services: Services) -> int:
    """Publish what is due; how many logs were taken."""
    async with services.database.read() as tx:
        now = await tx.now()
        found = await publications.due(tx, now, now - services.checkpoint_every, BATCH)
    if not found:
        return 0
    lease = secrets.token_hex(16)
    async with services.database.begin() as tx:
        now = await tx.now()
        taken = [log for log in found if await publications.claim(tx, log, lease, now, now + LEASE)]
    await asyncio.gather(*(_publish(services, log, lease) for log in taken))
    return len(found)


async def _publish(services: Services, log: str, lease: str) -> None:
    try:
        gathered = await _gather(services, log)
    except (Refused, Unavailable) as doubt:
        detail = doubt.detail if isinstance(doubt, Unavailable) else doubt.refusal.detail
        _log.error("checkpoint not published", log=log, detail=detail)
        return
    size, pace = opened(gathered.signed).size, None if log == VENDOR else OBSERVE_EVERY
    async with services.database.begin() as tx:
        await publications.settle(tx, log, lease, size, await tx.now(), gathered.retry_at, pace)


async def _gather(services: Services, log: str) -> Gathered:
    """Cosigned as far as it goes. Where a witness has seen more than this, a newer checkpoint is tried once."""
    gathered = await cosigned(services, log, None)
    if not gathered.ahead:
        return gathered
    return await cosigned(services, log, None)
