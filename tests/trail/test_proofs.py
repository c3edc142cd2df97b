from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trail.proofs import (
    ProofError,
    consistency_nodes,
    edge_nodes,
    inclusion_nodes,
    prove,
    verify_consistency,
    verify_inclusion,
)
from app.trail.tiles import Node
from tests.trail.reference import NaiveTree, some_leaf_hashes

VECTORS = Path(__file__).parent / "vectors"
TREE = NaiveTree(some_leaf_hashes(65_536 + 3))
PAIRS = [(m, n) for n in range(1, 131) for m in range(n + 1)]
FAR = [2**k + d for k in (8, 9, 16) for d in (-2, -1, 0, 1, 2)]
FAR_PAIRS = [(m, n) for n in FAR for m in [1, 2, 127, 128, 200, 255, *FAR] if m <= n]


def read_node(node: Node) -> bytes:
    return TREE.mth(node.index << node.level, node.index + 1 << node.level)


def vectors(kind: str) -> list[object]:
    files = sorted((VECTORS / kind).rglob("*.json"))
    return [pytest.param(json.loads(file.read_text()), id=str(file.relative_to(VECTORS))) for file in files]


def test_all_196_vectors_are_here() -> None:
    assert len(list(VECTORS.rglob("*.json"))) == 196


@pytest.mark.parametrize("vector", vectors("rfc6962-inclusion"))
def test_published_inclusion_vectors(vector: dict[str, object]) -> None:
    index, size = int(str(vector["leafIdx"])), int(str(vector["treeSize"]))
    leaf, root = b64decode(str(vector["leafHash"])), b64decode(str(vector["root"]))
    proof = decoded(vector["proof"])
    if vector["wantErr"]:
        with pytest.raises(ProofError):
            verify_inclusion(index, size, leaf, proof, root)
    else:
        verify_inclusion(index, size, leaf, proof, root)


@pytest.mark.parametrize("vector", vectors("rfc6962-consistency"))
def test_published_consistency_vectors(vector: dict[str, object]) -> None:
    m, n = int(str(vector["size1"])), int(str(vector["size2"]))
    old, new = b64decode(str(vector["root1"])), b64decode(str(vector["root2"]))
    proof = decoded(vector["proof"])
    if vector["wantErr"]:
        with pytest.raises(ProofError):
            verify_consistency(m, n, old, new, proof)
    else:
        verify_consistency(m, n, old, new, proof)


def decoded(proof: object) -> list[bytes]:
    return [b64decode(each) for each in proof] if isinstance(proof, list) else []


@pytest.mark.parametrize("pairs", [PAIRS, FAR_PAIRS], ids=["up to 130", "around 256, 512 and 65,536"])
def test_every_inclusion_proof_is_that_of_the_naive_definition_and_verifies(pairs: list[tuple[int, int]]) -> None:
    for index, size in pairs:
        if index == size:
            continue
        proof = prove(inclusion_nodes(index, size), read_node)
        assert list(proof) == TREE.path(index, 0, size)
        verify_inclusion(index, size, TREE.d[index], proof, TREE.mth(0, size))


@pytest.mark.parametrize("pairs", [PAIRS, FAR_PAIRS], ids=["up to 130", "around 256, 512 and 65,536"])
def test_every_consistency_proof_is_that_of_the_naive_definition_and_verifies(pairs: list[tuple[int, int]]) -> None:
    for m, n in pairs:
        if m == 0:
            continue
        proof = prove(consistency_nodes(m, n), read_node)
        assert list(proof) == TREE.proof(m, n)
        verify_consistency(m, n, TREE.mth(0, m), TREE.mth(0, n), proof)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 255, 256, 257, 65_535, 65_536, 65_537])
def test_the_right_edge_folds_to_the_root(size: int) -> None:
    assert prove([edge_nodes(size)], read_node) == (TREE.mth(0, size),)


def test_from_the_empty_tree_and_to_itself_there_is_nothing_to_send() -> None:
    assert consistency_nodes(0, 7) == []
    assert consistency_nodes(0, 0) == []
    assert consistency_nodes(7, 7) == []


@pytest.mark.parametrize("index, size", [(0, 0), (1, 1), (-1, 5), (5, 5), (9, 5)])
def test_there_is_no_inclusion_proof_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        inclusion_nodes(index, size)
    with pytest.raises(ProofError):
        verify_inclusion(index, size, TREE.d[0], [], TREE.d[0])


@pytest.mark.parametrize("m, n", [(6, 5), (-1, 5), (1, 0)])
def test_there_is_no_consistency_with_an_earlier_tree(m: int, n: int) -> None:
    with pytest.raises(ProofError):
        consistency_nodes(m, n)


@given(st.data())
def test_a_proof_with_anything_about_it_changed_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    proof = TREE.path(index, 0, size)
    root = TREE.mth(0, size)
    bad = data.draw(changed(proof))
    with pytest.raises(ProofError):
        verify_inclusion(index, size, TREE.d[index], bad, root)
    other = data.draw(st.integers(0, 400).filter(lambda each: each != index))
    with pytest.raises(ProofError):
        verify_inclusion(other, size, TREE.d[index], proof, root)


@given(st.data())
def test_a_consistency_proof_with_anything_about_it_changed_fails(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 300))
    m = data.draw(st.integers(1, n - 1))
    old, new, proof = TREE.mth(0, m), TREE.mth(0, n), TREE.proof(m, n)
    bad = data.draw(changed(proof))
    for roots in [(old, new, bad), (new, old, proof), (old, old, proof), (new, new, proof)]:
        with pytest.raises(ProofError):
            verify_consistency(m, n, *roots)


@st.composite
def changed(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """The proof with one hash flipped, dropped, doubled or cut, or one more at either end."""
    at = draw(st.integers(0, len(proof) - 1))
    head, one, tail = proof[:at], proof[at], proof[at + 1 :]
    flipped = bytes([one[0] ^ draw(st.integers(1, 255))]) + one[1:]
    ways = [[flipped], [], [one, one], [one[:-1]], [one + b"\0"], [b""]]
    whole = [[*head, *way, *tail] for way in ways]
    return draw(st.sampled_from([*whole, [TREE.d[0], *proof], [*proof, TREE.d[0]]]))


@given(
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    st.binary(max_size=40),
    st.lists(st.binary(max_size=33), max_size=70),
    st.binary(),
)
def test_verification_of_nonsense_raises_its_one_error(
    m: int, n: int, one: bytes, proof: list[bytes], two: bytes
) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(m, n, one, proof, two)
    with pytest.raises(ProofError):
        verify_consistency(m, n, one, two, [*proof, b"nonsense"])
