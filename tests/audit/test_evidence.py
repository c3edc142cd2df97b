"""Evidence is read in its one form; receipts are taken from mails as they were kept."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit.evidence import (
    EvidenceError,
    Input,
    SignedIn,
    binding_blob,
    countersignature_blob,
    input_blob,
    read_evidence,
)
from app.audit.receipts import ReceiptError, receipt_of
from app.trail import canonical

WORDS = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=20).filter(str.isprintable), max_size=4
)


@given(statement=WORDS, jwk=WORDS, token=st.from_regex(r"[A-Za-z0-9_.-]{1,40}", fullmatch=True))
def test_sign_ins_are_read_as_they_were_kept(statement: dict[str, str], jwk: dict[str, str], token: str) -> None:
    assert read_evidence(countersignature_blob(statement, token, jwk)) == SignedIn(token, jwk, statement)
    assert read_evidence(binding_blob(token, jwk)) == SignedIn(token, jwk, None)


@given(st.binary(max_size=500))
def test_inputs_are_read_as_they_were_kept(data: bytes) -> None:
    assert read_evidence(input_blob("application/json", data)) == Input("application/json", data)


@given(st.binary(max_size=300))
def test_other_bytes_are_no_evidence(data: bytes) -> None:
    with pytest.raises(EvidenceError):
        read_evidence(data)


@pytest.mark.parametrize(
    "members",
    [
        {"v": "countersign/binding/1", "id_token": "x", "jwk": {}, "more": 1},
        {"v": "countersign/binding/2", "id_token": "x", "jwk": {}},
        {"v": "countersign/binding/1", "id_token": 1, "jwk": {}},
        {"v": "countersign/countersignature/1", "id_token": "x", "jwk": {}},
        {"v": "countersign/countersignature/1", "id_token": "x", "jwk": {}, "statement": "text"},
        {"v": "countersign/input/1", "media_type": "x", "sha256": "sha256:" + "0" * 64, "bytes": "AA=="},
        {"v": "countersign/input/1", "media_type": "x", "sha256": canonical.sha(b"\0"), "bytes": "AB=="},
        [],
    ],
)
def test_what_is_nearly_evidence_is_none(members: object) -> None:
    with pytest.raises(EvidenceError):
        read_evidence(canonical.encode(members))


def test_an_input_too_large_is_refused() -> None:
    with pytest.raises(EvidenceError, match="2 MiB"):
        input_blob("x", b"x" * (2 << 20))


def _mail(*notes: str, text: str = "Hello.") -> bytes:
    message = EmailMessage()
    message["Subject"] = "A request"
    message.set_content(text)
    for note in notes:
        message.add_attachment(note, cte="base64", filename="receipt.checkpoint")
    return message.as_bytes()


NOTE = "example.com/log\n4\nAAAA\n\n— example.com/log AAAA\n"


def test_the_receipt_is_the_attachment_byte_for_byte() -> None:
    assert receipt_of(_mail(NOTE)) == NOTE.encode()
    assert receipt_of(_mail(NOTE, text=f"Receipt:\n\n{NOTE}")) == NOTE.encode()


@pytest.mark.parametrize(
    "mail",
    [_mail(), _mail(NOTE, NOTE), _mail(NOTE, text="example.com/log\n5\nAAAA\n"), b"\xff\xfe", b"x" * (33 << 20)],
    ids=["none", "two", "another printed", "bytes", "huge"],
)
def test_a_mail_without_one_clear_receipt_is_refused(mail: bytes) -> None:
    with pytest.raises(ReceiptError):
        receipt_of(mail)
