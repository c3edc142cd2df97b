from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.tokens import jwt, keys
from app.tokens.keyfiles import KeysError
from app.tokens.keys import KeyRing
from tests.tokens.conftest import NOW


def pem(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


TOKEN_PEM = pem(ec.generate_private_key(ec.SECP256R1()))
NEXT_PEM = pem(ec.generate_private_key(ec.SECP256R1()))
TRAIL_PEM = pem(Ed25519PrivateKey.generate())


def test_a_new_directory_has_a_current_and_a_next_key_that_only_the_owner_can_read(directory: Path) -> None:
    assert [key.state for key in KeyRing(directory).token_keys()] == ["current", "next"]
    assert directory.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in directory.iterdir())


def test_making_the_keys_again_changes_nothing(directory: Path, ring: KeyRing) -> None:
    keys.create(directory)
    assert KeyRing(directory).current.kid == ring.current.kid


def test_many_processes_that_make_the_keys_at_once_make_them_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def make(_: int) -> str:
        barrier.wait()
        keys.create(tmp_path / "keys")
        return KeyRing(tmp_path / "keys").current.kid

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(8)))) == 1
    assert len(list((tmp_path / "keys").glob("token-*.pem"))) == 2


def test_the_published_keys_are_public_and_say_what_they_are_for(ring: KeyRing) -> None:
    published = ring.jwks(NOW)["keys"]
    assert [key["kid"] for key in published] == [key.kid for key in ring.token_keys()]
    for key in published:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")


def test_keys_are_imported_once(ring: KeyRing) -> None:
    assert ring.current.key is ring.current.key


def test_a_rotation_moves_next_to_current_to_retired(directory: Path, ring: KeyRing) -> None:
    first, second = (key.kid for key in ring.token_keys())
    done = keys.rotate(directory, NOW)
    assert (done.current, done.retired, done.deleted) == (second, first, ())
    assert [(key.kid, key.state) for key in ring.token_keys()] == [
        (second, "current"),
        (done.added, "next"),
        (first, "retired"),
    ]


def test_a_running_service_signs_with_the_new_key_and_still_reads_what_the_old_one_signed(
    directory: Path, ring: KeyRing
) -> None:
    before = jwt.sign(ring, {"n": 1})
    keys.rotate(directory, NOW)
    after = jwt.sign(ring, {"n": 2})
    assert before.split(".")[0] != after.split(".")[0]
    assert jwt.open_token(ring, before, NOW) == {"n": 1}
    assert jwt.open_token(KeyRing(directory), after, NOW) == {"n": 2}


def test_the_next_key_is_accepted_before_it_signs_here(directory: Path, ring: KeyRing) -> None:
    elsewhere = KeyRing(directory)
    keys.rotate(directory, NOW)
    token = jwt.sign(elsewhere, {"n": 1})
    assert jwt.open_token(ring, token, NOW) == {"n": 1}


def test_a_retired_key_is_forgotten_when_its_tokens_are_over(directory: Path, ring: KeyRing) -> None:
    token, first = jwt.sign(ring, {"n": 1}), ring.current.kid
    keys.rotate(directory, NOW)
    last = NOW + keys.RETIRED_FOR - timedelta(microseconds=1)
    assert jwt.open_token(ring, token, last) == {"n": 1}
    assert first in {key["kid"] for key in ring.jwks(last)["keys"]}
    over = NOW + keys.RETIRED_FOR
    with pytest.raises(jwt.TokenRefused):
        jwt.open_token(ring, token, over)
    assert first not in {key["kid"] for key in ring.jwks(over)["keys"]}
    assert keys.rotate(directory, over).deleted == (first,)
    assert not (directory / f"token-{first}.pem").exists()
    assert len(ring.token_keys()) == 3


def test_rotations_at_once_leave_one_current_and_one_next_key(directory: Path, ring: KeyRing) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: keys.rotate(directory, NOW), range(8)))
    assert len({rotation.current for rotation in done}) == 8
    states = [key.state for key in ring.token_keys()]
    assert states == ["current", "next"] + ["retired"] * 8


def test_readers_never_see_half_a_rotation(directory: Path) -> None:
    stop = threading.Event()

    def read() -> int:
        ring, seen = KeyRing(directory), 0
        while not stop.is_set():
            assert ring.current.state == "current"
            seen += 1
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for turn in range(30):
            keys.rotate(directory, NOW + turn * keys.RETIRED_FOR)
        stop.set()
        assert all(reader.result() > 0 for reader in readers)


def test_each_log_has_its_own_key_made_once_and_never_replaced(directory: Path, ring: KeyRing) -> None:
    made = keys.create_trail(directory, "01EXU_INST")
    assert ring.trail("01EXU_INST") == made
    assert keys.create_trail(directory, "VENDOR").public != made.public
    with pytest.raises(KeysError, match="never overwritten"):
        keys.create_trail(directory, "01EXU_INST")
    assert KeyRing(directory).trail("01EXU_INST") == made
    assert [key.log for key in ring.trail_keys()] == ["01EXU_INST", "VENDOR"]
    assert (directory / "trail-VENDOR.pem").stat().st_mode & 0o777 == 0o600


