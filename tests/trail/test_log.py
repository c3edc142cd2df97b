from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from app.trail.canonical import CanonicalError, decode_object, encode, sha
from app.trail.hashing import EMPTY_ROOT, Edge, leaf_hash
from app.trail.log import MAX_LEAF, MAX_PRIVATE, Composed, Log, compose, new_salt, parse_private, plan
from app.trail.memory import MemoryStore
from app.trail.proofs import ProofError, verify_consistency, verify_inclusion
from app.trail.tiles import Tile
from tests.trail.reference import NaiveTree

SALT = "AAECAwQFBgcICQoLDA0ODw"
ACTOR = {"kind": "person", "id": "per_1"}


def composed(data: dict[str, object], private: dict[str, str | None] | None = None, salt: str = SALT) -> Composed:
    return compose(
        index=41,
        entry_id="evt_1",
        at="2026-11-22T09:51:16.123456Z",
        institution="01EXU_INST",
        type="request.approved",
        subject="req_1",
        actor=ACTOR,
        data=data,
        private_fields=private,
        salt=salt,
    )


def test_an_entry_has_its_ten_fields_in_canonical_form() -> None:
    entry = composed({"decisions": [40], "ground": "approval"}, {"comment": "Gerne.\n"})
    assert entry.private == b'{"fields":{"comment":"Gerne.\\n"},"salt":"AAECAwQFBgcICQoLDA0ODw"}'
    assert entry.leaf == (
        b'{"actor":{"id":"per_1","kind":"person"},"at":"2026-11-22T09:51:16.123456Z",'
        b'"data":{"decisions":[40],"ground":"approval"},"id":"evt_1","index":41,"institution":"01EXU_INST",'
        b'"private":"' + sha(entry.private).encode() + b'","subject":"req_1","type":"request.approved","v":1}'
    )
    assert entry.leaf_hash == hashlib.sha256(b"\x00" + entry.leaf).digest()
    assert len(decode_object(entry.leaf)) == 10


def test_an_entry_without_private_fields_has_no_private_part() -> None:
    entry = composed({})
    assert entry.private is None
    assert "private" not in decode_object(entry.leaf)


def test_a_leaf_is_at_most_65535_bytes() -> None:
    room = MAX_LEAF - len(composed({"a": ""}).leaf)
    assert len(composed({"a": "x" * room}).leaf) == 65_535
    with pytest.raises(CanonicalError):
        composed({"a": "x" * (room + 1)})


@pytest.mark.parametrize("data", [{"a": 1.5}, {"a": 2**53}, {"ä": 1}, {"a": "\ud800"}, {"a": Ellipsis}], ids=ascii)
def test_what_has_no_canonical_form_makes_no_entry(data: dict[str, object]) -> None:
    with pytest.raises(CanonicalError):
        composed(data)


def test_salts_are_128_random_bits_and_never_alike() -> None:
    salts = {new_salt() for _ in range(1000)}
    assert len(salts) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", salt) for salt in salts)
    assert all(composed({}, {}, salt).private for salt in salts)


@given(st.dictionaries(st.text(st.characters(max_codepoint=0x7F), max_size=9), st.none() | st.text(), max_size=5))
def test_private_parts_come_back(fields: dict[str, str | None]) -> None:
    try:
        private = composed({}, fields).private
    except CanonicalError:
        assert any("\ud800" <= char <= "\udfff" for value in fields.values() for char in value or "")
        return
    assert private is not None
    part = parse_private(private)
    assert (part.fields, part.salt) == (fields, SALT)
    assert private == rfc8785.dumps({"fields": fields, "salt": SALT})


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"fields": {}},
        {"salt": SALT},
        {"fields": {}, "salt": SALT, "index": 1},
        {"fields": [], "salt": SALT},
        {"fields": {"a": 1}, "salt": SALT},
        {"fields": {"a": ["b"]}, "salt": SALT},
        {"fields": {}, "salt": SALT[:-1]},
        {"fields": {}, "salt": SALT + "A"},
        {"fields": {}, "salt": SALT + "=="},
        {"fields": {}, "salt": SALT + "\n"},
        {"fields": {}, "salt": SALT[:-1] + "x"},
        {"fields": {}, "salt": "+" + SALT[1:]},
        {"fields": {}, "salt": None},
        {"fields": {"a": "x" * MAX_PRIVATE}, "salt": SALT},
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_private_part_of_any_other_form_is_refused(value: object) -> None:
    with pytest.raises(CanonicalError):
        parse_private(encode(value))


