"""A log in memory: the store of tests, and of programs that use the trail as a library."""

from __future__ import annotations

from collections.abc import Sequence

from app.trail.hashing import Edge
from app.trail.log import AppendPlan
from app.trail.tiles import WIDTH, Tile, TileRow


class MemoryStore:
    """Keeps leaves, their hashes and full tiles, as a database does."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.leaf_hashes: list[bytes] = []
        self.rows: dict[tuple[int, int], TileRow] = {}
        self._edge = Edge()

    async def edge(self) -> Edge:
        """The tree as it stands."""
        return self._edge

    async def read_tile(self, tile: Tile) -> bytes:
        """The hashes of a tile, 32·width bytes."""
        if tile.width == WIDTH:
            return self.rows[tile.level, tile.index].hashes
        start, stop = tile.index * WIDTH, tile.index * WIDTH + tile.width
        if tile.level == 0:
            return b"".join(self.leaf_hashes[start:stop])
        return b"".join(self.rows[tile.level - 1, index].root for index in range(start, stop))

    async def append(self, leaves: Sequence[bytes], leaf_hashes: Sequence[bytes], planned: AppendPlan) -> None:
        """Store leaves, rows and edge together."""
        self.leaves += leaves
        self.leaf_hashes += leaf_hashes
        self.rows.update({(row.level, row.index): row for row in planned.rows})
        self._edge = planned.edge
