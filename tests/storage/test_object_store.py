"""Objects are there whole or not at all; a store in doubt says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.errors import Unavailable
from app.storage.object_store import ObjectStore

MIB = 1 << 20


async def pieces(*given: bytes, fails: Exception | None = None) -> AsyncIterator[bytes]:
    for each in given:
        yield each
    if fails is not None:
        raise fails


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def _read(store: ObjectStore, key: str) -> bytes | None:
    found = await store.get(key)
    return None if found is None else b"".join([piece async for piece in found])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept here"


@pytest.fixture
def store(folder: Path) -> ObjectStore:
    return ObjectStore(folder.as_uri())


@pytest.mark.parametrize("size", [1, MIB, 12 * MIB])
async def test_what_was_put_is_got_and_what_was_deleted_is_not(store: ObjectStore, size: int) -> None:
    data = b"ab" * (size // 2) or b"a"
    await store.put("01EXU_INST/ses_1/1-x", pieces(*(data[at : at + MIB] for at in range(0, len(data), MIB))))
    assert await _read(store, "01EXU_INST/ses_1/1-x") == data
    await store.delete("01EXU_INST/ses_1/1-x")
    await store.delete("01EXU_INST/ses_1/1-x")
    assert await _read(store, "01EXU_INST/ses_1/1-x") is None


@pytest.mark.parametrize("before", [b"a", b"a" * (11 * MIB)])
async def test_what_breaks_off_leaves_nothing_and_tells_its_own_reason(
    store: ObjectStore, folder: Path, before: bytes
) -> None:
    with pytest.raises(LookupError, match="gone"):
        await store.put("a/b/c", pieces(before, fails=LookupError("gone")))
    assert await _read(store, "a/b/c") is None
    assert files(folder) == []


async def test_a_store_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = ObjectStore((tmp_path / "file").as_uri())
    with pytest.raises(Unavailable):
        await store.put("a/b/c", pieces(b"x"))
    with pytest.raises(Unavailable):
        await store.get("a/b/c")
    with pytest.raises(Unavailable):
        await store.delete("a/b/c")


def test_recordings_are_kept_in_no_other_place() -> None:
    with pytest.raises(ValueError, match="file:// or s3://"):
        ObjectStore("ftp://example.org/recordings")


@pytest.mark.parametrize("size", [1, 12 * MIB])
async def test_storage_that_speaks_s3_keeps_what_is_put_in_parts_and_lists_it(bucket: str, size: int) -> None:
    store, data = ObjectStore(f"{bucket}/recordings"), b"ab" * (size // 2) or b"a"
    key = "01EXU_INST/ses_1/1-x"
    await store.put(key, pieces(*(data[at : at + MIB] for at in range(0, len(data), MIB))))
    assert await _read(ObjectStore(f"{bucket}/recordings"), key) == data
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert [each async for keys in store.older(soon) for each in keys] == [key]
    await store.delete(key)
    await store.delete(key)
    assert await _read(store, key) is None


async def test_an_upload_to_s3_that_breaks_off_leaves_nothing(bucket: str) -> None:
    store = ObjectStore(bucket)
    with pytest.raises(ConnectionResetError):
        await store.put("01EXU_INST/ses_1/1-x", pieces(b"a" * 12 * MIB, fails=ConnectionResetError()))
    assert await _read(store, "01EXU_INST/ses_1/1-x") is None


async def test_a_bucket_that_is_not_there_is_doubt_not_an_empty_store(bucket: str) -> None:
    with pytest.raises(Unavailable):
        await ObjectStore(f"{bucket}-not-there").put("01EXU_INST/ses_1/1-x", pieces(b"a"))
