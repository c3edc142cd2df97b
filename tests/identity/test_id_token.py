"""The judge of ID tokens by itself, as the offline verifier uses it. Its lies stand in `evils.py`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jws import JWSRegistry

from app.identity.id_token import (
    CLAIMS,
    EVIDENCE_ALGORITHMS,
    EVIDENCE_LEEWAY_S,
    SIGN_IN_ALGORITHMS,
    Expected,
    IdTokenRefused,
    Jwks,
    VerifiedIdentity,
    _Case,
    _judge,
    thumbprint,
    verify,
)
from tests.identity.malicious_provider import b64, half, key

ISSUER = "https://login.example.edu"
NOW = datetime(2026, 11, 22, 9, 51, 16, tzinfo=UTC)
AT = int(NOW.timestamp())
EXPECTED = Expected(
    ISSUER,
    "countersign",
    "n-1",
    NOW,
    leeway=EVIDENCE_LEEWAY_S,
    algorithms=EVIDENCE_ALGORITHMS,
    access_token="at",
    code="c",
)
HONEST = {"iss": ISSUER, "aud": "countersign", "sub": "sub-1", "nonce": "n-1", "iat": AT, "exp": AT + 300}


def signed(algorithm: str = "ES256", header: dict[str, object] | None = None, **claims: object) -> str:
    head = {"alg": algorithm, "kid": "k1"} if header is None else header
    body = {name: value for name, value in {**HONEST, **claims}.items() if value is not ...}
    message = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
    model = JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm]
    return f"{message}.{b64(model.sign(message.encode(), key(algorithm)))}"


def published(*algorithms: str) -> Jwks:
    return Jwks.read({"keys": [key(algorithm).as_dict(private=False) for algorithm in algorithms or ("ES256",)]})


def judged(expect: Expected = EXPECTED, **claims: object) -> VerifiedIdentity:
    return verify(signed(**claims), published(), expect)  # type: ignore[arg-type]  # claims of any type


@pytest.mark.parametrize("algorithm", sorted(EVIDENCE_ALGORITHMS))
def test_evidence_may_be_signed_by_any_algorithm_of_the_list(algorithm: str) -> None:
    token = signed(algorithm, at_hash=half("at", algorithm), c_hash=half("c", algorithm))
    identity = verify(token, published(algorithm), EXPECTED)
    again = verify(token, Jwks.read({"keys": [dict(identity.jwk)]}), EXPECTED)
    assert again == identity
    with pytest.raises(IdTokenRefused, match="id-token-at-hash"):
        verify(signed(algorithm, at_hash=half("other", algorithm)), published(algorithm), EXPECTED)


def test_what_signs_people_in_is_evidence_later() -> None:
    assert SIGN_IN_ALGORITHMS < EVIDENCE_ALGORITHMS
    assert not {"none", "HS256", "HS384", "HS512", "ES256K", "Ed448"} & EVIDENCE_ALGORITHMS


@pytest.mark.parametrize(
    "claims, problem",
    [
        ({"iat": AT + 60}, None),
        ({"iat": AT + 61}, "id-token-iat"),
        ({"iat": AT - 660}, None),
        ({"iat": AT - 661}, "id-token-iat"),
        ({"iat": AT - 300, "exp": AT - 60}, None),
        ({"iat": AT - 300, "exp": AT - 61}, "id-token-exp"),
        ({"exp": AT}, "id-token-exp"),
        ({"auth_time": AT + 60}, None),
        ({"auth_time": AT + 61}, "id-token-auth-time"),
        ({"auth_time": AT - 90}, None),
        ({"auth_time": AT - 91}, "id-token-auth-time"),
        ({"auth_time": ...}, "id-token-auth-time"),
        ({"nbf": AT + 60}, None),
        ({"nbf": AT + 61}, "id-token-nbf"),
    ],
)
def test_times_are_judged_to_the_second(claims: dict[str, object], problem: str | None) -> None:
    expect = replace(EXPECTED, max_age=30)
    claims = {"auth_time": claims.get("iat", AT), **claims}
    if problem is None:
        assert judged(expect, **claims).sub == "sub-1"
    else:
        with pytest.raises(IdTokenRefused, match=problem):
            judged(expect, **claims)


def test_who_did_not_ask_for_auth_time_or_acr_still_refuses_false_ones() -> None:
    assert judged(auth_time=AT - 100_000, acr="anything").acr == "anything"
    assert judged().auth_time is None
    for claims in ({"auth_time": "x"}, {"auth_time": AT + 100}, {"auth_time": None}, {"acr": 1}, {"acr": None}):
        with pytest.raises(IdTokenRefused):
            judged(**claims)


def test_the_evidence_of_a_binding_may_be_old_and_its_nonce_unknown_but_not_of_the_future() -> None:
    binding = replace(EXPECTED, nonce=None, of_binding=True, now=NOW + timedelta(days=30))
    assert judged(binding, nonce="whatever").sub == "sub-1"
    with pytest.raises(IdTokenRefused, match="id-token-nonce"):
        judged(binding, nonce=...)
    with pytest.raises(IdTokenRefused, match="id-token-iat"):
        judged(replace(binding, now=NOW - timedelta(seconds=61)), nonce="whatever")
    with pytest.raises(IdTokenRefused, match="id-token-aud"):
        judged(binding, aud="another")


def test_required_claims_are_of_the_same_type() -> None:
    expect = replace(EXPECTED, required_claims={"tid": "t", "verified": True})
    assert judged(expect, tid="t", verified=True).sub == "sub-1"
    for wrong in ({"tid": "t"}, {"tid": "t", "verified": 1}, {"tid": ["t"], "verified": True}):
        with pytest.raises(IdTokenRefused, match="id-token-required-claims"):
            judged(expect, **wrong)


@pytest.mark.parametrize(
    "fault",
    [
        {"nonce": None},
        {"nonce": ""},
        {"issuer": ""},
        {"audience": ""},
        {"now": NOW.replace(tzinfo=None)},
        {"algorithms": frozenset({"none"})},
        {"algorithms": frozenset({"HS256"})},
    ],
)
def test_nothing_is_judged_by_nothing(fault: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="judged"):
        replace(EXPECTED, **fault)  # type: ignore[arg-type]  # a fault a row


def test_an_empty_table_of_claims_is_a_failure_not_a_yes() -> None:
    with pytest.raises(RuntimeError):
        _judge(_Case(dict(HONEST), EXPECTED, "sha256"), {})
    assert set(CLAIMS) == set(
        "iss aud azp sub nonce iat exp nbf auth_time acr at_hash c_hash required_claims".split(),
    )


def test_the_thumbprint_is_the_one_of_rfc_7638() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
        "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz"
        "KnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "oct", "k": "AA"}, {"kty": "RSA", "n": "AQ"}, {"kty": ["RSA"]}, {"kty": None}]
)
def test_a_key_of_no_known_form_has_no_thumbprint(jwk: dict[str, object]) -> None:
    with pytest.raises(IdTokenRefused, match="id-token-key-unfit"):
        thumbprint(jwk)
    assert Jwks.read({"keys": [jwk]}).thumbprints() == ()


def test_a_key_set_tells_the_thumbprints_of_the_keys_that_may_sign() -> None:
    keys = [key("ES256").as_dict(private=False), {**key("RS256").as_dict(private=False), "use": "enc"}]
    assert Jwks.read({"keys": [*keys, *keys]}).thumbprints() == (key("ES256").thumbprint(),)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*CLAIMS, "x"]), json_values, max_size=3))
def test_whatever_a_provider_signs_ends_in_our_person_or_a_refusal(claims: dict[str, object]) -> None:
    try:
        identity = judged(EXPECTED, **claims)
    except IdTokenRefused:
        return
    assert (identity.iss, identity.claims["nonce"]) == (ISSUER, "n-1")


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from("alg kid typ jwk crit x5t zip cty".split()), json_values, max_size=3), json_values
)
def test_whatever_stands_in_headers_and_keys_ends_in_a_refusal_at_worst(
    header: dict[str, object], member: object
) -> None:
    changed = [
        {**key("ES256").as_dict(private=False), name: member} for name in ("kty", "crv", "x", "alg", "use", "kid")
    ]
    for keys in (published(), *(Jwks.read({"keys": [one]}) for one in changed)):
        with suppress(IdTokenRefused):
            verify(signed(header={"alg": "ES256", "kid": "k1", **header}), keys, EXPECTED)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0), st.integers(1, 127))
def test_no_changed_character_survives(place: int, step: int) -> None:
    token = signed()
    place %= len(token)
    changed = token[:place] + chr((ord(token[place]) + step) % 128) + token[place + 1 :]
    with pytest.raises(IdTokenRefused):
        verify(changed, published(), EXPECTED)
