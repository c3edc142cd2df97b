from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from hypothesis import given
from hypothesis import strategies as st

from app.tokens import oauth
from app.tokens.access import AccessToken, api_audience, mint_access_token, read_access_token
from app.tokens.clients import SCOPES, Client, Credentials, CredentialsRefused, Form, authenticate
from app.tokens.jwt import TokenRefused
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets
from tests.tokens import forge
from tests.tokens.conftest import AUDIENCE, ISSUER, NOW
from tests.tokens.test_keys import TOKEN_PEM

GOOD = Credentials("support-console", "s3cret", "client_secret_basic")
FORM = (("grant_type", "client_credentials"),)
Ask = Callable[..., oauth.Answer]


@pytest.fixture
def ask(ring: KeyRing, secrets: Secrets, client: Client) -> Ask:
    endpoint = oauth.TokenEndpoint(ring, ISSUER)

    def ask(
        form: Form = FORM,
        credentials: Credentials | CredentialsRefused = GOOD,
        known: Client | None = client,
    ) -> oauth.Answer:
        if isinstance(credentials, CredentialsRefused):
            return endpoint.answer(form, credentials, NOW)
        return endpoint.answer(form, authenticate(credentials, known, secrets), NOW)

    return ask


def read(ring: KeyRing, answer: oauth.Answer) -> AccessToken:
    return read_access_token(ring, ISSUER, answer.body["access_token"], NOW)


def test_a_client_gets_a_token_of_all_its_scopes_for_ten_minutes(ask: Ask, ring: KeyRing, client: Client) -> None:
    answer = ask()
    assert answer.status == 200
    assert answer.body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 600)
    assert answer.body["scope"] == "requests requests:read tokens"
    assert dict(answer.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
    }
    assert read(ring, answer).caller(client).scopes == client.scopes


def test_the_token_is_an_rfc_9068_access_token(ask: Ask, ring: KeyRing, client: Client) -> None:
    header, claims, _ = ask().body["access_token"].split(".")
    assert json.loads(forge.decode(header)) == {"alg": "ES256", "kid": ring.current.kid, "typ": "at+jwt"}
    found = json.loads(forge.decode(claims))
    assert len(forge.decode(found.pop("jti"))) == 16
    assert found == {
        "iss": ISSUER,
        "aud": api_audience(ISSUER),
        "sub": client.id,
        "client_id": "support-console",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 600,
        "scope": "requests requests:read tokens",
    }


@pytest.mark.parametrize(
    "asked,given_scope",
    [
        ("tokens", "tokens"),
        ("tokens requests", "requests tokens"),
        ("tokens tokens", "tokens"),
        ("", "requests requests:read tokens"),
    ],
)
def test_scope_narrows(ask: Ask, ring: KeyRing, client: Client, asked: str, given_scope: str) -> None:
    answer = ask([*FORM, ("scope", asked)])
    assert answer.body["scope"] == given_scope
    assert read(ring, answer).caller(client).scopes == frozenset(given_scope.split())


@pytest.mark.parametrize(
    "scope",
    ["admin", "tokens admin", "root", "TOKENS", "tokens,requests", "tokens  requests", " tokens", "*", "é", "\0"],
)
def test_a_scope_that_the_client_does_not_have_is_refused(ask: Ask, scope: str) -> None:
    answer = ask([*FORM, ("scope", scope)])
    assert (answer.status, answer.body["error"]) == (400, "invalid_scope")


def test_a_client_without_scopes_gets_nothing(ask: Ask, client: Client) -> None:
    assert ask(known=replace(client, scopes=frozenset())).body["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "grant_type", [None, "", "password", "authorization_code", "refresh_token", 'x"\\\r\né', "x" * 9999]
)
def test_another_grant_type_is_refused_and_not_repeated(ask: Ask, grant_type: str | None) -> None:
    answer = ask([("grant_type", grant_type)] if grant_type is not None else [])
    assert (answer.status, answer.body["error"]) == (400, "unsupported_grant_type" if grant_type else "invalid_request")
    assert answer.body["error_description"] == "The only grant_type here is client_credentials."


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_who_does_not_prove_it_gets_one_answer_for_every_reason(ask: Ask, client: Client, method: Any) -> None:
    wrong = ask(credentials=Credentials("support-console", "wrong", method))
    unknown = ask(credentials=Credentials("nobody", "s3cret", method), known=None)
    disabled = ask(known=replace(client, disabled=True))
    assert wrong == unknown == disabled
    assert (wrong.status, wrong.body["error"]) == (401, "invalid_client")
    assert dict(wrong.headers)["WWW-Authenticate"] == 'Basic realm="countersign", charset="UTF-8"'
    assert dict(wrong.headers)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("error,status", [("invalid_request", 400), ("invalid_client", 401)])
