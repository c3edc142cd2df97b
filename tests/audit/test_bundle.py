"""A bundle is one file of which no byte can change, and nothing that is not one is taken for one."""

from __future__ import annotations

import asyncio
import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audit import bundleform as form
from app.audit import zipform
from app.audit.bundle import bundle_pieces, write_bundle
from app.audit.bundlereader import Bundle
from app.audit.verify import verify_bundle
from app.audit.zipform import DEFLATED, STORED, Member
from app.audit.zipreader import BundleError, ZipReader
from app.audit.zipwriter import ZipWriter
from app.trail import note
from app.trail.note import NoteError
from tests.audit.world import SECOND, World

NAMES = st.lists(
    st.from_regex(r"[a-z0-9][A-Za-z0-9_-]{0,8}(/[a-z0-9]{1,8}){0,2}(\.[a-z]{1,5})?", fullmatch=True),
    unique=True,
    max_size=6,
)


@pytest.fixture(scope="module")
def story() -> World:
    world = World().begin(SECOND)
    request = world.ask()
    world.pass_time(minutes=5)
    world.approve(request)
    return world


@pytest.fixture(scope="module")
def packed(story: World, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return story.bundle(tmp_path_factory.mktemp("bundle") / "bundle.zip").read_bytes()


def _intact(data: bytes, world: World) -> bool:
    """Whether reader and signature have nothing against these bytes."""
    try:
        bundle = Bundle(io.BytesIO(data))
        bundle.check_rest()
        signed = note.parse(bundle.signature)
        note.verify(signed, [world.trail.signer.verifier])
    except (BundleError, NoteError):
        return False
    return not bundle.changed and signed.text.encode() == bundle.tag_manifest


def test_no_byte_of_a_bundle_can_change(story: World, packed: bytes) -> None:
    assert _intact(packed, story)
    chance = random.Random(7)
    for place in range(len(packed)):
        changed = bytearray(packed)
        changed[place] ^= chance.randrange(1, 256)
        assert not _intact(bytes(changed), story), place


def test_no_bit_can_change_where_deflate_says_the_same_in_several_ways(story: World, packed: bytes) -> None:
    members = ZipReader(io.BytesIO(packed)).members.values()
    for member in members:
        for place in range(max(member.data_offset, member.end - 20), member.end):
            for bit in range(8):
                changed = bytearray(packed)
                changed[place] ^= 1 << bit
                assert not _intact(bytes(changed), story), (member.name, place, bit)


def test_verify_fails_for_a_changed_byte_anywhere(story: World, packed: bytes, tmp_path: Path) -> None:
    chance, path = random.Random(11), tmp_path / "bundle.zip"
    for place in chance.sample(range(len(packed)), 60):
        changed = bytearray(packed)
        changed[place] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        assert verify_bundle(path, **story.anchors).exit_code in {1, 2}, place


@pytest.mark.parametrize("cut", [0, 1, 21, 22, 100])
def test_a_bundle_cut_short_or_with_more_behind_it_cannot_be_read(packed: bytes, cut: int) -> None:
    for data in (packed[: len(packed) - cut - 1], packed + b"\0" * (cut + 1), b"\0" * (cut + 1) + packed):
        with pytest.raises(BundleError):
            Bundle(io.BytesIO(data))


def test_the_same_parts_give_the_same_bytes(story: World, packed: bytes) -> None:
    parts = story.parts(story.trail.entries[-1])

    async def written() -> tuple[bytes, bytes, bytes]:
        first, second = io.BytesIO(), io.BytesIO()
        await write_bundle(first, parts)
        await write_bundle(second, parts)
        return first.getvalue(), second.getvalue(), b"".join([piece async for piece in bundle_pieces(parts)])

    assert len(set(asyncio.run(written()))) == 1


def test_ordinary_tools_open_it(packed: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as ordinary:
        assert ordinary.testzip() is None
        names = ordinary.namelist()
        assert names[0] == "bagit.txt"
        assert names[-3:] == ["bag-info.txt", "tagmanifest-sha256.txt", "tagmanifest-sha256.txt.sig"]
        assert b"countersign verify" in ordinary.read("README.txt")
        manifest = ordinary.read("manifest-sha256.txt").decode().splitlines()
    assert sorted(line[66:] for line in manifest) == sorted(name for name in names if name.startswith("data/"))


def _repacked(data: bytes, **changes: bytes | None) -> bytes:
    """Packed again by another tool, with members changed, added or (null) left out; names with `/` as `__`."""
    out = io.BytesIO()
    wanted = {name.replace("__", "/").replace("_dot_", "."): value for name, value in changes.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        contents = {name: old.read(name) for name in old.namelist()} | wanted
        for name, content in contents.items():
            if content is not None:
                new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_STORED)
    return out.getvalue()


def test_a_bundle_packed_again_is_refused_for_its_seal(packed: bytes) -> None:
    with pytest.raises(BundleError, match="sealed"):
        Bundle(io.BytesIO(_repacked(packed)))


@pytest.mark.parametrize(
    "changes",
    [
        {"data__extra_dot_txt": b"x"},
        {"extra_dot_txt": b"x"},
        {"data__export_dot_json": None},
        {"bagit_dot_txt": b"BagIt-Version: 0.97\n"},
        {"tagmanifest-sha256_dot_txt": b""},
        {"manifest-sha256_dot_txt": b"x\n"},
        {"tagmanifest-sha256_dot_txt_dot_sig": None},
    ],
)
def test_a_bag_that_is_not_of_the_form_is_refused(packed: bytes, changes: dict[str, bytes | None]) -> None:
    with pytest.raises(BundleError):
        Bundle(io.BytesIO(_repacked(packed, **changes)))


def _zip(*members: tuple[str, bytes], method: int = STORED) -> bytes:
    writer = ZipWriter()
    return b"".join(writer.whole(name, data, method) for name, data in members) + writer.finish()


@given(names=NAMES, data=st.data())
@settings(max_examples=60)
def test_what_is_written_is_read(names: list[str], data: st.DataObject) -> None:
    contents = {name: data.draw(st.binary(max_size=300)) for name in names}
    writer = ZipWriter()
    made = [
        writer.whole(name, content, data.draw(st.sampled_from([STORED, DEFLATED])))
        for name, content in contents.items()
    ]
    reader = ZipReader(io.BytesIO(b"".join(made) + writer.finish()))
    assert {name: reader.read(name, 1000) for name in reader.members} == contents


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_arbitrary_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(BundleError):
        Bundle(io.BytesIO(data))


async def test_a_streamed_member_is_read_as_it_was_written() -> None:
    writer = ZipWriter()
    made = [piece async for piece in writer.streamed("a.txt", [b"x" * 70_000, b"", b"y" * 70_000])]
    reader = ZipReader(io.BytesIO(b"".join(made) + writer.finish()))
    assert reader.read("a.txt", 1 << 20) == b"x" * 70_000 + b"y" * 70_000
    assert reader.members["a.txt"].streamed


@pytest.mark.parametrize("name", ["../x", "/x", "x/", "a//b", "a/./b", "a b", "ä", "a\\b", "", "x" * 256])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises((ValueError, UnicodeEncodeError)):
        _zip((name, b""))
    assert not zipform.good_name(name)


@pytest.mark.parametrize(
    "place, what",
    [(4, "version"), (6, "flags"), (8, "method"), (10, "time"), (12, "date"), (28, "extra field"), (14, "checksum")],
)
def test_each_field_of_a_local_header_is_pinned(place: int, what: str) -> None:
    data = bytearray(_zip(("a.txt", b"hello"), ("b.txt", b"hello")))
    data[place] ^= 1
    with pytest.raises(BundleError):
        ZipReader(io.BytesIO(bytes(data)))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    data = _zip(("bomb", b"\0" * (4 << 20)), method=DEFLATED)
    with pytest.raises(BundleError, match="250 to 1"):
        ZipReader(io.BytesIO(data))


def test_a_member_that_unpacks_to_more_than_it_says_is_refused() -> None:
    content = b"\0" * 100_000
    packed = zlib.compress(content, 9, -15)
    member = Member("a", DEFLATED, False, zlib.crc32(content), len(packed), 10, 0)
    head = zipform.local_header(member) + packed
    directory = zipform.central_header(member)
    reader = ZipReader(io.BytesIO(head + directory + zipform.end_records(1, len(directory), len(head))))
    with pytest.raises(BundleError, match="checksum"):
        reader.read("a", 1 << 20)


def test_overlapping_members_are_refused() -> None:
    member = Member("a", STORED, False, zlib.crc32(b"x"), 1, 1, 0)
    head = zipform.local_header(member) + b"x"
    directory = zipform.central_header(member) + zipform.central_header(member)
    with pytest.raises(BundleError):
        ZipReader(io.BytesIO(head + directory + zipform.end_records(2, len(directory), len(head))))


def test_many_members_have_a_zip64_end_and_are_read() -> None:
    writer = ZipWriter()
    made = b"".join(writer.whole(f"f/{place}", b"", STORED) for place in range(66_000))
    data = made + writer.finish()
    assert len(ZipReader(io.BytesIO(data)).members) == 66_000
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 66_000


def test_a_count_that_is_a_lie_is_refused() -> None:
    data = bytearray(_zip(("a", b"x")))
    struct.pack_into("<2H", data, len(data) - zipform.END_SIZE + 8, 0xFFFF, 0xFFFF)
    with pytest.raises(BundleError):
        ZipReader(io.BytesIO(bytes(data)))


@given(index=st.integers(0, 2**50), hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=60))
def test_a_proof_is_read_as_it_was_written(index: int, hashes: list[bytes]) -> None:
    written = form.write_proof(index, hashes, b"origin\n1\nroot\n\nsig\n")
    assert form.read_proof(written, b"origin\n1\nroot\n\nsig\n") == (index, tuple(hashes))
    for wrong in (b" " + written, written + b"\n", written.replace(b"index ", b"index 0"), written[:-1]):
        with pytest.raises(form.FormError):
            form.read_proof(wrong, b"origin\n1\nroot\n\nsig\n")


def test_private_parts_come_in_order(story: World, packed: bytes) -> None:
    parts = story.parts(story.trail.entries[-1], private=[(3, None), (2, None)])
    with pytest.raises(ValueError, match="rising"):
        asyncio.run(write_bundle(io.BytesIO(), parts))
