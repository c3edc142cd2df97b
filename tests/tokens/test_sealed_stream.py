"""Sealed streams open whole or not at all, however their bytes are cut into pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tokens.sealed_stream import PIECE, open_stream, seal_stream
from app.tokens.secrets import SealBroken

KEY, OTHER = b"k" * 32, b"o" * 32


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    """The data in pieces of a size."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def _seal(data: bytes, size: int = 1000, label: str = "a/b") -> list[bytes]:
    return [piece async for piece in seal_stream(KEY, label, cut(data, size))]


async def _open(sealed: bytes, size: int = 999, key: bytes = KEY, label: str = "a/b") -> bytes:
    return b"".join([piece async for piece in open_stream(key, label, cut(sealed, size))])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3 * PIECE + 5), st.integers(500, 100_000), st.integers(500, 100_000))
def test_what_was_sealed_opens_whatever_the_pieces(length: int, into: int, out: int) -> None:
    data = bytes(at % 251 for at in range(length))

    async def run() -> bytes:
        return await _open(b"".join(await _seal(data, into)), out)

    assert asyncio.run(run()) == data


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
async def test_edges_of_pieces_are_kept_and_two_seals_share_nothing(length: int) -> None:
    data = b"x" * length
    one, two = b"".join(await _seal(data)), b"".join(await _seal(data))
    assert await _open(one) == await _open(two) == data
    assert one[17:33] != two[17:33]
    pieces = max(1, -(-length // PIECE))
    assert len(one) == 17 + length + 16 * pieces


async def test_pieces_cannot_be_changed_moved_left_out_or_cut_off() -> None:
    data = bytes(range(256)) * (3 * PIECE // 256)
    head, *pieces = await _seal(data)
    whole = head + b"".join(pieces)
    lies = {
        "cut": head + b"".join(pieces[:-1]),
        "cut inside": whole[:-1],
        "moved": head + pieces[1] + pieces[0] + pieces[2],
        "left out": head + pieces[0] + pieces[2],
        "longer": whole + b"x",
        "version": b"\x02" + whole[1:],
        "salt": whole[:5] + bytes([whole[5] ^ 1]) + whole[6:],
        "one bit": whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        "nothing": b"",
        "head alone": head,
    }
    for name, lie in lies.items():
        with pytest.raises(SealBroken):
            await _open(lie)
            pytest.fail(name)
    with pytest.raises(SealBroken):
        await _open(whole, key=OTHER)
    with pytest.raises(SealBroken):
        await _open(whole, label="a/c")
