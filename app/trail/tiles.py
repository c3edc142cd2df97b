"""Tile arithmetic (C2SP tlog-tiles, https://c2sp.org/tlog-tiles), height 8.

Tile (L, N) holds the hashes of the 256 nodes of level 8·L from index 256·N on. Full tiles are stored as rows with the
root over their hashes, which is one hash of the tile above; so the tiles still open can be read from leaf hashes and
from the roots of full rows, and nothing is stored twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.trail.hashing import HASH_SIZE, parents, perfect_root

HEIGHT = 8
WIDTH = 1 << HEIGHT
ROW_SIZE = WIDTH * HASH_SIZE

# A level, an index in groups of three digits, and the width of a partial tile; 10^18 bounds the index.
_PATH = re.compile(r"(0|[1-9]\d?)/((?:x\d{3}/){0,5}\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_MAX_LEVEL = 63


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A perfect subtree: `level` 0 are leaves, and it covers leaves `index`·2^level to (`index`+1)·2^level."""

    level: int
    index: int


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile of `width` hashes; full at 256. `level` counts tiles, not tree levels.

    Read as 32·`width` bytes: a full tile is the row (level, index); a partial one of level 0 is the hashes of leaves
    256·index to 256·index + width; a partial one of level L > 0 is the roots of as many rows of level L - 1.
    """

    level: int
    index: int
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class TileRow:
    """A full tile as stored, for ever: 256 hashes in 8,192 bytes and the root over them."""

    level: int
    index: int
    hashes: bytes
    root: bytes


def width_at(level: int, index: int, size: int) -> int:
    """How many hashes tile (`level`, `index`) has in a tree of `size` leaves: 0 to 256."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - index * WIDTH))


def tile_of(node: Node, size: int) -> Tile:
    """The tile that holds the hashes `node` is made of, as wide as a tree of `size` leaves has it."""
    level, rise = divmod(node.level, HEIGHT)
    index = node.index >> HEIGHT - rise
    return Tile(level, index, width_at(level, index, size))


def tiles_of(nodes: Iterable[Node], size: int) -> list[Tile]:
    """The tiles to read for these nodes, each once, in order."""
    return sorted({tile_of(node, size) for node in nodes})


class TileReader:
    """A node reader over tiles already read: `reader(node)` is the hash of that perfect subtree."""

    def __init__(self, size: int, tiles: Mapping[Tile, bytes]) -> None:
        self._size = size
        self._tiles = tiles
        self._known: dict[Node, bytes] = {}

    def __call__(self, node: Node) -> bytes:
        """The hash of `node`; `KeyError` when its tile was not read."""
        if node not in self._known:  # made once: the root and the proof over it share nodes
            self._known[node] = self._made(node)
        return self._known[node]

    def _made(self, node: Node) -> bytes:
        tile, rise = tile_of(node, self._size), node.level % HEIGHT
        hashes, place = self._tiles[tile], node.index - (tile.index * WIDTH >> rise)
        if tile.level and tile.width == WIDTH:
            return rows_of(hashes)[rise][place * HASH_SIZE : (place + 1) * HASH_SIZE]
        return perfect_root(hashes[place * HASH_SIZE << rise : (place + 1) * HASH_SIZE << rise])


@lru_cache(64)
def rows_of(hashes: bytes) -> tuple[bytes, ...]:
    """Every row of the tree over a full tile, from its own hashes to one below the root. Remembered by its bytes: all
    proofs of 65,536 leaves meet the same tiles above them.
    """
    rows = [hashes]
    while len(rows) < HEIGHT:
        rows.append(parents(rows[-1]))
    return tuple(rows)


def split(hashes: bytes) -> list[bytes]:
    """The hashes of a tile, one by one."""
    return [hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE)]


def row(level: int, index: int, hashes: Sequence[bytes]) -> TileRow:
    """The row of a tile that became full."""
    whole = b"".join(hashes)
    return TileRow(level, index, whole, perfect_root(whole))


def open_tiles(size: int, new_size: int) -> list[Tile]:
    """The partial tiles of a tree of `size` leaves that growing to `new_size` completes, lowest level first.

    Mostly none: an append of one leaf needs them once in 256 times.
    """
    tiles, level = [], 0
    while (new_size >> HEIGHT * (level + 1)) > (size >> HEIGHT * (level + 1)):
        index, width = divmod(size >> HEIGHT * level, WIDTH)
        if width:
            tiles.append(Tile(level, index, width))
        level += 1
    return tiles


def completed(size: int, leaf_hashes: Sequence[bytes], opened: Mapping[Tile, bytes]) -> list[TileRow]:
    """The rows that became full when `leaf_hashes` joined a tree of `size` leaves, lowest level first.

    `opened` holds the bytes of the tiles that `open_tiles` names; one missing is a `KeyError`.
    """
    rows: list[TileRow] = []
    level, new = 0, list(leaf_hashes)
    while (before := size >> HEIGHT * level) % WIDTH + len(new) >= WIDTH:
        index, width = divmod(before, WIDTH)
        hashes = split(opened[Tile(level, index, width)]) + new if width else new
        full = [row(level, index + n, hashes[n * WIDTH : (n + 1) * WIDTH]) for n in range(len(hashes) // WIDTH)]
        rows += full
        level, new = level + 1, [each.root for each in full]
    return rows


def path_of(number: int) -> str:
    """N as paths spell it, in groups of three digits, all but the last with `x`: 1234067 is `x001/x234/067`."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups))


def parse_path(text: str) -> Tile:
    """The tile of a path `<L>/<N>[.p/<W>]`. Raises `ValueError` for any but the one spelling it has."""
    found = _PATH.fullmatch(text)
    if found is None:
        raise ValueError("not the path of a tile")
    level, number, width = found.groups()
    tile = Tile(int(level), int(number.replace("x", "").replace("/", "")), WIDTH if width is None else int(width))
    if tile.level > _MAX_LEVEL or path_of(tile.index) != number or (width is not None and tile.width >= WIDTH):
        raise ValueError("not the path of a tile")
    return tile


def entry_bundle(leaves: Iterable[bytes]) -> bytes:
    """The entries of a tile of level 0, each after its length as a big-endian uint16."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
