from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trail.note import (
    MAX_NOTE,
    MAX_SIGNATURES,
    Note,
    NoteError,
    Signature,
    Signer,
    VerifierKey,
    parse,
    sign,
    verify,
)

# The known text of signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
TEXT = "This is an example message.\n"
LINE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
KNOWN = f"{TEXT}\n{LINE}".encode()
KEY = VerifierKey.parse(VKEY)

ALICE = Signer.from_seed("example.org/alice", bytes(32))
BOB = Signer.from_seed("example.org/bob", bytes([1] * 32))


def test_the_known_text_verifies() -> None:
    note = parse(KNOWN)
    assert note.text == TEXT
    assert verify(note, [KEY]) == (KEY,)
    assert note.to_bytes() == KNOWN
    assert KEY.vkey == VKEY


def test_a_note_carries_the_signatures_of_all_its_signers() -> None:
    note = parse(sign("one\n\ntwo\n", [ALICE, BOB]))
    assert note.text == "one\n\ntwo\n"
    assert verify(note, [BOB.verifier, ALICE.verifier, KEY]) == (BOB.verifier, ALICE.verifier)
    assert verify(note, [ALICE.verifier]) == (ALICE.verifier,)


def test_a_key_comes_back_from_its_vkey() -> None:
    assert VerifierKey.parse(ALICE.verifier.vkey) == ALICE.verifier


def test_a_signer_does_not_show_its_key() -> None:
    assert "private" not in repr(ALICE)


def test_unknown_keys_are_ignored_even_under_a_known_name_or_id() -> None:
    note = parse(sign("text\n", [ALICE]))
    [signature] = note.signatures
    others = [
        Signature(signature.name, b"\0\0\0\0", b"anything"),
        Signature("example.org/other", signature.key_id, b"anything"),
        Signature("example.org/cosigner", b"\1\2\3\4", bytes(5000)),
    ]
    note = parse(replace(note, signatures=(*others, signature)).to_bytes())
    assert verify(note, [ALICE.verifier]) == (ALICE.verifier,)
    with pytest.raises(NoteError):
        verify(note, [BOB.verifier])


@pytest.mark.parametrize("payload", [b"\0", bytes(64), bytes(63), bytes(65)])
def test_a_known_key_whose_signature_fails_rejects_the_note(payload: bytes) -> None:
    note = parse(sign("text\n", [ALICE, BOB]))
    failing = Signature(ALICE.name, ALICE.verifier.key_id, payload)
    for signatures in [(failing, note.signatures[1]), (*note.signatures, failing), (failing, *note.signatures)]:
        with pytest.raises(NoteError):
            verify(replace(note, signatures=signatures), [BOB.verifier, ALICE.verifier])


def test_a_note_nobody_known_has_signed_is_no_note() -> None:
    with pytest.raises(NoteError):
        verify(parse(KNOWN), [])
    with pytest.raises(NoteError):
        sign("text\n", [])


def test_a_changed_text_fails() -> None:
    note = parse(sign("text\n", [ALICE]))
    for text in ["Text\n", "text\n\n", "\ntext\n", "text"]:
        with pytest.raises(NoteError):
            verify(replace(note, text=text), [ALICE.verifier])


@pytest.mark.parametrize(
    "count, accepted", [(1, True), (16, True), (MAX_SIGNATURES, True), (MAX_SIGNATURES + 1, False)]
)
def test_many_signatures_are_read_but_not_any_number(count: int, accepted: bool) -> None:
    data = f"{TEXT}\n{LINE * count}".encode()
    if accepted:
        assert verify(parse(data), [KEY]) == (KEY,)
    else:
        with pytest.raises(NoteError):
            parse(data)


