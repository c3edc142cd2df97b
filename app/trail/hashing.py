"""Merkle tree hashing (RFC 6962 section 2.1, https://www.rfc-editor.org/rfc/rfc6962#section-2.1; RFC 9162).

A tree of `size` leaves is known by its right edge: the roots of its perfect subtrees, largest first, one for each bit
set in `size`. The edge is all that an append needs to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def parents(hashes: bytes) -> bytes:
    """The nodes over adjacent pairs of hashes, given and made as one string."""
    pairs = range(0, len(hashes), 2 * HASH_SIZE)
    return b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_SIZE]).digest() for at in pairs])


def perfect_root(hashes: bytes) -> bytes:
    """The root over 2^k adjacent hashes, given as one string."""
    while len(hashes) > HASH_SIZE:
        hashes = parents(hashes)
    return hashes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over adjacent perfect subtrees of falling size; `EMPTY_ROOT` over none."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


@dataclass(frozen=True, slots=True)
class Edge:
    """A tree by its size and right edge. Raises `ValueError` where the two cannot belong together."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError("the edge has not one hash for each bit of the size")
        if any(len(value) != HASH_SIZE for value in self.hashes):
            raise ValueError("a hash of the edge is not 32 bytes")

    def append(self, leaf_hashes: Iterable[bytes]) -> Edge:
        """The tree with these leaves added, in O(log size) for a few."""
        size, stack = self.size, list(self.hashes)
        for leaf in leaf_hashes:
            node = leaf
            # Each trailing one bit of the size is a perfect subtree waiting for its equal on the right.
            waiting = size
            while waiting & 1:
                node = sha256(b"\x01" + stack.pop() + node).digest()  # `node_hash`, met once for every leaf there is
                waiting >>= 1
            stack.append(node)
            size += 1
        return Edge(size, tuple(stack))

    def root(self) -> bytes:
        """The root hash of the tree."""
        return fold(self.hashes)
