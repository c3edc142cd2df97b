"""Entries and appends (`trail-format.md`): how a leaf and its private part are made, and how a log grows.

A leaf holds no personal data: what is private stands in the private part, to which the leaf commits by a salted hash.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_bytes
from typing import Protocol

from app.trail import canonical, proofs, tiles
from app.trail.hashing import Edge, fold, leaf_hash
from app.trail.tiles import Node, Tile, TileRow

MAX_LEAF = 65_535
MAX_PRIVATE = 2**20

# 22 characters carry 132 bits; the last four of them are zero.
_SALT = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")


@dataclass(frozen=True, slots=True)
class Composed:
    """An entry ready to be stored: its exact bytes, its private part, and its leaf hash."""

    leaf: bytes
    private: bytes | None
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class PrivatePart:
    """A private part, read."""

    fields: Mapping[str, str | None]
    salt: str


def new_salt() -> str:
    """128 random bits as 22 characters of unpadded base64url. Never used twice."""
    return urlsafe_b64encode(token_bytes(16)).rstrip(b"=").decode()


def compose(
    *,
    index: int,
    entry_id: str,
    at: str,
    institution: str,
    type: str,  # noqa: A002 -- the field's name
    subject: str,
    actor: Mapping[str, str],
    data: Mapping[str, object],
    private_fields: Mapping[str, str | None] | None,
    salt: str,
) -> Composed:
    """Make the leaf, and its private part where there are private fields (`salt` is unused where there are none).

    `at` is `YYYY-MM-DDThh:mm:ss.ffffffZ`; `actor` is `{"kind","id"}`. Raises `CanonicalError` for values that have no
    canonical form and for a leaf or a private part that is too large.
    """
    entry: dict[str, object] = {
        "actor": dict(actor), "at": at, "data": dict(data), "id": entry_id, "index": index,
        "institution": institution, "subject": subject, "type": type, "v": 1,
    }  # fmt: skip
    private = None
    if private_fields is not None:
        private = private_part(private_fields, salt)
        entry["private"] = canonical.sha(private)
    leaf = canonical.encode(entry)
    if len(leaf) > MAX_LEAF:
        raise canonical.CanonicalError("the entry is larger than a leaf may be")
    return Composed(leaf, private, leaf_hash(leaf))


def is_salt(text: str) -> bool:
    """Whether `text` is of the form of `new_salt`."""
    return _SALT.fullmatch(text) is not None


def private_part(fields: Mapping[str, str | None], salt: str) -> bytes:
    """The bytes of a private part, which `parse_private` accepts; `CanonicalError` where there are none."""
    part = canonical.encode({"fields": dict(fields), "salt": salt})
    parse_private(part)
    return part


def parse_private(data: bytes) -> PrivatePart:
    """Read a private part strictly: `{"fields": {name: string or null}, "salt": 22 characters}`, at most 1 MiB."""
    part = canonical.decode_object(data, MAX_PRIVATE)
    fields, salt = part.get("fields"), part.get("salt")
    if len(part) != 2 or not isinstance(fields, dict) or not isinstance(salt, str) or not is_salt(salt):
        raise canonical.CanonicalError("not a private part")
    strings = {name: value for name, value in fields.items() if value is None or isinstance(value, str)}
    if len(strings) != len(fields):
        raise canonical.CanonicalError("not a private part")
    return PrivatePart(strings, salt)


@dataclass(frozen=True, slots=True)
class AppendPlan:
    """What an append leaves behind: the tree it ends with, and the tile rows it made full."""

    edge: Edge
    rows: tuple[TileRow, ...]


def plan(edge: Edge, leaf_hashes: Sequence[bytes], opened: Mapping[Tile, bytes]) -> AppendPlan:
    """Add leaves to a tree. `opened` holds the bytes of `tiles.open_tiles(edge.size, edge.size + len(leaf_hashes))`."""
    return AppendPlan(edge.append(leaf_hashes), tuple(tiles.completed(edge.size, leaf_hashes, opened)))


class Store(Protocol):
    """Where a log lives. All reads of one `Log` come from one snapshot or one transaction."""

    async def edge(self) -> Edge:
        """The tree as committed, or as locked by this transaction."""

    async def read_tile(self, tile: Tile) -> bytes:
        """32·`tile.width` bytes (`Tile` says from where)."""

    async def append(self, leaves: Sequence[bytes], leaf_hashes: Sequence[bytes], planned: AppendPlan) -> None:
        """Store leaves, rows and edge together, or nothing."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof with the size and root it is good for, from one snapshot."""

    size: int
    root: bytes
    hashes: tuple[bytes, ...]


class Log:
    """A log over its store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def append(self, leaves: Sequence[bytes]) -> Edge:
        """Append leaves; the tree after them."""
        edge = await self._store.edge()
        hashes = [leaf_hash(leaf) for leaf in leaves]
        opened = await self._read(tiles.open_tiles(edge.size, edge.size + len(leaves)))
        planned = plan(edge, hashes, opened)
        await self._store.append(leaves, hashes, planned)
        return planned.edge

    async def edge_at(self, size: int) -> Edge:
        """The tree as it was at `size`; `ProofError` when it never had so many leaves."""
        nodes = proofs.edge_nodes(size)
        reader = await self._reader(size, nodes)
        return Edge(size, tuple(map(reader, nodes)))

    async def inclusion(self, index: int, size: int) -> Proof:
        """The proof that leaf `index` is in the tree of `size` leaves."""
        return await self._prove(size, proofs.inclusion_nodes(index, size))

    async def consistency(self, old_size: int, size: int) -> Proof:
        """The proof that the tree of `size` leaves begins with that of `old_size`."""
        return await self._prove(size, proofs.consistency_nodes(old_size, size))

    async def _prove(self, size: int, wanted: Sequence[Sequence[Node]]) -> Proof:
        edge = proofs.edge_nodes(size)
        reader = await self._reader(size, [*edge, *(node for nodes in wanted for node in nodes)])
        return Proof(size, fold([*map(reader, edge)]), proofs.prove(wanted, reader))

    async def _reader(self, size: int, nodes: Iterable[Node]) -> tiles.TileReader:
        if size > (await self._store.edge()).size:
            raise proofs.ProofError("the log has no such size")
        return tiles.TileReader(size, await self._read(tiles.tiles_of(nodes, size)))

    async def _read(self, wanted: Iterable[Tile]) -> dict[Tile, bytes]:
        return {tile: await self._store.read_tile(tile) for tile in wanted}
