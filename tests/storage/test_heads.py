"""The store of last signed heads: compare-and-swap, durable, suspicious."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.storage.heads import FileHeads, HeadStoreError, SignedHead

ORIGIN = "countersign.example/01EXU_INST"


def head(size: int) -> SignedHead:
    return SignedHead(ORIGIN, size, bytes([size]) * 32)


def test_nothing_stands_there_before_the_first_signature(tmp_path: Path) -> None:
    assert FileHeads(tmp_path).read(ORIGIN) is None


def test_a_head_survives_the_process_that_wrote_it(tmp_path: Path) -> None:
    assert FileHeads(tmp_path).swap(None, head(3))
    assert FileHeads(tmp_path).read(ORIGIN) == head(3)


def test_a_swap_from_a_stale_head_changes_nothing(tmp_path: Path) -> None:
    store = FileHeads(tmp_path)
    store.swap(None, head(3))
    assert not store.swap(None, head(4))
    assert not store.swap(head(2), head(4))
    assert store.read(ORIGIN) == head(3)


def test_of_many_that_swap_the_same_head_one_wins(tmp_path: Path) -> None:
    wins: list[bool] = []
    threads = [
        threading.Thread(target=lambda size=size: wins.append(FileHeads(tmp_path).swap(None, head(size))))
        for size in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == [False] * 7 + [True]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"origin":"x","size":1,"root":"00"}', b'{"size":'])
def test_a_damaged_file_is_an_error_never_an_empty_store(tmp_path: Path, content: bytes) -> None:
    store = FileHeads(tmp_path)
    store.swap(None, head(1))
    next(tmp_path.glob("*.json")).write_bytes(content)
    with pytest.raises(HeadStoreError):
        store.read(ORIGIN)