def test_credentials_that_could_not_be_read_are_answered_as_rfc_6749_says(
    ask: Ask, client: Client, error: Any, status: int
) -> None:
    refused = CredentialsRefused(error, "Use one way to sign in, not two.")
    answer = ask(credentials=refused, known=None)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.body["error_description"] == "Use one way to sign in, not two."
    assert ask(credentials=refused, known=client) == answer == oauth.refusal(refused)


def test_the_other_oauth_endpoints_answer_alike(ask: Ask) -> None:
    assert oauth.refusal(None) == ask(credentials=Credentials("nobody", "x", "client_secret_basic"), known=None)


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=5))
def test_any_form_at_all_has_an_rfc_6749_answer(form: list[tuple[str, str]]) -> None:
    ring = KeyRing.from_values(TOKEN_PEM, {})
    answer = oauth.TokenEndpoint(ring, ISSUER).answer([*FORM, *form], None, NOW)
    assert answer.body["error"] in {"invalid_client", "invalid_request", "unsupported_grant_type"}


def test_a_development_base_url_without_tls_works_too(ring: KeyRing, client: Client) -> None:
    issuer = "http://countersign.test:8000"
    answer = oauth.TokenEndpoint(ring, issuer).answer(FORM, client, NOW)
    assert read_access_token(ring, issuer, answer.body["access_token"], NOW).client_id == "support-console"


def test_a_caller_is_what_its_client_is_now(ask: Ask, ring: KeyRing, client: Client) -> None:
    token = read(ring, ask())
    caller = token.caller(client)
    assert (caller.client_id, caller.cli, caller.audiences) == ("support-console", client.id, frozenset({AUDIENCE}))
    assert caller.serves("01EXU_INST")
    held = token.caller(replace(client, institutions=frozenset({"01EXU_INST"}), audiences=frozenset()))
    assert held.serves("01EXU_INST")
    assert not held.serves("01EXU_INST2")
    assert not held.serves("*")
    assert held.audiences == frozenset()
    narrowed = token.caller(replace(client, scopes=frozenset({"tokens", "admin"})))
    assert narrowed.scopes == frozenset({"tokens"})


def test_a_client_that_is_disabled_gone_or_made_anew_is_refused_at_once(
    ask: Ask, ring: KeyRing, client: Client
) -> None:
    token = read(ring, ask())
    anew = replace(client, id="cli_01kjx0000000000000000000bb")
    for known in (None, replace(client, disabled=True), anew, replace(client, client_id="other")):
        with pytest.raises(TokenRefused):
            token.caller(known)


def test_an_access_token_is_over_after_ten_minutes(ring: KeyRing, client: Client) -> None:
    token = mint_access_token(ring, ISSUER, client, client.scopes, NOW)
    begins = NOW.replace(microsecond=0)
    last = begins + timedelta(seconds=599, microseconds=999_999)
    assert read_access_token(ring, ISSUER, token, last).client_id == client.client_id
    with pytest.raises(TokenRefused):
        read_access_token(ring, ISSUER, token, begins + timedelta(seconds=600))
    with pytest.raises(TokenRefused):
        read_access_token(ring, "https://other.example", token, NOW)


def test_the_metadata_is_a_valid_rfc_8414_document() -> None:
    document = oauth.metadata(ISSUER)
    # Authlib takes an empty list for a missing one; section 2 requires the member, and there are no response types.
    AuthorizationServerMetadata(document | {"response_types_supported": ["none"]}).validate()
    assert document["issuer"] == ISSUER
    assert document["token_endpoint"] == "https://countersign.example/oauth2/token"
    assert document["grant_types_supported"] == ["client_credentials"]
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    assert document["token_endpoint_auth_methods_supported"] == methods
    assert set(document["scopes_supported"]) == SCOPES
    assert json.loads(json.dumps(document)) == document