@pytest.mark.parametrize("salt", ["", "x", SALT[:-1] + "B"])
def test_an_entry_is_not_made_with_a_salt_that_cannot_be_read_back(salt: str) -> None:
    with pytest.raises(CanonicalError):
        composed({}, {"a": "b"}, salt)


class CountingStore(MemoryStore):
    """A memory store that counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Tile] = []

    async def read_tile(self, tile: Tile) -> bytes:
        self.read.append(tile)
        return await super().read_tile(tile)


async def grown(lengths: list[int]) -> tuple[Log, CountingStore, NaiveTree]:
    store = CountingStore()
    log = Log(store)
    leaves = [b"%d" % number for number in range(sum(lengths))]
    start = 0
    for length in lengths:
        edge = await log.append(leaves[start : start + length])
        start += length
        assert edge.size == start
    return log, store, NaiveTree([leaf_hash(leaf) for leaf in leaves])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 300), max_size=6), st.data())
async def test_a_log_proves_what_the_naive_tree_proves(lengths: list[int], data: Any) -> None:
    log, store, tree = await grown([*lengths, 1])
    size = data.draw(st.integers(1, sum(lengths) + 1))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root = tree.mth(0, size)
    included, consistent = await log.inclusion(index, size), await log.consistency(old, size)
    assert (included.size, included.root, list(included.hashes)) == (size, root, tree.path(index, 0, size))
    assert (consistent.size, consistent.root, list(consistent.hashes)) == (size, root, tree.proof(old, size))
    verify_inclusion(index, size, leaf_hash(store.leaves[index]), included.hashes, included.root)
    verify_consistency(old, size, (await log.edge_at(old)).root(), consistent.root, consistent.hashes)


async def test_appends_of_every_length_store_the_same_tree() -> None:
    one, at_once, in_ones = await grown([700]), (await grown([1] * 700))[1], (await grown([255, 1, 256, 188]))[1]
    assert at_once.rows == in_ones.rows == one[1].rows
    assert await at_once.edge() == await in_ones.edge() == await one[1].edge()
    assert at_once.leaves == in_ones.leaves == one[1].leaves


async def test_proofs_of_a_large_log_read_a_tile_a_level() -> None:
    log, store, tree = await grown([65_536 * 3 + 256 * 5 + 7])
    size = len(tree.d)
    store.read.clear()
    proof = await log.inclusion(70_000, size)
    verify_inclusion(70_000, size, tree.d[70_000], proof.hashes, proof.root)
    # The leaf's own tile and its parent, and the three tiles still open.
    assert store.read == [Tile(0, 273), Tile(0, 773, 7), Tile(1, 1), Tile(1, 3, 5), Tile(2, 0, 3)]


async def test_an_empty_log_has_the_empty_root_and_proves_nothing() -> None:
    log = Log(MemoryStore())
    assert (await log.edge_at(0)).root() == EMPTY_ROOT
    assert (await log.consistency(0, 0)).hashes == ()
    with pytest.raises(ProofError):
        await log.inclusion(0, 0)


async def test_a_size_the_log_never_had_has_no_proof() -> None:
    log, _, _ = await grown([5])
    for asked in (log.inclusion(0, 6), log.consistency(1, 6), log.edge_at(6), log.edge_at(-1), log.inclusion(5, 5)):
        with pytest.raises(ProofError):
            await asked


def test_a_plan_holds_the_edge_and_the_rows() -> None:
    hashes = [leaf_hash(b"%d" % number) for number in range(256)]
    planned = plan(Edge().append(hashes[:255]), hashes[255:], {Tile(0, 0, 255): b"".join(hashes[:255])})
    assert planned.edge == Edge().append(hashes)
    assert [(row.level, row.index, row.hashes, row.root) for row in planned.rows] == [
        (0, 0, b"".join(hashes), planned.edge.root())
    ]
