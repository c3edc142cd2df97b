"""What a checkpoint says, by one statement: the committed tree of an institution's log, and who has cosigned it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.storage import tables
from app.storage.database import Transaction
from app.trail import tiles
from app.trail.hashing import HASH_SIZE, Edge

_LOGS = tables.logs
_LEAVES = tables.leaves
_TILES = tables.tiles
_COSIGNED = tables.cosignatures


@dataclass(frozen=True, slots=True)
class Tree:
    """A log's committed tree. `cosigned`: verifier key and line of each cosignature of exactly this tree, by key."""

    origin: str
    edge: Edge
    cosigned: tuple[tuple[str, str], ...]


async def read(tx: Transaction, code: str) -> Tree | None:
    """The tree of an institution's log; none where there is no such institution.

    Raises `Unavailable` trail-rolled-back where the log lacks hashes that its right edge is made of.
    """
    found = await tx.fetch(_READ, {"code": code})
    if not found:
        return None
    origin, size, edge, *there = found[0][: 3 + _LEVELS]
    if there != [
        tiles.width_at(level, (size >> tiles.HEIGHT * level) // tiles.WIDTH, size) for level in range(_LEVELS)
    ]:
        raise Unavailable(f"The log of {code} lacks entries that it had.", "trail-rolled-back")
    return Tree(origin, Edge(size, edge), tuple((vkey, line) for *_, vkey, line in found if vkey is not None))


_LEVELS = 6
"""As many levels of tiles as a log of 2^48 entries has."""


def _there(level: int) -> sa.ScalarSelect[int]:
    """How many whole hashes of the open tile of a level are there: of leaves, or roots of the tiles below."""
    table, value = (_TILES, _TILES.c.root) if level else (_LEAVES, _LEAVES.c.leaf_hash)
    stop = _LOGS.c.size.bitwise_rshift(_number(tiles.HEIGHT * level))
    start = stop - stop % _number(tiles.WIDTH)
    query = sa.select(sa.func.count()).where(table.c.log == _LOGS.c.log, table.c.idx >= start, table.c.idx < stop)
    query = query.where(sa.func.length(value) == _number(HASH_SIZE))
    query = query.where(_TILES.c.level == _number(level - 1)) if level else query
    return query.correlate(_LOGS).scalar_subquery()


def _number(value: int) -> sa.ColumnElement[int]:
    """Of the statement itself: as a parameter it would have the type of what it stands beside."""
    return sa.literal_column(str(value), sa.Integer())


_HEAD = (_LOGS.c.origin, _LOGS.c.size, _LOGS.c.edge)
_READ = (
    sa.select(*_HEAD, *map(_there, range(_LEVELS)), _COSIGNED.c.vkey, _COSIGNED.c.line)
    .join_from(_LOGS, tables.institutions, tables.institutions.c.code == _LOGS.c.log)
    .outerjoin(_COSIGNED, sa.and_(_COSIGNED.c.log == _LOGS.c.log, _COSIGNED.c.size == _LOGS.c.size))
    .where(_LOGS.c.log == sa.bindparam("code"))
    .order_by(_COSIGNED.c.vkey)
)