BLOB = LINE.split(" ")[2].strip()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        LINE,
        TEXT + LINE,
        f"{TEXT}\n",
        f"{TEXT}\n{LINE}"[:-1],
        f"{TEXT}\n{LINE}\n",
        f"{TEXT}\n{LINE}\n{LINE}\n",
        f"{TEXT}\n{LINE}text\n",
        f"{TEXT}\n{LINE} ",
        f"{TEXT}\r\n{LINE}",
        f"{TEXT}\n{LINE}".replace("\n", "\r\n"),
        f"a\tb\n\n{LINE}",
        f"a\0b\n\n{LINE}",
        f"a\x1fb\n\n{LINE}",
        f"a\x7fb\n\n{LINE}",
        f"a\x85b\n\n{LINE}",
        f"{TEXT}\n- example.com/foo {BLOB}\n",
        f"{TEXT}\n– example.com/foo {BLOB}\n",
        f"{TEXT}\n—  example.com/foo {BLOB}\n",
        f"{TEXT}\n— example.com/foo  {BLOB}\n",
        f"{TEXT}\n— example.com/foo {BLOB} \n",
        f"{TEXT}\n — example.com/foo {BLOB}\n",
        f"{TEXT}\n— {BLOB}\n",
        f"{TEXT}\n—  {BLOB}\n",
        f"{TEXT}\n— example.com foo {BLOB}\n",
        f"{TEXT}\n— example.com+foo {BLOB}\n",
        f"{TEXT}\n— example.com\u00a0foo {BLOB}\n",
        f"{TEXT}\n— example.com\u2003foo {BLOB}\n",
        f"{TEXT}\n— example.com/foo\n",
        f"{TEXT}\n— example.com/foo \n",
        f"{TEXT}\n— example.com/foo {BLOB.rstrip('=')}\n",
        f"{TEXT}\n— example.com/foo {BLOB}=\n",
        f"{TEXT}\n— example.com/foo {BLOB[:-2]}N=\n",
        f"{TEXT}\n— example.com/foo {BLOB.replace('+', '-')}!\n",
        f"{TEXT}\n— example.com/foo Uw2QOg==\n",
        f"{TEXT}\n— example.com/foo ====\n",
        f"{TEXT}\n— example.com/foo Ümläut==\n",
        "x" * MAX_NOTE + f"\n\n{LINE}",
    ],
    ids=lambda data: ascii(data[:60]),
)
def test_any_other_form_is_no_note(data: str) -> None:
    with pytest.raises(NoteError):
        parse(data.encode())


@pytest.mark.parametrize("data", [b"\xff\n\n", b"\xc0\x80\n\n", b"\xed\xa0\x80\n\n", b"\xe2\x80\n\n"])
def test_a_note_is_valid_utf_8(data: bytes) -> None:
    with pytest.raises(NoteError):
        parse(data + LINE.encode())


NEAR = st.lists(
    st.sampled_from(["— ", "a", "\n", "\n\n", " ", "+", BLOB, "Uw2QOkn8", "=", "\r", "\u2003", LINE]), max_size=12
)


@given(NEAR.map("".join).map(str.encode) | st.binary(max_size=80))
def test_reading_gives_a_note_that_writes_back_or_its_one_error(data: bytes) -> None:
    try:
        note = parse(data)
    except NoteError:
        return
    assert note.to_bytes() == data
    assert note.signatures


@given(st.text(max_size=40).map(lambda text: text + "\n"))
def test_what_is_signed_can_be_opened(text: str) -> None:
    try:
        data = sign(text, [ALICE])
    except NoteError:
        return
    assert parse(data).text == text
    assert verify(parse(data), [ALICE.verifier])


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "a\tb\n", "\ud800\n"], ids=ascii)
def test_a_text_that_could_not_be_read_back_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign(text, [ALICE])


@pytest.mark.parametrize("at", range(len(KNOWN)))
def test_no_byte_of_a_note_can_change(at: int) -> None:
    for flip in (1, 0x20, 0x80):
        data = KNOWN[:at] + bytes([KNOWN[at] ^ flip]) + KNOWN[at + 1 :]
        with pytest.raises(NoteError):
            verify(parse(data), [KEY])


ENCODED = VKEY.split("+")[2]


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        VKEY + "\n",
        " " + VKEY,
        VKEY.upper(),
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("530d903a", "0x530d903a"),
        VKEY.replace("example", "exbmple"),
        VKEY.replace("/foo", " foo"),
        VKEY.replace("/foo", "+foo"),
        VKEY[:-1],
        VKEY + "=",
        VKEY.replace("AekyeRrm", "BekyeRrm"),
        "example.com/foo+530d903a+",
        "example.com/foo+530d903a+AQ==",
        f"+530d903a+{ENCODED}",
    ],
)
def test_any_other_form_is_no_key(vkey: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(vkey)


@given(st.text(max_size=60) | st.text(st.sampled_from("+ab012=\n "), max_size=60))
def test_reading_a_key_raises_only_its_one_error(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x7fb", "\ud800"], ids=ascii)
def test_a_name_with_space_plus_or_control_is_no_key_name(name: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey(name, bytes(32))


def test_a_public_key_that_is_no_point_verifies_nothing() -> None:
    key = VerifierKey("example.org/none", b"\xff" * 32)
    note = Note("text\n", (Signature(key.name, key.key_id, bytes(64)),))
    with pytest.raises(NoteError):
        verify(note, [key])
    with pytest.raises(NoteError):
        VerifierKey("example.org/short", bytes(31))


def test_a_signature_line_is_its_key_id_and_payload() -> None:
    assert Signature("n", b"\1\2\3\4", b"\5").line() == f"— n {b64encode(bytes([1, 2, 3, 4, 5])).decode()}\n"