def test_a_trail_key_gives_32_bytes_of_each_half_that_belong_together(directory: Path) -> None:
    made = keys.create_trail(directory, "VENDOR")
    signature = Ed25519PrivateKey.from_private_bytes(made.private).sign(b"text")
    Ed25519PublicKey.from_public_bytes(made.public).verify(signature, b"text")
    assert (len(made.private), len(made.public)) == (32, 32)


@pytest.mark.parametrize("log", ["", "..", "../x", "a/b", "a b", "-a", "a\n", "a" * 65, "Ü"])
def test_a_name_that_is_none_of_a_log_reaches_no_file(directory: Path, ring: KeyRing, log: str) -> None:
    with pytest.raises(KeysError):
        ring.trail(log)
    with pytest.raises(KeysError):
        keys.create_trail(directory, log)


def test_a_log_without_a_key_is_said_to_have_none(ring: KeyRing) -> None:
    with pytest.raises(KeysError, match="trail-VENDOR"):
        ring.trail("VENDOR")


def test_an_empty_directory_holds_no_keys_and_the_error_tells_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="countersign keys rotate"):
        KeyRing(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(directory: Path, mode: int) -> None:
    next(directory.glob("token-*.pem")).chmod(mode)
    with pytest.raises(KeysError, match="chmod 600"):
        KeyRing(directory)


def broken_states(rows: list[dict[str, str | None]]) -> dict[str, str]:
    first, second = rows
    retired: dict[str, str | None] = {"state": "retired", "retired_at": "2026-11-22T09:51:16.000000Z"}
    return {
        "no JSON": "{",
        "a list": "[]",
        "no keys": "{}",
        "no row": json.dumps({"keys": [1]}),
        "none": json.dumps({"keys": []}),
        "no current": json.dumps({"keys": [second]}),
        "two current": json.dumps({"keys": [first, {**second, "state": "current"}]}),
        "an unknown state": json.dumps({"keys": [first, {**second, "state": "spare"}]}),
        "retired without a time": json.dumps({"keys": [first, {**second, "state": "retired"}]}),
        "current with a time": json.dumps({"keys": [{**first, "retired_at": retired["retired_at"]}]}),
        "a bad time": json.dumps({"keys": [first, {**second, **retired, "retired_at": "yesterday"}]}),
        "a file that is not there": json.dumps({"keys": [first, {**second, "kid": "x"}]}),
        "no kid": json.dumps({"keys": [{"state": "current", "retired_at": None}]}),
    }


@pytest.mark.parametrize("case", broken_states([{}, {}]))
def test_broken_states_are_one_error_that_names_the_file(directory: Path, case: str) -> None:
    path = directory / "token-keys.json"
    path.write_text(broken_states(json.loads(path.read_text())["keys"])[case])
    with pytest.raises(KeysError):
        KeyRing(directory)


def test_without_a_next_key_nothing_is_rotated(directory: Path) -> None:
    path = directory / "token-keys.json"
    path.write_text(json.dumps({"keys": json.loads(path.read_text())["keys"][:1]}))
    with pytest.raises(KeysError, match="no next key"):
        keys.rotate(directory, NOW)


def test_keys_given_as_values_sign_and_cannot_be_rotated(directory: Path) -> None:
    ring = KeyRing.from_values(TOKEN_PEM + NEXT_PEM, {"VENDOR": TRAIL_PEM})
    assert [key.state for key in ring.token_keys()] == ["current", "next"]
    assert jwt.open_token(ring, jwt.sign(ring, {"n": 1}), NOW) == {"n": 1}
    assert [key.log for key in ring.trail_keys()] == ["VENDOR"]
    with pytest.raises(KeysError, match="COUNTERSIGN_TRAIL_KEYS"):
        ring.trail("01EXU_INST")


@pytest.mark.parametrize(
    "token,trails",
    [
        ("", {}),
        (TOKEN_PEM + NEXT_PEM + TOKEN_PEM, {}),
        (TRAIL_PEM, {}),
        (pem(ec.generate_private_key(ec.SECP384R1())), {}),
        (pem(rsa.generate_private_key(65537, 2048)), {}),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", {}),
        (TOKEN_PEM, {"VENDOR": TOKEN_PEM}),
        (TOKEN_PEM, {"VENDOR": "no PEM"}),
    ],
)
def test_values_that_are_no_keys_of_their_use_are_refused(token: str, trails: dict[str, str]) -> None:
    with pytest.raises(KeysError):
        KeyRing.from_values(token, trails)


def test_private_halves_are_in_no_repr(directory: Path, ring: KeyRing) -> None:
    private = keys.create_trail(directory, "VENDOR").private
    shown = repr(ring.trail("VENDOR")) + repr(ring.token_keys()) + repr(ring)
    assert repr(private) not in shown
    assert "ECKey" not in shown


def test_a_crash_in_the_middle_of_a_write_leaves_the_old_states(
    directory: Path, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError("disk full")

    before = ring.current.kid
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        keys.rotate(directory, NOW)
    monkeypatch.undo()
    assert KeyRing(directory).current.kid == before
    assert not list(directory.glob(".new-*"))
