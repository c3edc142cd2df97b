from __future__ import annotations

from datetime import timedelta

import pytest

from app.tokens import approval, keys
from app.tokens.access import mint_access_token, open_access_token, read_access_token
from app.tokens.clients import Client
from app.tokens.jwt import TokenRefused
from app.tokens.keys import KeyRing
from app.tokens.memory import Memory, place_of
from tests.tokens.conftest import AUDIENCE, ISSUER, NOW, Mint


def test_the_one_not_asked_for_the_longest_goes_first() -> None:
    memory = Memory[str](2)
    memory.keep(b"a", "A")
    memory.keep(b"b", "B")
    assert memory.get(b"a") == "A"
    memory.keep(b"c", "C")
    assert [memory.get(place) for place in (b"a", b"b", b"c")] == ["A", None, "C"]
    assert len(memory) == 2


def test_a_token_has_a_place_of_its_own_with_each_issuer() -> None:
    assert len({place_of(ISSUER, "a"), place_of(ISSUER, "b"), place_of("https://b.example", "a")}) == 3


def test_a_remembered_token_is_judged_by_the_time_and_by_its_key_each_time(ring: KeyRing, mint: Mint) -> None:
    token = mint().token
    assert approval.verify(ring, ISSUER, token, NOW).digest == approval.verify(ring, ISSUER, token, NOW).digest
    assert len(ring.approvals) == 1
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, token, NOW + timedelta(minutes=16))
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, token, NOW, frozenset({"https://other.example"}))
    assert ring.directory is not None
    keys.rotate(ring.directory, NOW)
    assert approval.verify(ring, ISSUER, token, NOW).token == token
    keys.rotate(ring.directory, NOW + keys.RETIRED_FOR)  # deletes the key that was retired
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, token, NOW)


def test_what_was_refused_is_not_remembered(ring: KeyRing, mint: Mint, client: Client) -> None:
    good = mint().token
    for token in (good[:-4] + "AAAA", "x", mint_access_token(ring, ISSUER, client, client.scopes, NOW)):
        for _ in range(2):
            with pytest.raises(TokenRefused):
                approval.verify(ring, ISSUER, token, NOW, frozenset({AUDIENCE}))
    assert len(ring.approvals) == 0


def test_an_access_token_is_remembered_apart_from_approvals(ring: KeyRing, client: Client) -> None:
    token = mint_access_token(ring, ISSUER, client, client.scopes, NOW)
    assert open_access_token(ring, ISSUER, token) is open_access_token(ring, ISSUER, token)
    assert (len(ring.access_tokens), len(ring.approvals)) == (1, 0)
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, token, NOW + timedelta(seconds=600))
