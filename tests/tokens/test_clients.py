from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tokens.clients import Client, Credentials, CredentialsRefused, authenticate, read_credentials
from app.tokens.secrets import Secrets


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def test_basic_and_body_give_the_same_credentials() -> None:
    by_header = read_credentials(basic("support-console:s3cret"), [("grant_type", "client_credentials")])
    by_body = read_credentials(None, [("client_id", "support-console"), ("client_secret", "s3cret")])
    assert (by_header.client_id, by_header.secret) == (by_body.client_id, by_body.secret)
    assert (by_header.method, by_body.method) == ("client_secret_basic", "client_secret_post")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(TEXT, TEXT, st.sampled_from([quote_plus, lambda text: quote(text, safe="")]))
def test_both_halves_of_basic_are_percent_decoded(client_id: str, secret: str, encode: object) -> None:
    assert callable(encode)
    found = read_credentials(basic(f"{encode(client_id)}:{encode(secret)}"), [])
    assert (found.client_id, found.secret) == (client_id, secret)


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic"])
def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    assert read_credentials(scheme + basic("a:b:c")[5:], []).secret == "b:c"


def test_the_client_id_may_be_repeated_in_the_body_if_it_is_the_same() -> None:
    assert read_credentials(basic("a:b"), [("client_id", "a")]).client_id == "a"


@pytest.mark.parametrize(
    "authorization,form,error",
    [
        (None, [], "invalid_client"),
        (None, [("client_id", "a")], "invalid_client"),
        (None, [("client_secret", "b")], "invalid_client"),
        (None, [("client_id", "a"), ("client_secret", "")], "invalid_client"),
        ("", [], "invalid_client"),
        ("Basic", [], "invalid_client"),
        ("Basic ", [], "invalid_client"),
        ("Basic !!!!", [], "invalid_client"),
        ("Basic YTpi\nYTpi", [], "invalid_client"),
        ("Basic YTp", [], "invalid_client"),
        ("Bearer YTpi", [], "invalid_client"),
        ("Basicé YTpi", [], "invalid_client"),
        (basic("a"), [], "invalid_client"),
        (basic("a:"), [], "invalid_client"),
        (basic(":b"), [], "invalid_client"),
        (basic(b"\xff:b"), [], "invalid_client"),
        (basic("%ff:b"), [], "invalid_client"),
        (basic("a:b"), [("client_secret", "b")], "invalid_request"),
        (basic("a:b"), [("client_assertion", "x")], "invalid_request"),
        (basic("a:b"), [("client_id", "c")], "invalid_request"),
        (None, [("client_id", "a"), ("client_id", "a"), ("client_secret", "b")], "invalid_request"),
        (basic("a:b"), [("scope", "x"), ("scope", "y")], "invalid_request"),
        (basic("a:b"), [('"\\\r\n\0é', "x"), ('"\\\r\n\0é', "y")], "invalid_request"),
    ],
)
def test_credentials_that_are_none_are_refused(
    authorization: str | None, form: list[tuple[str, str]], error: str
) -> None:
    with pytest.raises(CredentialsRefused) as refused:
        read_credentials(authorization, form)
    assert refused.value.error == error
    assert all(char in " !" or "#" <= char <= "[" or "]" <= char <= "~" for char in str(refused.value))


@given(st.text(max_size=100), st.lists(st.tuples(st.text(max_size=15), st.text(max_size=15)), max_size=4))
def test_any_text_at_all_is_only_read_or_refused(authorization: str, form: list[tuple[str, str]]) -> None:
    for header in (authorization, "Basic " + authorization, None):
        with suppress(CredentialsRefused):
            assert read_credentials(header, form).client_id


def credentials(client_id: str = "support-console", secret: str = "s3cret") -> Credentials:
    return Credentials(client_id, secret, "client_secret_basic")


def test_a_client_signs_in_with_any_secret_that_counts(client: Client, secrets: Secrets) -> None:
    rotated = replace(client, secret_hashes=(*client.secret_hashes, secrets.hash_secret("newer")))
    for secret in ("s3cret", "newer"):
        assert authenticate(credentials(secret=secret), rotated, secrets) == rotated


def test_nobody_else_signs_in(client: Client, secrets: Secrets) -> None:
    assert authenticate(credentials(secret="S3cret"), client, secrets) is None
    assert authenticate(credentials(secret=""), client, secrets) is None
    assert authenticate(credentials(), None, secrets) is None
    assert authenticate(credentials(), replace(client, disabled=True), secrets) is None
    assert authenticate(credentials(), replace(client, secret_hashes=()), secrets) is None
    assert authenticate(credentials("other"), client, secrets) is None
    assert authenticate(credentials(secret=client.secret_hashes[0]), client, secrets) is None
    assert authenticate(credentials(), client, Secrets(b"x" * 32)) is None


def test_no_secret_is_in_a_repr(client: Client) -> None:
    assert "s3cret" not in repr(credentials())
    assert client.secret_hashes[0] not in repr(client)
