"""Logs of a size: rows, tiles and head as so many appends would have left them, in the time of one."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from app.domain.times import stamp
from app.storage import leaves, nodes, tables
from app.storage.database import Database
from app.trail import log as trail
from app.trail import tiles
from app.trail.hashing import leaf_hash

_LEAF = (
    '{"actor":{"id":"worker","kind":"system"},"at":"%s","data":{"n":1,"to":[]},"id":"evt_%026d","index":%d,'
    '"institution":"%s","subject":"%s","type":"request.reminded","v":1}'
)


async def grow(database: Database, log: str, size: int) -> None:
    """Make an open log `size` entries long, by reminders of a hundred requests."""
    async with database.begin() as tx:
        head = await leaves.lock(tx, log)
        made = list(_leaves(log, head.size, size, stamp(head.at)))
        hashes = [leaf_hash(leaf) for leaf, _ in made]
        opened = await nodes.read_tiles(tx, log, tiles.open_tiles(head.size, size))
        planned = trail.plan(head.edge, hashes, opened)
        shared = {"log": log, "type": "request.reminded"}
        rows = [
            shared | {"idx": index, "leaf": leaf, "leaf_hash": hashed, "subject": request, "request": request}
            for index, ((leaf, request), hashed) in enumerate(zip(made, hashes, strict=True), head.size)
        ]
        await tx.connection.execute(sa.insert(tables.leaves), rows)
        full = [
            {"log": log, "level": row.level, "idx": row.index, "hashes": row.hashes, "root": row.root}
            for row in planned.rows
        ]
        if full:
            await tx.connection.execute(sa.insert(tables.tiles), full)
        grown = {"size": size, "edge": planned.edge.hashes, "last_at": head.at}
        await tx.connection.execute(sa.update(tables.logs).where(tables.logs.c.log == log).values(grown))


def _leaves(log: str, start: int, stop: int, at: str) -> Iterator[tuple[bytes, str]]:
    for index in range(start, stop):
        request = f"req_{index % 100:026d}"
        yield (_LEAF % (at, index, index, log, request)).encode(), request
