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
    """A reader of these nodes of the tree of `size` leaves; their tiles and the log's size are read by one statement.

    Raises `ProofError` past the log's end.
    """
    wanted = tiles_of(nodes, size)
    found = await tx.fetch(_tiles_query(_shape(wanted), head=True), _values(log, wanted))
    committed = next((number for place, number, _ in found if place == _HEAD), None)
    if committed is None:
        raise KeyError(log)
    if size > committed:
        raise proofs.ProofError("the log has no such size")
    return TileReader(size, _tiles(log, wanted, found))


async def read_tiles(tx: Transaction, log: str, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
    """The bytes of tiles, by one statement. Raises `Unavailable` trail-rolled-back where the log lacks rows that it
    had.
    """
    if not wanted:
        return {}
    return _tiles(log, wanted, await tx.fetch(_tiles_query(_shape(wanted), head=False), _values(log, wanted)))


def _tiles(log: str, wanted: Sequence[Tile], found: Sequence[Sequence[Any]]) -> dict[Tile, bytes]:
    hashes: list[list[tuple[int, bytes]]] = [[] for _ in wanted]
    for place, index, value in found:
        if place != _HEAD:
            hashes[place].append((index, value))
    read = {tile: b"".join(value for _, value in sorted(rows)) for tile, rows in zip(wanted, hashes, strict=True)}
    if any(len(value) != tile.width * HASH_SIZE for tile, value in read.items()):
        raise Unavailable(f"The log of {log} lacks entries that it had.", "trail-rolled-back")
    return read


_HEAD = -1
_Shape = tuple[tuple[int, bool], ...]
"""Of each tile its level, and whether it is full."""


def _shape(wanted: Sequence[Tile]) -> _Shape:
    return tuple((tile.level, tile.width == WIDTH) for tile in wanted)


def _values(log: str, wanted: Sequence[Tile]) -> dict[str, Any]:
    values: dict[str, Any] = {"log": log}
    for place, tile in enumerate(wanted):
        first = tile.index * WIDTH
        if tile.width == WIDTH:
            values[f"idx_{place}"] = tile.index
        else:
            values |= {f"start_{place}": first, f"stop_{place}": first + tile.width}
    return values


@cache
def _tiles_query(shape: _Shape, *, head: bool) -> sa.CompoundSelect[Any]:
    """Place, index and hashes of each tile: full ones are rows, partial ones the hashes of leaves or the roots of the
    tiles below. With `head` also the size of the log, at place `_HEAD`.
    """
    selects = [_head()] if head else []
    for place, (level, full) in enumerate(shape):
        selects.append(_full(place, level) if full else _partial(place, level))
    return sa.union_all(*selects)


def _full(place: int, level: int) -> sa.Select[Any]:
    query = sa.select(sa.literal_column(str(place)), _TILES.c.idx, _TILES.c.hashes)
    own = (_TILES.c.level == sa.literal_column(str(level)), _TILES.c.idx == sa.bindparam(f"idx_{place}"))
    return query.where(_TILES.c.log == sa.bindparam("log"), *own)


def _partial(place: int, level: int) -> sa.Select[Any]:
    table, value = (_TILES, _TILES.c.root) if level else (_LEAVES, _LEAVES.c.leaf_hash)
    query = sa.select(sa.literal_column(str(place)), table.c.idx, value).where(table.c.log == sa.bindparam("log"))
    query = query.where(table.c.idx >= sa.bindparam(f"start_{place}"), table.c.idx < sa.bindparam(f"stop_{place}"))
    return query.where(_TILES.c.level == sa.literal_column(str(level - 1))) if level else query


def _head() -> sa.Select[Any]:
    nothing = sa.literal_column("NULL", sa.LargeBinary())
    return sa.select(sa.literal_column(str(_HEAD)), _LOGS.c.size, nothing).where(_LOGS.c.log == sa.bindparam("log"))


_SNAPSHOT = sa.select(_LOGS.c.origin, _LOGS.c.size, _LOGS.c.edge).where(_LOGS.c.log == sa.bindparam("log"))


async def _prove(tx: Transaction, log: str, size: int, wanted: Sequence[Sequence[Node]]) -> Proof:
    edge = proofs.edge_nodes(size)
    reader = await node_reader(tx, log, size, [*edge, *(node for nodes in wanted for node in nodes)])
    return Proof(size, fold([*map(reader, edge)]), proofs.prove(wanted, reader))
