"""Hashes of a log's tree: full tiles are rows, partial ones are read from leaf hashes and from the roots of the rows
below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from app.domain.errors import Unavailable
from app.storage import tables
from app.storage.database import Transaction
from app.trail import proofs
from app.trail.hashing import HASH_SIZE, Edge, fold
from app.trail.log import Proof
from app.trail.tiles import WIDTH, Node, Tile, TileReader, tiles_of

_LOGS = tables.logs
_LEAVES = tables.leaves
_TILES = tables.tiles


async def snapshot(tx: Transaction, log: str) -> tuple[str, Edge]:
    """Origin and tree of a log, as this transaction sees them. Raises `KeyError` for a log that is not there."""
    found = await tx.fetch(_SNAPSHOT, {"log": log})
    if not found:
        raise KeyError(log)
    origin, size, edge = found[0]
    return origin, Edge(size, edge)


async def sizes(tx: Transaction) -> list[tuple[str, str, int]]:
    """Name, origin and size of every log that goes on, in the order of their names."""
    query = sa.select(_LOGS.c.log, _LOGS.c.origin, _LOGS.c.size).where(_LOGS.c.former.is_(None)).order_by(_LOGS.c.log)
    return [(log, origin, size) for log, origin, size in await tx.connection.execute(query)]


async def edge_at(tx: Transaction, log: str, size: int) -> Edge:
    """The tree as it was at `size`; `ProofError` when it never had so many leaves."""
    nodes = proofs.edge_nodes(size)
    reader = await node_reader(tx, log, size, nodes)
    return Edge(size, tuple(map(reader, nodes)))


async def inclusion_proof(tx: Transaction, log: str, index: int, size: int) -> Proof:
    """The proof that leaf `index` is in the tree of `size` leaves. Raises `ProofError`."""
    return await _prove(tx, log, size, proofs.inclusion_nodes(index, size))


async def consistency_proof(tx: Transaction, log: str, old_size: int, size: int) -> Proof:
    """The proof that the tree of `size` leaves begins with that of `old_size`. Raises `ProofError`."""
    return await _prove(tx, log, size, proofs.consistency_nodes(old_size, size))


async def node_reader(tx: Transaction, log: str, size: int, nodes: Iterable[Node]) -> TileReader:
    """A reader of these nodes of the tree of `size` leaves, their tiles read at once. Raises `ProofError` past the
    log's end.
    """
    _, edge = await snapshot(tx, log)
    if size > edge.size:
        raise proofs.ProofError("the log has no such size")
    return TileReader(size, await read_tiles(tx, log, tiles_of(nodes, size)))


async def read_tiles(tx: Transaction, log: str, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
    """The bytes of tiles: the full ones in one query, the partial ones, of which there is at most one a level, in one.

    Raises `Unavailable` trail-rolled-back where the log lacks rows that it had.
    """
    full = [tile for tile in wanted if tile.width == WIDTH]
    partial = [tile for tile in wanted if tile.width != WIDTH]
    found = await _full(tx, log, full) if full else {}
    found |= await _partial(tx, log, partial) if partial else {}
    if any(len(found.get(tile, b"")) != tile.width * HASH_SIZE for tile in wanted):
        raise Unavailable(f"The log of {log} lacks entries that it had.", "trail-rolled-back")
    return found


async def _full(tx: Transaction, log: str, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
    values: dict[str, Any] = {"log": log}
    for place, tile in enumerate(wanted):
        values |= {f"level_{place}": tile.level, f"idx_{place}": tile.index}
    rows = await tx.fetch(_full_query(len(wanted)), values)
    return {Tile(level, index): hashes for level, index, hashes in rows}


async def _partial(tx: Transaction, log: str, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
    values: dict[str, Any] = {"log": log}
    for place, tile in enumerate(wanted):
        start = tile.index * WIDTH
        values |= {f"start_{place}": start, f"stop_{place}": start + tile.width}
    rows = await tx.fetch(_partial_query(tuple(tile.level for tile in wanted)), values)
    hashes: list[list[tuple[int, bytes]]] = [[] for _ in wanted]
    for place, index, value in rows:
        hashes[place].append((index, value))
    return {tile: b"".join(value for _, value in sorted(found)) for tile, found in zip(wanted, hashes, strict=True)}


@cache
def _full_query(count: int) -> sa.Select[Any]:
    keys = (
        sa.and_(_TILES.c.level == sa.bindparam(f"level_{place}"), _TILES.c.idx == sa.bindparam(f"idx_{place}"))
        for place in range(count)
    )
    query = sa.select(_TILES.c.level, _TILES.c.idx, _TILES.c.hashes)
    return query.where(_TILES.c.log == sa.bindparam("log"), sa.or_(*keys))


@cache
def _partial_query(levels: tuple[int, ...]) -> sa.CompoundSelect[Any]:
    """Place, index and hash under the partial tile of each level: of leaves, or of the roots of the tiles below."""
    spans = []
    for place, level in enumerate(levels):
        table, value = (_LEAVES, "leaf_hash") if level == 0 else (_TILES, "root")
        query = sa.select(sa.literal_column(str(place)), table.c.idx, table.c[value])
        query = query.where(table.c.log == sa.bindparam("log"), table.c.idx >= sa.bindparam(f"start_{place}"))
        query = query.where(table.c.idx < sa.bindparam(f"stop_{place}"))
        spans.append(query if level == 0 else query.where(table.c.level == sa.literal_column(str(level - 1))))
    return sa.union_all(*spans)


_SNAPSHOT = sa.select(_LOGS.c.origin, _LOGS.c.size, _LOGS.c.edge).where(_LOGS.c.log == sa.bindparam("log"))


async def _prove(tx: Transaction, log: str, size: int, wanted: Sequence[Sequence[Node]]) -> Proof:
    edge = proofs.edge_nodes(size)
    reader = await node_reader(tx, log, size, [*edge, *(node for nodes in wanted for node in nodes)])
    return Proof(size, fold([*map(reader, edge)]), proofs.prove(wanted, reader))
