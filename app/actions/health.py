"""Whether the service may answer for anything, and the event that tells which software began to."""

from __future__ import annotations

import asyncio

import structlog

from app.actions.ledger import write
from app.actions.services import Services
from app.domain.errors import Unavailable
from app.domain.events import SERVICE, Event
from app.domain.kinds import VENDOR
from app.storage import institutions, nodes
from app.storage.database import Transaction
from app.storage.heads import HeadStoreError
from app.storage.migrate import schema_at_head
from app.tokens.keyfiles import KeysError

_log = structlog.get_logger("countersign.health")


async def ready(services: Services) -> list[str]:
    """What is wrong, a line each; nothing when the service is ready."""
    try:
        async with services.database.read() as tx:
            if not await schema_at_head(tx):
                return ["the database is not at the migration this version expects; run `countersign migrate`"]
            return [*_keys(services), *await _rolled_back(services, tx)]
    except Unavailable as error:
        return [error.detail]


def _keys(services: Services) -> list[str]:
    try:
        services.ring.token_keys()
    except KeysError as error:
        return [str(error)]
    return []


async def _rolled_back(services: Services, tx: Transaction) -> list[str]:
    """Logs that are shorter than a checkpoint signed of them before, or were succeeded by others."""
    wrong = []
    for log, origin, size in await nodes.sizes(tx):
        try:
            signed = await asyncio.to_thread(services.heads.read, origin)
        except HeadStoreError as error:
            return [str(error)]
        if signed is not None and signed.successor is not None:
            wrong.append(f"the log of {log} is continued by {signed.successor}, which this database does not hold")
        elif signed is not None and size < signed.size:
            wrong.append(f"the log of {log} has {size} entries, but a checkpoint of {signed.size} was signed")
    return wrong


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
