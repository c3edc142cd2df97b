from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trail.hashing import EMPTY_ROOT, Edge, leaf_hash
from tests.trail.reference import NaiveTree, some_leaf_hashes

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_come_out(size: int) -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert Edge().append(hashes).root().hex() == ROOTS[size]
    assert NaiveTree(hashes).mth(0, size).hex() == ROOTS[size]


def test_every_size_to_600_has_the_root_of_the_naive_definition() -> None:
    tree = NaiveTree(some_leaf_hashes(600))
    edge = Edge()
    for size in range(1, 601):
        edge = edge.append(tree.d[size - 1 : size])
        assert (edge.size, edge.root()) == (size, tree.mth(0, size))


@given(st.lists(st.integers(0, 40), max_size=8))
def test_it_does_not_matter_how_appends_are_cut(lengths: list[int]) -> None:
    hashes = some_leaf_hashes(sum(lengths))
    edge, start = Edge(), 0
    for length in lengths:
        edge, start = edge.append(hashes[start : start + length]), start + length
    assert edge == Edge().append(hashes)


@pytest.mark.parametrize(
    "size, hashes",
    [(0, (EMPTY_ROOT,)), (1, ()), (3, (EMPTY_ROOT,)), (2, (EMPTY_ROOT, EMPTY_ROOT)), (1, (b"",)), (-1, ())],
)
def test_an_edge_that_no_tree_has_is_refused(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="edge"):
        Edge(size, hashes)


def test_what_is_no_hash_cannot_be_appended() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Edge().append([b"an entry, not its hash"])
