"""Inclusion and consistency proofs (RFC 6962 section 2.1; verification as in RFC 9162 sections 2.1.3.2 and 2.1.4.2,
https://www.rfc-editor.org/rfc/rfc9162).

Each hash of a proof is the root over a range of leaves that begins at a multiple of a power of two no smaller than the
range; such a range is a few perfect subtrees of falling size. The functions `…_nodes` name these for each hash, leaf
side first, so that a caller can read them all at once and then `prove`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from app.trail.hashing import HASH_SIZE, fold, node_hash
from app.trail.tiles import Node


class ProofError(ValueError):
    """The proof does not prove what it is given for, or what is asked for cannot be proved."""


def edge_nodes(size: int) -> list[Node]:
    """The right edge of the tree of `size` leaves, largest first: `fold` of their hashes is its root."""
    if size < 0:
        raise ProofError("there is no such tree")
    return _cover(0, size)


def inclusion_nodes(index: int, size: int) -> list[list[Node]]:
    """The nodes of the proof that leaf `index` is in the tree of `size` leaves; `ProofError` when it is not."""
    if not 0 <= index < size:
        raise ProofError("the tree has no such leaf")
    ranges, start, stop = [], 0, size
    while stop - start > 1:
        middle = _middle(start, stop)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return [_cover(*each) for each in reversed(ranges)]


def consistency_nodes(old_size: int, size: int) -> list[list[Node]]:
    """The nodes of the proof that the tree of `size` leaves begins with that of `old_size`.

    There are none from 0 and none from a tree to itself.
    """
    if not 0 <= old_size <= size:
        raise ProofError("a tree is consistent with later ones only")
    if old_size == 0:
        return []
    ranges, start, stop = [], 0, size
    while stop != old_size:
        middle = _middle(start, stop)
        if old_size <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:  # from 0, the verifier knows this hash: it is the old root
        ranges.append((start, stop))
    return [_cover(*each) for each in reversed(ranges)]


def prove(wanted: Iterable[Sequence[Node]], read_node: Callable[[Node], bytes]) -> tuple[bytes, ...]:
    """The hashes of a proof, from the hashes of perfect subtrees (`tiles.TileReader`)."""
    return tuple(fold([read_node(node) for node in nodes]) for nodes in wanted)


def _middle(start: int, stop: int) -> int:
    """Where the tree over a range splits: at the largest power of two smaller than its length."""
    return start + (1 << (stop - start - 1).bit_length() - 1)


def _cover(start: int, stop: int) -> list[Node]:
    nodes = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raise `ProofError` unless `proof` shows that the tree of `size` leaves and `root` has this leaf at `index`."""
    if not 0 <= index < size or len(leaf_hash) != HASH_SIZE:
        raise ProofError("the proof fails")
    node, last, computed = index, size - 1, leaf_hash
    for sibling in _hashes(proof):
        if last == 0:
            raise ProofError("the proof fails")
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            node, last = _skip_lone(node, last)
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or computed != root:
        raise ProofError("the proof fails")


def verify_consistency(old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `ProofError` unless `proof` shows that the tree of `size` leaves begins with that of `old_size`.

    From the empty tree nothing can be shown, so `old_size` 0 is an error whatever the proof.
    """
    if not 0 < old_size <= size:
        raise ProofError("the proof fails")
    if old_size == size:
        if proof or old_root != root:
            raise ProofError("the proof fails")
        return
    hashes = _hashes(proof)
    if old_size & old_size - 1 == 0:
        hashes = [old_root, *hashes]
    if not hashes:
        raise ProofError("the proof fails")
    if _roots(old_size, size, hashes) != (old_root, root):
        raise ProofError("the proof fails")


def _roots(old_size: int, size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a consistency proof leads to."""
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the proof fails")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            node, last = _skip_lone(node, last)
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the proof fails")
    return old, new


def _skip_lone(node: int, last: int) -> tuple[int, int]:
    """Rise past the levels at which the last node has no sibling."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _hashes(proof: Sequence[bytes]) -> Sequence[bytes]:
    if any(len(each) != HASH_SIZE for each in proof):
        raise ProofError("the proof fails")
    return proof
