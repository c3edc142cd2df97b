"""The store of last signed heads in storage that speaks S3: one wins, none is overwritten, doubt is said."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from app.storage import object_heads
from app.storage.heads import HeadStoreError, SignedHead, doubt_of, judged
from app.storage.object_heads import ObjectHeads

ORIGIN = "countersign.example/01EXU_INST"


def head(size: int) -> SignedHead:
    return SignedHead(ORIGIN, size, bytes([size]) * 32)


@pytest.fixture
def store(bucket: str) -> ObjectHeads:
    return ObjectHeads(f"{bucket}/heads")


def test_a_head_is_kept_for_every_process_and_each_log_has_its_own(store: ObjectHeads, bucket: str) -> None:
    store.probe()
    assert store.read(ORIGIN) is None
    assert store.swap(None, head(3))
    other = replace(head(9), origin=f"{ORIGIN}/2")
    assert store.swap(None, other)
    again = ObjectHeads(f"{bucket}/heads")
    assert (again.read(ORIGIN), again.read(other.origin)) == (head(3), other)
    assert again.swap(head(3), replace(head(3), successor=other.origin))
    assert [each["path"].count("probe") for found in obstore.list(S3Store.from_url(bucket)) for each in found] == [0, 0]


def test_a_swap_from_a_stale_head_changes_nothing(store: ObjectHeads) -> None:
    store.swap(None, head(3))
    assert not store.swap(None, head(4))
    assert not store.swap(head(2), head(4))
    assert store.read(ORIGIN) == head(3)


class _Slow(ObjectHeads):
    """Somebody else is faster between its reading and its writing."""

    def _write(self, name: str, content: bytes, tag: str | None) -> bool:
        assert ObjectHeads(self._url).swap(ObjectHeads(self._url).read(ORIGIN), head(7))
        return super()._write(name, content, tag)


@pytest.mark.parametrize("before", [None, head(3)])
def test_what_came_between_reading_and_writing_is_never_overwritten(
    store: ObjectHeads, bucket: str, before: SignedHead | None
) -> None:
    if before is not None:
        assert store.swap(None, before)
    assert not _Slow(f"{bucket}/heads").swap(before, head(4))
    assert store.read(ORIGIN) == head(7)


def test_of_many_that_swap_the_same_head_one_wins(bucket: str) -> None:
    for expected, sizes in ((None, range(1, 7)), (..., range(11, 17))):
        known = ObjectHeads(bucket).read(ORIGIN) if expected is ... else None
        with ThreadPoolExecutor(6) as pool:
            wins = list(pool.map(lambda size, known=known: ObjectHeads(bucket).swap(known, head(size)), sizes))
        assert sorted(wins) == [False] * 5 + [True]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"origin":"x","size":1,"root":"00"}'])
def test_a_damaged_object_is_an_error_never_an_empty_store(store: ObjectHeads, bucket: str, content: bytes) -> None:
    store.swap(None, head(1))
    obstore.put(S3Store.from_url(f"{bucket}/heads"), object_heads._name(ORIGIN), content)
    with pytest.raises(HeadStoreError, match="damaged"):
        store.read(ORIGIN)


def test_a_store_that_overwrites_whatever_is_asked_is_refused(
    store: ObjectHeads, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = obstore.put

    def careless(*given: Any, mode: object, **more: Any) -> Any:
        assert mode is not None
        return put(*given, **more)

    monkeypatch.setattr(obstore, "put", careless)
    with pytest.raises(HeadStoreError, match="conditional writes"):
        store.probe()


async def test_a_log_is_judged_by_it_and_where_it_does_not_answer_the_answer_is_no(
    store: ObjectHeads, bucket: str
) -> None:
    store.swap(None, head(3))
    assert await judged(store, ORIGIN, 3) is None
    rolled_back = await judged(store, ORIGIN, 2)
    assert rolled_back is not None
    assert rolled_back.problem == "trail-rolled-back"
    gone = ObjectHeads(f"{bucket}-that-is-not-there")  # which is not to say that nothing was ever signed
    unsure = doubt_of(gone, ORIGIN, 3)
    assert unsure is not None
    assert unsure.problem == "unavailable"
    with pytest.raises(HeadStoreError):
        gone.swap(None, head(1))
