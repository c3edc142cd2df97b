from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity.browser import (
    callback_code,
    code_challenge,
    cookie_name,
    csrf_token,
    is_own_path,
    new_secret,
    same,
)
from app.identity.errors import CallbackRefused

ISSUER = "https://login.example.edu"
GOOD = [("code", "c"), ("state", "s"), ("iss", ISSUER)]


def test_the_challenge_is_the_one_of_rfc_7636() -> None:
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_secrets_are_long_enough_for_pkce_and_never_come_again() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(43 <= len(secret) <= 128 for secret in made)


def test_cookies_are_bound_to_the_host_but_for_http() -> None:
    assert cookie_name("countersign-session", secure=True) == "__Host-countersign-session"
    assert cookie_name("countersign-session", secure=False) == "countersign-session"


def test_a_csrf_token_is_of_one_session_and_one_key() -> None:
    key = hashlib.sha256(b"k").digest()
    assert same(csrf_token(key, "one"), csrf_token(key, "one"))
    assert csrf_token(key, "one") != csrf_token(key, "two")
    assert csrf_token(key, "one") != csrf_token(key[::-1], "one")


def test_the_code_of_a_fitting_callback() -> None:
    assert callback_code([*GOOD, ("session_state", "x")], state="s", issuer=ISSUER, iss_required=True) == "c"
    assert callback_code(GOOD[:2], state="s", issuer=ISSUER, iss_required=False) == "c"


@pytest.mark.parametrize(
    "query, problem",
    [
        ([], "callback-state"),
        (GOOD[:1], "callback-state"),
        ([("code", "c"), ("state", "S"), ("iss", ISSUER)], "callback-state"),
        ([("code", "c"), ("state", "ś"), ("iss", ISSUER)], "callback-state"),
        (GOOD[:2], "callback-iss"),
        ([*GOOD[:2], ("iss", "")], "callback-iss"),
        ([*GOOD[:2], ("iss", ISSUER + "/")], "callback-iss"),
        ([*GOOD[:2], ("iss", ISSUER.upper())], "callback-iss"),
        ([("error", "access_denied"), ("state", "s"), ("iss", "https://evil.example")], "callback-iss"),
        ([("error", "access_denied"), *GOOD[1:]], "provider-access-denied"),
        ([("error", ""), *GOOD], "provider-error"),
        ([("error", "a\r\nb"), *GOOD[1:]], "provider-error"),
        (GOOD[1:], "callback-code"),
        ([("code", ""), *GOOD[1:]], "callback-code"),
        ([*GOOD, ("code", "d")], "callback-malformed"),
        ([*GOOD, ("state", "s")], "callback-malformed"),
        ([("code", "c" * 5000), *GOOD[1:]], "callback-malformed"),
    ],
)
def test_an_unfitting_callback_is_refused(query: list[tuple[str, str]], problem: str) -> None:
    with pytest.raises(CallbackRefused) as refused:
        callback_code(query, state="s", issuer=ISSUER, iss_required=True)
    assert refused.value.problem == problem


def test_no_state_at_all_fits_nothing() -> None:
    with pytest.raises(CallbackRefused, match="callback-state"):
        callback_code([("code", "c"), ("state", ""), ("iss", ISSUER)], state="", issuer=ISSUER, iss_required=True)


@given(st.lists(st.tuples(st.sampled_from(["code", "state", "iss", "error", "x"]), st.text(max_size=5))))
def test_whatever_comes_back_ends_in_a_code_or_a_refusal(query: list[tuple[str, str]]) -> None:
    try:
        code = callback_code(query, state="s", issuer=ISSUER, iss_required=False)
    except CallbackRefused:
        return
    assert ("code", code) in query
    assert ("state", "s") in query


@pytest.mark.parametrize("path", ["/", "/requests", "/a/b?c=d&e=%20", "/.//host", "/a//b", "/a:b@c", "/" + "a" * 1999])
def test_a_path_of_our_own_leads_on(path: str) -> None:
    assert is_own_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "host", "//host", "///host", "/\\host", "/a\\b", "\\\\host", "https://host/", "javascript:alert(1)", " /a",
        "/a b", "/\thost", "/a\r\nSet-Cookie: b=c", "/a\x00", "/\u2215host", "/ä", "/" + "a" * 2000,
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_none_of_ours(path: str) -> None:
    assert not is_own_path(path)
