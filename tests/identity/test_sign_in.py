"""Whole sign-ins, from the way there to the judged token, against a provider that lies in one way at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from app.domain.errors import CountersignError
from app.identity.browser import callback_code, new_secret
from app.identity.errors import IdTokenRefused, ProviderUnavailable
from app.identity.http import Fetcher
from app.identity.id_token import EVIDENCE_ALGORITHMS, Expected, Jwks, VerifiedIdentity, thumbprint, verify
from app.identity.provider import Departure, ProviderClient, ProviderConfig, PublishedKeys
from tests.identity.evils import EVILS
from tests.identity.lies import named, no_kid
from tests.identity.malicious_provider import HONEST, Evil, Made, MaliciousProvider, key

REDIRECT = "https://countersign.example/callback/01EXU_INST"
TLS = httpx2.create_ssl_context()  # made once: it takes longer than a whole sign-in


@pytest.fixture(scope="module")
def running() -> Iterator[MaliciousProvider]:
    with MaliciousProvider(extra_claims={"tid": "t-1"}) as provider:
        yield provider


@pytest.fixture
def provider(running: MaliciousProvider) -> MaliciousProvider:
    running.evil, running.algorithm, running.keys = HONEST, "ES256", [key("ES256")]
    running.hits.clear()
    return running


@pytest.fixture
def client() -> ProviderClient:
    return ProviderClient(Fetcher(allow_private=True, allow_http=True, tls=TLS, total_timeout_s=5))


def config(provider: MaliciousProvider) -> ProviderConfig:
    return ProviderConfig(provider.issuer, "countersign", provider.clients["countersign"])


async def sign_in(
    client: ProviderClient, provider: MaliciousProvider, now: datetime | None = None, max_age: int = 60
) -> tuple[VerifiedIdentity, PublishedKeys]:
    """What the sign-in action and a browser do between them."""
    now = now or datetime.now(UTC)
    departure = Departure(
        REDIRECT, new_secret(), new_secret(), new_secret(), "openid email", max_age=max_age, acr_values=("mfa", "phr")
    )
    url = await client.authorization_url(config(provider), departure, now)
    async with httpx2.AsyncClient(trust_env=False) as browser:
        back = (await browser.get(url)).headers["Location"]
    assert back.startswith(REDIRECT + "?")
    code = callback_code(
        parse_qsl(urlsplit(back).query, keep_blank_values=True),
        state=departure.state,
        issuer=provider.issuer,
        iss_required=(await client.metadata(config(provider), now)).sends_iss,
    )
    answer = await client.exchange(config(provider), code, REDIRECT, departure.code_verifier, now)
    expect = Expected(
        provider.issuer,
        "countersign",
        departure.nonce,
        now,
        max_age=max_age,
        acr_values=departure.acr_values,
        required_claims={"tid": "t-1"},
        access_token=answer.access_token,
        code=code,
    )
    return await client.identify(config(provider), answer.id_token, expect)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"])
async def test_an_honest_provider_signs_its_person_in(
    client: ProviderClient, provider: MaliciousProvider, algorithm: str
) -> None:
    provider.algorithm, provider.keys = algorithm, [key(algorithm)]
    identity, keys = await sign_in(client, provider, max_age=0)
    assert (identity.iss, identity.sub, identity.acr) == (provider.issuer, "sub-1", "mfa")
    assert identity.claims["email"] == "head@example.edu"
    assert identity.auth_time == identity.iat
    assert thumbprint(identity.jwk) in keys.jwks.thumbprints()
    assert set(identity.jwk) <= {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"}
    assert provider.hits["/userinfo"] == 0


@pytest.mark.parametrize(
    "harmless",
    [
        pytest.param(
            Evil("", claims=lambda made: made.claims.update(aud=["countersign"])), id="aud an array of us alone"
        ),
        pytest.param(Evil("", claims=lambda made: made.claims.update(azp="countersign")), id="azp us"),
        pytest.param(Evil("", claims=lambda made: made.claims.pop("at_hash")), id="no at_hash"),
        pytest.param(Evil("", claims=lambda made: made.header.pop("typ")), id="no typ"),
        pytest.param(Evil("", claims=lambda made: made.header.update(x5t="abc")), id="a certificate's thumbprint"),
        pytest.param(
            Evil("", claims=lambda made: made.claims.update(iat=made.now + 5, exp=made.now + 90)), id="5 s ahead"
        ),
        pytest.param(Evil("", token=no_kid), id="kid absent, one key (oidcc-client-test-kid-absent-single-jwks)"),
        pytest.param(Evil("", token=no_kid, jwks=named("ES256", "RS256", "Ed25519")), id="kid absent, one key fits"),
        pytest.param(
            Evil("", discovery=lambda said: {**said, "token_endpoint_auth_methods_supported": ["client_secret_post"]}),
            id="client_secret_post",
        ),
        pytest.param(
            Evil(
                "",
                discovery=lambda said: {**said, "authorization_response_iss_parameter_supported": False},
                callback=lambda back: back.pop("iss"),
            ),
            id="no callback iss, none promised",
        ),
    ],
)
async def test_what_the_specification_leaves_open_is_accepted(
    client: ProviderClient, provider: MaliciousProvider, harmless: Evil
) -> None:
    provider.evil = harmless
    assert (await sign_in(client, provider))[0].sub == "sub-1"


@pytest.mark.parametrize("name", EVILS)
async def test_a_lying_provider_signs_nobody_in(provider: MaliciousProvider, name: str) -> None:
    provider.evil = EVILS[name]
    client = ProviderClient(
        Fetcher(allow_private=True, allow_http=True, tls=TLS, total_timeout_s=0.5 if provider.evil.slow else 10),
    )
    with pytest.raises(CountersignError) as refused:
        await sign_in(client, provider)
    assert getattr(refused.value, "problem", None) == provider.evil.problem
    assert provider.hits["/userinfo"] == 0
    assert provider.hits["/elsewhere"] == 0
    if name.startswith("callback") and "nobody" not in name:
        assert provider.hits["/token"] == 0, "the code is not sent before state and iss were compared"


def test_there_is_a_lie_for_every_row() -> None:
    assert len(EVILS) >= 60


OIDCC = {
    "invalid-iss": "iss of another",
    "missing-sub": "sub missing",
    "invalid-aud": "aud of another",
    "missing-aud": "aud missing",
    "missing-iat": "iat missing",
    "nonce-invalid": "nonce of another sign-in",
    "kid-absent-multiple-jwks": "kid absent, several keys",
    "kid-absent-single-jwks": "kid absent, one key",
    "invalid-sig-rs256": "payload changed after signing",
    "invalid-sig-es256": "signature of another key, header right",
    "idtoken-sig-none": "alg none",
    "invalid-at-hash": "at_hash of another token",
    "invalid-c-hash": "c_hash of another code",
    "discovery-issuer-mismatch": "issuer of another",
    "signing-key-rotation": "test_a_rotated_key_is_found_at_once",
    "signing-key-rotation-just-before-signing": "test_sign_ins_that_meet_a_rotation_together_share_one_refetch",
    "userinfo-invalid-sub": "test_a_lying_provider_signs_nobody_in",  # userinfo is never asked
}
"""`oidcc-client-test-…` of the OpenID suite for relying parties → the lie, the harmless oddity, or the test of it."""


def test_every_case_of_the_openid_suite_is_tried() -> None:
    harmless = "kid absent, one key (oidcc-client-test-kid-absent-single-jwks)"
    lies = {name.partition(" (oidcc-client-test")[0] for name in (*EVILS, harmless)}
    assert {what for what in OIDCC.values() if what not in lies and what not in globals()} == set()
    named = {found[1] for name in (*EVILS, harmless) if (found := re.search(r"oidcc-client-test-([a-z0-9-]+)", name))}
    assert named <= OIDCC.keys(), "a lie names a case that the table lacks"


async def test_a_rotated_key_is_found_at_once(client: ProviderClient, provider: MaliciousProvider) -> None:
    await sign_in(client, provider)
    provider.keys = [key("ES256", "k2"), key("ES256", "k1")]
    identity, keys = await sign_in(client, provider)
    assert identity.jwk["kid"] == "k2"
    assert len(keys.jwks.keys) == 2
    assert provider.hits["/jwks"] == 2


async def test_sign_ins_that_meet_a_rotation_together_share_one_refetch(
    client: ProviderClient, provider: MaliciousProvider
) -> None:
    await sign_in(client, provider)
    provider.keys = [key("ES256", "k2")]
    identities = await asyncio.gather(*(sign_in(client, provider) for _ in range(5)))
    assert {identity.jwk["kid"] for identity, _ in identities} == {"k2"}
    assert provider.hits["/jwks"] == 2


async def test_an_unknown_kid_is_asked_for_once_then_not_for_30_seconds(
    client: ProviderClient, provider: MaliciousProvider
) -> None:
    now = datetime.now(UTC)
    provider.evil = EVILS["kid unknown"]
    for after, fetches in ((0, 2), (1, 2), (8, 2)):
        with pytest.raises(IdTokenRefused, match="id-token-key-unknown"):
            await sign_in(client, provider, now + timedelta(seconds=after))
        assert provider.hits["/jwks"] == fetches
    keys = await client.keys(config(provider), now)
    await client._newer_keys(config(provider), keys, now + timedelta(seconds=29))
    assert provider.hits["/jwks"] == 2
    await client._newer_keys(config(provider), keys, now + timedelta(seconds=30))
    assert provider.hits["/jwks"] == 3


async def test_a_withdrawn_key_is_good_for_ten_minutes_at_most(
    client: ProviderClient, provider: MaliciousProvider
) -> None:
    now = datetime.now(UTC)
    await sign_in(client, provider, now)
    provider.evil = EVILS["keys without one"]
    assert (await client.keys(config(provider), now + timedelta(seconds=599))).jwks.keys
    assert not (await client.keys(config(provider), now + timedelta(minutes=10))).jwks.keys


async def test_keys_that_cannot_be_fetched_anew_are_not_used_for_longer(
    client: ProviderClient, provider: MaliciousProvider
) -> None:
    now = datetime.now(UTC)
    await sign_in(client, provider, now)
    provider.evil = EVILS["keys broken"]
    with pytest.raises(ProviderUnavailable):
        await client.keys(config(provider), now + timedelta(minutes=10))


async def test_a_clock_that_goes_back_makes_keys_old(client: ProviderClient, provider: MaliciousProvider) -> None:
    now = datetime.now(UTC)
    await client.keys(config(provider), now)
    await client.keys(config(provider), now - timedelta(seconds=1))
    assert provider.hits["/jwks"] == 2


async def test_a_code_counts_once(client: ProviderClient, provider: MaliciousProvider) -> None:
    codes: list[str] = []
    provider.evil = Evil("", callback=lambda back: codes.append(back["code"]))
    await sign_in(client, provider)
    provider.evil = Evil("code-refused", callback=lambda back: back.update(code=codes[0]))
    with pytest.raises(CountersignError, match="code-refused"):
        await sign_in(client, provider)


async def test_another_secret_gets_no_token(client: ProviderClient, provider: MaliciousProvider) -> None:
    now = datetime.now(UTC)
    wrong = ProviderConfig(provider.issuer, "countersign", "guessed")
    with pytest.raises(CountersignError, match="code-refused"):
        await client.exchange(wrong, "code", REDIRECT, new_secret(), now)


async def test_a_secret_shows_in_no_repr(provider: MaliciousProvider) -> None:
    assert provider.clients["countersign"] not in repr(config(provider))


async def test_a_sign_in_is_judged_again_years_later_from_its_evidence(
    client: ProviderClient, provider: MaliciousProvider
) -> None:
    tokens: list[str] = []

    def kept(made: Made) -> str:
        tokens.append(made.token())
        return tokens[-1]

    provider.evil = Evil("", token=kept)
    identity, _ = await sign_in(client, provider)
    again = verify(
        tokens[0],
        Jwks.read({"keys": [dict(identity.jwk)]}),
        Expected(
            provider.issuer,
            "countersign",
            str(identity.claims["nonce"]),
            datetime.fromtimestamp(identity.iat + 3, UTC),
            max_age=0,
            acr_values=("mfa",),
            leeway=60,
            algorithms=EVIDENCE_ALGORITHMS,
        ),
    )
    assert again == identity
