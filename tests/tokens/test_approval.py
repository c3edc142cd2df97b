from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Refusal
from app.tokens import approval
from app.tokens.jwt import TokenRefused
from app.tokens.keys import KeyRing
from tests.tokens import forge
from tests.tokens.conftest import ACCESS, AUDIENCE, ISSUER, NOW, Mint
from tests.tokens.test_keys import TOKEN_PEM

START = int(NOW.timestamp())


def test_a_token_has_exactly_the_claims_of_the_contract(ring: KeyRing, mint: Mint) -> None:
    minted = mint()
    header, claims, _ = minted.token.split(".")
    assert json.loads(forge.decode(header)) == {"alg": "ES256", "kid": ring.current.kid, "typ": "at+jwt"}
    assert json.loads(forge.decode(claims)) == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "e1234",
        "client_id": "support-console",
        "iat": START,
        "nbf": START,
        "exp": START + 900,
        "jti": minted.jti,
        "authorization_details": [
            {
                "type": "support_access",
                "institution": "01EXU_INST",
                "environment": "alma-production",
                "account": "exl_impl",
                "case": "06543210",
                "roles": ["Fulfillment Administrator"],
                "request": ACCESS.request,
                "grant": ACCESS.grant,
            }
        ],
    }


def test_what_was_minted_is_what_is_verified(ring: KeyRing, mint: Mint) -> None:
    minted = mint(jkt="A" * 43)
    found = approval.verify(ring, ISSUER, minted.token, NOW, frozenset({AUDIENCE, "https://other.example"}))
    assert (found.access, found.audience, found.engineer, found.client_id) == (
        ACCESS,
        AUDIENCE,
        "e1234",
        "support-console",
    )
    assert (found.jti, found.iat, found.nbf, found.exp) == (minted.jti, minted.iat, minted.nbf, minted.exp)
    assert (found.jkt, found.claims["cnf"]) == ("A" * 43, {"jkt": "A" * 43})
    assert found.digest == minted.digest == "sha256:" + hashlib.sha256(minted.token.encode()).hexdigest()


def test_a_token_that_is_bound_to_no_key_has_no_cnf(ring: KeyRing, mint: Mint) -> None:
    found = approval.verify(ring, ISSUER, mint().token, NOW)
    assert found.jkt is None
    assert "cnf" not in found.claims


def test_each_token_has_its_own_id_of_128_bits(mint: Mint) -> None:
    ids = {mint().jti for _ in range(50)}
    assert len(ids) == 50
    assert all(len(forge.decode(jti)) == 16 for jti in ids)


@pytest.mark.parametrize(
    "audiences", [frozenset(), frozenset({"https://gateway.vendor.example/other"}), frozenset({"*"})]
)
def test_a_client_of_other_audiences_sees_nothing_of_it(ring: KeyRing, mint: Mint, audiences: frozenset[str]) -> None:
    with pytest.raises(TokenRefused):
        approval.verify(ring, ISSUER, mint().token, NOW, audiences)


def test_another_deployment_refuses_the_token(mint: Mint) -> None:
    with pytest.raises(TokenRefused):
        approval.verify(KeyRing.from_values(TOKEN_PEM, {}), ISSUER, mint().token, NOW)


def test_the_life_ends_with_the_grant(mint: Mint) -> None:
    assert mint(not_after=NOW + timedelta(minutes=5)).exp == START + 300
    assert mint(not_after=NOW + timedelta(seconds=1, milliseconds=599)).exp == START + 1


def test_no_policy_makes_a_life_of_more_than_an_hour(mint: Mint) -> None:
    assert mint(ttl_minutes=600).exp == START + 3600


def test_iat_and_nbf_may_lie_under_a_second_before_the_grant(ring: KeyRing, mint: Mint) -> None:
    minted = mint(not_before=NOW)
    assert 0 < NOW.timestamp() - minted.nbf < 1
    assert approval.verify(ring, ISSUER, minted.token, NOW).nbf == START


def refused(**changes: Any) -> Refusal:
    arguments: dict[str, Any] = {
        "access": ACCESS,
        "audience": AUDIENCE,
        "engineer": "e1234",
        "client_id": "support-console",
        "not_before": NOW,
        "not_after": NOW + timedelta(hours=4),
        "ttl_minutes": 15,
        "now": NOW,
    }
    found = approval.mint(KeyRing.from_values(TOKEN_PEM, {}), ISSUER, **(arguments | changes))
    assert isinstance(found, Refusal)
    return found


def test_before_the_window_the_answer_says_when_to_come_back() -> None:
    refusal = refused(not_before=NOW + timedelta(seconds=89, milliseconds=100))
    assert (refusal.problem, refusal.retry_after) == ("window-not-open", 90)


@pytest.mark.parametrize("left", [timedelta(0), timedelta(milliseconds=500), timedelta(hours=-1)])
def test_after_the_window_or_within_its_last_part_of_a_second_there_is_no_token(left: timedelta) -> None:
    assert refused(not_after=NOW + left).problem == "grant-ended"


def test_a_token_that_nobody_could_read_is_not_minted() -> None:
    many = approval.SupportAccess(**{**vars_of(ACCESS), "roles": ("館" * 100,) * 40})
    refusal = refused(access=many)
    assert (refusal.problem, refusal.errors[0].pointer) == ("validation", "/roles")


def test_the_most_roles_of_the_contract_fit(ring: KeyRing, mint: Mint) -> None:
    many = approval.SupportAccess(**{**vars_of(ACCESS), "roles": tuple(f"{n:02}" + "r" * 98 for n in range(40))})
    assert approval.verify(ring, ISSUER, mint(access=many).token, NOW).access == many


def vars_of(access: approval.SupportAccess) -> dict[str, Any]:
    return {name: getattr(access, name) for name in access.__slots__}


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds are naive


@given(
    INSTANTS,
    st.timedeltas(timedelta(0), timedelta(days=90)),
    st.timedeltas(timedelta(0), timedelta(days=90)),
    st.integers(1, 60),
    TEXT,
    st.lists(TEXT, max_size=5),
)
def test_a_token_never_leaves_its_grant_and_says_what_was_granted(
    now: datetime, since: timedelta, left: timedelta, ttl: int, text: str, roles: list[str]
) -> None:
    ring = KeyRing.from_values(TOKEN_PEM, {})
    access = approval.SupportAccess(text, text, text, text, tuple(roles), text, text)
    minted = approval.mint(
        ring,
        ISSUER,
        access=access,
        audience=AUDIENCE,
        engineer=text,
        client_id=text,
        not_before=now - since,
        not_after=now + left,
        ttl_minutes=ttl,
        now=now,
    )
    if isinstance(minted, Refusal):
        assert left < timedelta(seconds=1)
        return
    assert minted.exp <= (now + left).timestamp()
    assert minted.exp - min(minted.iat, minted.nbf) <= ttl * 60
    assert minted.nbf <= now.timestamp()
    assert minted.nbf > (now - since).timestamp() - 1
    assert approval.verify(ring, ISSUER, minted.token, now).access == access
