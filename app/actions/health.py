"""Whether the service may answer for anything, and the event that tells which software began to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from app.actions.ledger import write
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.events import SERVICE, Event
from app.domain.kinds import VENDOR
from app.storage import institutions, nodes
from app.storage.heads import HeadStoreError, SignedHead
from app.storage.migrate import schema_suffices
from app.tokens.keyfiles import KeysError

_log = structlog.get_logger("countersign.health")


async def ready(services: Services) -> list[str]:
    """What is wrong, a line each; nothing when the service is ready."""
    try:
        async with services.database.read() as tx:
            if not await schema_suffices(tx):
                return ["the database is not at the migration this version expects; run `countersign migrate`"]
            sizes = await nodes.sizes(tx)
        return [*_keys(services), *await rolled_back(services, sizes)]
    except Unavailable as error:
        return [error.detail]
    except HeadStoreError as error:
        return [str(error)]


def _keys(services: Services) -> list[str]:
    try:
        services.ring.token_keys()
    except KeysError as error:
        return [str(error)]
    return []


async def rolled_back(services: Services, sizes: Sequence[tuple[str, str, int]]) -> list[str]:
    """Logs that are shorter than a checkpoint signed of them before, or were succeeded by others; a line each. `sizes`:
    name, origin and size of all. Raises `HeadStoreError`.
    """
    wrong = []
    for (log, _, size), signed in zip(sizes, await _signed(services, [origin for _, origin, _ in sizes]), strict=True):
        if signed is not None and signed.successor is not None:
            wrong.append(f"the log of {log} is continued by {signed.successor}, which this database does not hold")
        elif signed is not None and size < signed.size:
            wrong.append(f"the log of {log} has {size} entries, but a checkpoint of {signed.size} was signed")
    return wrong


async def _signed(services: Services, origins: Sequence[str]) -> Sequence[SignedHead | None]:
    """The last signed heads: of a store on this machine one by one, of one beyond the network many at a time."""
    read = services.heads.read
    if services.heads.local:
        return await asyncio.to_thread(lambda: [read(origin) for origin in origins])
    return await asyncio.gather(*(asyncio.to_thread(read, origin) for origin in origins))


async def started(services: Services, digest: str) -> None:
    """Record in the vendor's log, once there is one, that this version began to run. `digest`: of its files.

    A log that takes nothing does not keep the service from starting: `/readyz` then says that it is not ready, and
    access can still be looked at.
    """
    async with services.database.read() as tx:
        begun = await institutions.read(tx, VENDOR) is not None
    if not begun:
        return
    try:
        async with write(services, VENDOR) as book:
            data = {"version": services.version, "digest": digest}
            book.add(Event("service.started", VENDOR, SERVICE, data))
            await book.append()
    except Unavailable as doubt:
        _log.error("start not recorded", problem=doubt.problem, detail=doubt.detail)
