"""Tokens that must be refused, one case each, at every consumer: none accepted, and only `TokenRefused` raised."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.tokens import approval
from app.tokens.access import api_audience, mint_access_token, read_access_token
from app.tokens.clients import Client
from app.tokens.jwt import TokenRefused, check_claims
from app.tokens.keys import KeyRing
from tests.tokens import forge
from tests.tokens.conftest import ACCESS, AUDIENCE, ISSUER, NOW, Mint
from tests.tokens.hostile import HOSTILE, PEM, claim, parts

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_token_is_refused_by_every_consumer(ring: KeyRing, mint: Mint, case: str) -> None:
    good = mint().token
    assert approval.verify(ring, ISSUER, good, NOW, frozenset({AUDIENCE})).access == ACCESS
    hostile = HOSTILE[case](ring, good)
    assert hostile != good
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, hostile, NOW, frozenset({AUDIENCE}))
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, hostile, NOW)


def test_there_are_more_than_a_hundred_cases() -> None:
    assert len(HOSTILE) > 100


ACCESS_CHANGES: dict[str, dict[str, Any]] = {
    "aud of a gateway": {"aud": AUDIENCE},
    "aud the issuer": {"aud": ISSUER},
    "aud a list": {"aud": [api_audience(ISSUER)]},
    "iss of another": {"iss": "https://evil.example"},
    "exp past": {"exp": int(NOW.timestamp())},
    "exp far": {"exp": int(NOW.timestamp()) + 601},
    "iat ahead": {"iat": int(NOW.timestamp()) + 1},
    "iat a float": {"iat": NOW.timestamp()},
    "scope missing": {"scope": ...},
    "scope empty": {"scope": ""},
    "scope a list": {"scope": ["requests"]},
    "scope unknown": {"scope": "requests root"},
    "scope with two spaces": {"scope": "requests  tokens"},
    "sub missing": {"sub": ...},
    "client_id missing": {"client_id": ...},
    "details too": {"authorization_details": []},
    "nbf too": {"nbf": 0},
}


@pytest.mark.parametrize("case", ACCESS_CHANGES)
def test_a_hostile_access_token_is_refused(ring: KeyRing, client: Client, case: str) -> None:
    good = read_claims(mint_access_token(ring, ISSUER, client, client.scopes, NOW))
    assert read_access_token(ring, ISSUER, forge.token(ring, good), NOW).client_id == client.client_id
    changed = {name: value for name, value in (good | ACCESS_CHANGES[case]).items() if value is not ...}
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, forge.token(ring, changed), NOW)


def read_claims(token: str) -> dict[str, Any]:
    segment = parts(token)[1]
    claims: dict[str, Any] = json.loads(forge.decode(segment))
    return claims


def test_an_approval_token_is_no_access_token_even_if_the_audience_were_the_same(ring: KeyRing, mint: Mint) -> None:
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, mint().token, NOW)
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, claim(aud=api_audience(ISSUER))(ring, mint().token), NOW)
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, claim(aud=api_audience(ISSUER))(ring, mint().token), NOW)
    with pytest.raises(ValueError, match="audience"):
        mint(audience=api_audience(ISSUER))


def test_an_access_token_is_no_approval_token_even_if_the_audience_were_the_same(ring: KeyRing, client: Client) -> None:
    token = mint_access_token(ring, ISSUER, client, client.scopes, NOW)
    for hostile in (token, forge.token(ring, read_claims(token) | {"aud": AUDIENCE})):
        for audiences in (None, frozenset({AUDIENCE}), frozenset({api_audience(ISSUER)})):
            with pytest.raises(TokenRefused):
                approval.verify(ring, ISSUER, hostile, NOW, audiences)


def test_a_signature_turned_into_its_twin_is_another_token_by_its_digest(ring: KeyRing, mint: Mint) -> None:
    good = mint()
    head, body, signed = parts(good.token)
    raw = forge.decode(signed)
    twin = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    found = approval.verify(ring, ISSUER, f"{head}.{body}.{forge.encode(twin)}", NOW)
    assert (found.jti, found.digest == good.digest) == (good.jti, False)


def test_a_token_is_judged_to_the_instant(ring: KeyRing, mint: Mint) -> None:
    token = mint()
    tick = timedelta(microseconds=1)
    begins = NOW.replace(microsecond=0)
    ends = begins + timedelta(minutes=15)
    for now in (begins, ends - tick):
        assert approval.verify(ring, ISSUER, token.token, now).jti == token.jti
    for now in (begins - tick, ends):
        with pytest.raises(TokenRefused):
            approval.verify(ring, ISSUER, token.token, now)


@settings(max_examples=200)
@given(st.data())
def test_no_changed_character_is_accepted(data: st.DataObject) -> None:
    ring = KeyRing.from_values(PEM, {})
    minted = approval.mint(
        ring,
        ISSUER,
        access=ACCESS,
        audience=AUDIENCE,
        engineer="e1234",
        client_id="support-console",
        not_before=NOW,
        not_after=NOW + timedelta(hours=1),
        ttl_minutes=15,
        now=NOW,
    )
    assert isinstance(minted, approval.Minted)
    index = data.draw(st.integers(0, len(minted.token) - 1))
    char = data.draw(st.characters().filter(lambda char: char != minted.token[index]))
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, minted.token[:index] + char + minted.token[index + 1 :], NOW)


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]{0,60}(\.[A-Za-z0-9_-]{0,90}){0,5}", fullmatch=True))
def test_any_text_at_all_is_only_refused(text: str) -> None:
    ring = KeyRing.from_values(PEM, {})
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, text, NOW)
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, text, NOW)


def test_an_empty_list_of_checks_is_a_failure() -> None:
    with pytest.raises(TokenRefused):
        check_claims({}, {})
