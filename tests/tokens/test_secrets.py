from __future__ import annotations

import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ids import is_id
from app.tokens.secrets import SealBroken, Secrets, is_secret, new_code, new_secret

KEY = b"0123456789abcdef0123456789ABCDEF"
ONE = Secrets(KEY)
OTHER = Secrets(KEY[::-1])


@pytest.mark.parametrize("length", [0, 1, 31])
def test_a_key_under_32_bytes_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="at least 32"):
        Secrets(b"k" * length)


def test_each_label_has_its_own_key_and_always_the_same() -> None:
    labels = ["cookie", "seal", "mac/secret", "mac/engineer", "grant"]
    assert len({ONE.derive(label) for label in labels}) == len(labels)
    assert all(len(ONE.derive(label)) == 32 for label in labels)
    assert Secrets(KEY).derive("cookie") == ONE.derive("cookie") != OTHER.derive("cookie")


def test_derivation_is_hkdf_sha256_with_the_label_as_info() -> None:
    extracted = hmac.new(b"\0" * 32, KEY, hashlib.sha256).digest()
    assert ONE.derive("cookie") == hmac.new(extracted, b"countersign/cookie\x01", hashlib.sha256).digest()


@given(st.binary(max_size=2000), st.text(max_size=30))
def test_what_is_sealed_opens_under_its_label_alone(data: bytes, label: str) -> None:
    label = label.encode("utf-8", "replace").decode()
    sealed = ONE.seal(label, data)
    assert ONE.open(label, sealed) == data
    assert ONE.seal(label, data) != sealed
    for secrets, other in [(ONE, label + "x"), (OTHER, label)]:
        with pytest.raises(SealBroken):
            secrets.open(other, sealed)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_sealed_value_with_any_one_byte_changed_or_cut_does_not_open(data: bytes, draw: st.DataObject) -> None:
    sealed = bytearray(ONE.seal("label", data))
    index = draw.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(SealBroken):
        ONE.open("label", bytes(sealed[:index]))
    sealed[index] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(SealBroken):
        ONE.open("label", bytes(sealed))


@given(st.lists(st.binary(max_size=20), max_size=4), st.lists(st.binary(max_size=20), max_size=4))
def test_macs_are_equal_exactly_for_equal_parts(one: list[bytes], two: list[bytes]) -> None:
    assert (ONE.mac("grant", *one) == ONE.mac("grant", *two)) == (one == two)
    assert ONE.mac_holds(ONE.mac("grant", *one), "grant", *one)
    assert not ONE.mac_holds(ONE.mac("session", *one), "grant", *one)
    assert not OTHER.mac_holds(ONE.mac("grant", *one), "grant", *one)
    assert not ONE.mac_holds(b"", "grant", *one)


def test_text_and_its_utf8_bytes_are_the_same_part() -> None:
    assert ONE.mac("grant", "ü") == ONE.mac("grant", "ü".encode())


def test_a_secret_matches_only_its_own_hashes_and_only_under_its_key() -> None:
    secret = new_secret("cs")
    hashes = (ONE.hash_secret(new_secret("cs")), ONE.hash_secret(secret))
    assert ONE.secret_matches(secret, hashes)
    assert not ONE.secret_matches(secret + "x", hashes)
    assert not ONE.secret_matches(secret, ())
    assert not OTHER.secret_matches(secret, hashes)
    assert secret not in "".join(hashes)


def test_a_hostile_secret_is_only_wrong() -> None:
    for secret in ["", "\0", "\ud800", "x" * 100_000, "Ⅷ"]:
        assert not ONE.secret_matches(secret, (ONE.hash_secret("right"),))


def test_new_secrets_carry_prefix_and_checksum_and_differ() -> None:
    made = {new_secret("cs") for _ in range(200)}
    assert len(made) == 200
    for secret in made:
        assert secret.startswith("cs_")
        assert len(secret) == 3 + 38
        assert is_secret(secret, "cs")
        assert not is_secret(secret, "gk")


def test_a_mistyped_secret_is_known_as_such() -> None:
    secret = new_secret("cs")
    for index in range(3, len(secret)):
        wrong = next(char for char in string.ascii_letters if char != secret[index])
        assert not is_secret(secret[:index] + wrong + secret[index + 1 :], "cs")
    assert not is_secret(secret + "\n", "cs")
    assert not is_secret("", "cs")


def test_an_engineer_is_the_same_id_everywhere_and_tells_nothing_without_the_key() -> None:
    assert is_id(ONE.engineer_id("e1234"), "eng")
    assert ONE.engineer_id("e1234") == Secrets(KEY).engineer_id("e1234")
    assert len({ONE.engineer_id("e1234"), ONE.engineer_id("e1235"), OTHER.engineer_id("e1234")}) == 3


def test_codes_have_five_bits_a_character_and_none_that_is_misread() -> None:
    codes = {new_code(12) for _ in range(500)}
    assert len(codes) == 500
    assert all(len(code) == 12 for code in codes)
    assert set("".join(codes)) == set("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
