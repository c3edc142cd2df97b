from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from demo.browser import read_forms
from tests.fixtures.identity_provider import (
    ACCOUNTS,
    CLIENT_SECRET,
    MFA,
    IdentityProvider,
    StartIdentityProvider,
    require_provider,
)

REDIRECT = "http://127.0.0.1:9/callback/01EXU_INST"

pytestmark = pytest.mark.idp


class Walker:
    """A browser with cookies that signs in by filling the provider's form, and the client that redeems the code."""

    def __init__(self, provider: IdentityProvider, client: httpx2.AsyncClient) -> None:
        self.provider = provider
        self.client = client
        self.forms_filled = 0

    async def authorize(
        self, login: str = "head@example.edu", press: str | None = None, **params: str
    ) -> dict[str, str]:
        """The parameters with which the provider sends the browser back."""
        self.verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {"client_id": "countersign", "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid email"}
        query |= {"state": "st", "nonce": "no", "code_challenge": challenge, "code_challenge_method": "S256", **params}
        answer = await self.client.get(f"{self.provider.issuer}/auth?{urlencode(query)}")
        while not (location := answer.headers.get("location", "")).startswith(REDIRECT):
            if answer.is_redirect:
                answer = await self.client.get(str(answer.url.join(location)))
                continue
            assert answer.status_code == 200, answer.text
            (form,) = read_forms(answer.text, str(answer.url))
            self.forms_filled += 1
            body = form.filled(login=login, **({press: "yes"} if press else {}))
            answer = await self.client.post(form.action, data=body)
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    async def sign_in(self, login: str = "head@example.edu", **params: str) -> dict[str, Any]:
        """The claims of the ID token, its signature checked against the published keys."""
        back = await self.authorize(login, None, **params)
        form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": REDIRECT}
        answer = await self.client.post(
            f"{self.provider.issuer}/token",
            data=form | {"code_verifier": self.verifier},
            auth=("countersign", CLIENT_SECRET),
        )
        assert answer.status_code == 200, answer.text
        keys = KeySet.import_key_set((await self.client.get(f"{self.provider.issuer}/jwks")).json())
        return jwt.decode(answer.json()["id_token"], keys, algorithms=["RS256", "ES256"]).claims


@pytest.fixture
def provider(identity_provider: StartIdentityProvider) -> IdentityProvider:
    return identity_provider([REDIRECT])


async def test_a_sign_in_yields_an_id_token_with_address_and_groups(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        claims = await Walker(provider, client).sign_in()
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (provider.issuer, "countersign", "no")
    assert (claims["sub"], claims["email"], claims["email_verified"]) == ("u-head", "head@example.edu", True)
    assert claims["groups"] == ["alma-approvers"]
    assert "name" not in claims


async def test_the_answer_names_its_issuer(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        back = await Walker(provider, client).authorize()
        metadata = (await client.get(f"{provider.issuer}/.well-known/openid-configuration")).json()
    assert (back["iss"], back["state"]) == (provider.issuer, "st")
    assert metadata["issuer"] == provider.issuer
    assert metadata["authorization_response_iss_parameter_supported"] is True


async def test_a_second_sign_in_asks_nothing_but_a_fresh_one_asks_again(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        walker = Walker(provider, client)
        await walker.sign_in()
        await walker.sign_in()
        assert walker.forms_filled == 1
        claims = await walker.sign_in(max_age="0", scope="openid")
        assert walker.forms_filled == 2
        await walker.sign_in(prompt="login")
        assert walker.forms_filled == 3
    assert claims["auth_time"] <= claims["iat"] < claims["auth_time"] + 60
    assert "email" not in claims


async def test_auth_time_comes_with_any_max_age(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        walker = Walker(provider, client)
        assert "auth_time" in await walker.sign_in(max_age="3600")
        assert "auth_time" in await walker.sign_in(max_age="3600")
    assert walker.forms_filled == 1


async def test_without_a_session_prompt_none_is_refused(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        assert (await Walker(provider, client).authorize(prompt="none"))["error"] == "login_required"


async def test_a_higher_level_is_asked_for_anew_and_told(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        walker = Walker(provider, client)
        assert "acr" not in await walker.sign_in()
        assert (await walker.sign_in(acr_values=MFA))["acr"] == MFA
        assert walker.forms_filled == 2


async def test_an_account_without_the_level_signs_in_without_it(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        assert "acr" not in await Walker(provider, client).sign_in("reader@example.edu", acr_values=MFA)


async def test_cancelling_answers_access_denied(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        assert (await Walker(provider, client).authorize(press="cancel"))["error"] == "access_denied"


async def test_without_proof_key_it_refuses(provider: IdentityProvider) -> None:
    query = {"client_id": "countersign", "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid"}
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{provider.issuer}/auth?{urlencode(query)}")
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["invalid_request"]


async def test_an_unknown_account_is_told_so_and_hostile_text_is_escaped(provider: IdentityProvider) -> None:
    query = {"client_id": "countersign", "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid"}
    query |= {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        page = await client.get(f"{provider.issuer}/auth?{urlencode(query)}")
        (form,) = read_forms(page.text, str(page.url))
        answer = await client.post(form.action, data=form.filled(login="<script>alert(1)</script>"))
    assert answer.status_code == 401
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


async def test_its_pages_load_nothing_from_elsewhere(provider: IdentityProvider) -> None:
    async with httpx2.AsyncClient() as client:
        await Walker(provider, client).sign_in()
        pages = [
            await client.get(f"{provider.issuer}/session/end"),
            await client.get(f"{provider.issuer}/auth", headers={"accept": "text/html"}),
            await client.get(f"{provider.issuer}/interaction/none"),
        ]
    assert [page.status_code for page in pages] == [200, 400, 400]
    assert not [page.text for page in pages if "//" in page.text.replace(provider.issuer, "")]


@pytest.mark.parametrize("env", [{}, {"COUNTERSIGN_DEVELOPMENT": "true", "NODE_ENV": "production"}])
def test_outside_development_it_refuses_to_start(env: dict[str, str]) -> None:
    config = json.dumps({"accounts": ACCOUNTS, "clients": []})
    done = subprocess.run(
        require_provider(),
        input=config,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "COUNTERSIGN_DEVELOPMENT" in done.stderr
