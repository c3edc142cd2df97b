from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trail.tiles import (
    ROW_SIZE,
    WIDTH,
    Node,
    Tile,
    TileReader,
    TileRow,
    completed,
    entry_bundle,
    open_tiles,
    parse_path,
    path_of,
    tile_of,
    tiles_of,
    width_at,
)
from tests.trail.reference import NaiveTree, some_leaf_hashes

TREE = NaiveTree(some_leaf_hashes(66_200))


def naive_tile(tile: Tile) -> bytes:
    """The tile by the words of tlog-tiles: MTH(D[(n·256 + i)·256^l : (n·256 + i + 1)·256^l])."""
    span = WIDTH**tile.level
    first = tile.index * WIDTH
    return b"".join(TREE.mth(at * span, (at + 1) * span) for at in range(first, first + tile.width))


def naive_row(level: int, index: int) -> TileRow:
    span = WIDTH ** (level + 1)
    return TileRow(level, index, naive_tile(Tile(level, index)), TREE.mth(index * span, (index + 1) * span))


@pytest.mark.parametrize(
    "number, path", [(0, "000"), (7, "007"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_indexes_are_spelt_in_groups_of_three(number: int, path: str) -> None:
    assert path_of(number) == path


@given(st.integers(0, 63), st.integers(0, 10**18 - 1), st.integers(1, WIDTH))
def test_a_path_is_read_as_it_was_written(level: int, index: int, width: int) -> None:
    suffix = "" if width == WIDTH else f".p/{width}"
    assert parse_path(f"{level}/{path_of(index)}{suffix}") == Tile(level, index, width)


@given(st.text(alphabet="0123x/.p-\n", max_size=20))
def test_a_path_has_one_spelling(text: str) -> None:
    try:
        tile = parse_path(text)
    except ValueError:
        return
    suffix = "" if tile.width == WIDTH else f".p/{tile.width}"
    assert f"{tile.level}/{path_of(tile.index)}{suffix}" == text


def test_a_bundle_is_entries_after_their_lengths() -> None:
    assert entry_bundle([b"a", b"", bytes(65_535)]) == b"\0\1a" + b"\0\0" + b"\xff\xff" + bytes(65_535)


def test_seventy_thousand_leaves_have_the_partial_tiles_of_the_specification() -> None:
    assert [width_at(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [width_at(1, index, 70_000) for index in (0, 1, 2)] == [256, 17, 0]
    assert [width_at(2, index, 70_000) for index in (0, 1)] == [1, 0]
    assert width_at(3, 0, 70_000) == 0
    assert [width_at(0, 0, 256), width_at(1, 0, 256)] == [256, 1]


@pytest.mark.parametrize(
    "size, new_size",
    [
        (0, 1),
        (0, 255),
        (0, 256),
        (0, 1000),
        (255, 256),
        (254, 255),
        (256, 511),
        (256, 512),
        (300, 900),
        (65_280, 65_536),
        (65_535, 65_536),
        (65_536, 65_537),
        (65_000, 66_200),
        (0, 65_536),
    ],
)
def test_an_append_completes_the_rows_it_should(size: int, new_size: int) -> None:
    opened = {tile: naive_tile(tile) for tile in open_tiles(size, new_size)}
    rows = completed(size, TREE.d[size:new_size], opened)
    due = [
        naive_row(level, index)
        for level in (0, 1)
        for index in range(size // WIDTH ** (level + 1), new_size // WIDTH ** (level + 1))
    ]
    assert rows == due
    assert all(len(row.hashes) == ROW_SIZE == 8192 for row in rows)


def test_most_appends_read_no_tile() -> None:
    assert [size for size in range(1, 1024) if open_tiles(size, size + 1)] == [255, 511, 767, 1023]
    assert open_tiles(65_535, 65_536) == [Tile(0, 255, 255), Tile(1, 0, 255)]
    assert open_tiles(65_280, 65_536) == [Tile(1, 0, 255)]
    assert open_tiles(300, 300) == []


def test_a_tile_that_was_not_read_is_an_error_not_a_wrong_row() -> None:
    with pytest.raises(KeyError):
        completed(255, TREE.d[255:256], {})
    with pytest.raises(KeyError):
        TileReader(300, {})(Node(0, 0))


@given(st.data())
def test_any_perfect_subtree_can_be_read_from_one_tile(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 66_200))
    level = data.draw(st.integers(0, size.bit_length() - 1))
    node = Node(level, data.draw(st.integers(0, (size >> level) - 1)))
    tile = tile_of(node, size)
    assert TileReader(size, {tile: naive_tile(tile)})(node) == TREE.mth(node.index << level, node.index + 1 << level)
    assert tiles_of([node, node], size) == [tile]
