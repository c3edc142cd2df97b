"""`countersign verify` given anything: one clear line, exit 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.audit.receipts import MAX_MAIL, ReceiptError, receipt_of
from app.cli import app as command_line
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import good_bundle

BAD = {
    "nothing": b"",
    "zeros": bytes(100),
    "not UTF-8": b"\xff\xfe\xfd",
    "a lone surrogate": b"\xed\xa0\x80",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "a big number": b'{"keys":[{"kty":"RSA","n":1e400}]}',
    "many": b'{"keys":[' + b"{}," * 1000 + b"{}]}",
    "large": b" " * ((1 << 20) + 1),
}
DEEP_MAILS = {
    "mails in mails": b"Content-Type: message/rfc822\n\n" * 3000,
    "parts in parts": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)),
    "comments in comments": b"Content-Type: " + b"(" * 100_000 + b"\n\n",
    "headers without end": b"a: b\n" * 500_000,
}


def _verify(tmp_path: Path, *arguments: str) -> str:
    (tmp_path / "b.zip").write_bytes(good_bundle())
    done = CliRunner().invoke(command_line, ["verify", str(tmp_path / "b.zip"), *arguments])
    assert done.exit_code == 2, (arguments, done.output)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert len(done.output.strip().splitlines()) == 1, done.output
    return done.output


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("option", ["--idp-jwks", "--vendor-jwks", "--receipt"])
def test_a_file_that_is_no_such_file_is_one_line(tmp_path: Path, option: str, name: str) -> None:
    (tmp_path / "bad").write_bytes(BAD[name])
    _verify(tmp_path, option, str(tmp_path / "bad"))


@pytest.mark.parametrize("key", ["x", "x" * 5000, "a\nb", "\0", "a+b+c", "a+00000000+AQ==", "é" * 200])
def test_a_verifier_key_that_is_none_is_one_line(tmp_path: Path, key: str) -> None:
    _verify(tmp_path, "--vkey", key)


@pytest.mark.parametrize("name", ["not UTF-8", "zeros", "large"])
def test_a_file_of_keys_that_holds_none_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "keys").write_bytes(BAD[name])
    _verify(tmp_path, "--vkey", str(tmp_path / "keys"))


@pytest.mark.parametrize("name", DEEP_MAILS)
def test_a_mail_built_to_exhaust_its_reader_is_refused(name: str) -> None:
    with pytest.raises(ReceiptError):
        receipt_of(DEEP_MAILS[name])


def test_a_mail_beyond_its_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "bad").open("wb") as file:
        file.truncate(MAX_MAIL + (1 << 30))  # no such memory is taken for it
    assert "larger than" in _verify(tmp_path, "--receipt", str(tmp_path / "bad"))


def test_good_input_of_each_kind_is_still_good() -> None:
    for mail in seeds()["mail"][:1]:
        assert receipt_of(mail)
