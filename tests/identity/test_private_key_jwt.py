"""Our key in the place of a client secret: what the token request then shows, and where it is not begun at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from app.identity.errors import ProviderRefused, ProviderUnavailable
from app.identity.http import Fetcher
from app.identity.provider import PRIVATE_KEY_JWT, ProviderClient, ProviderConfig
from tests.identity.malicious_provider import Evil, MaliciousProvider
from tests.identity.test_sign_in import REDIRECT, TLS

METHODS, ALGORITHMS = "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported"


def asks(told: list[tuple[str, str]]) -> ProviderClient:
    def assertion(client_id: str, issuer: str, now: datetime) -> str:
        told.append((client_id, issuer))
        return "signed"

    return ProviderClient(Fetcher(allow_private=True, allow_http=True, tls=TLS, total_timeout_s=5), assertion)


def says(**members: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda said: said | members


@pytest.mark.parametrize(
    "members",
    [
        {METHODS: ["client_secret_basic", "client_secret_post"]},
        {METHODS: "private_key_jwt"},
        {METHODS: ["private_key_jwt"], ALGORITHMS: ["RS256"]},
        {METHODS: ["private_key_jwt"], ALGORITHMS: []},
        {METHODS: ["private_key_jwt"], ALGORITHMS: "ES256"},
    ],
)
async def test_a_provider_that_takes_no_key_of_ours_is_refused_before_anything_is_signed(
    members: dict[str, Any],
) -> None:
    told: list[tuple[str, str]] = []
    with MaliciousProvider(evil=Evil("", discovery=says(**members))) as provider:
        config = ProviderConfig(provider.issuer, "countersign", PRIVATE_KEY_JWT)
        with pytest.raises(ProviderRefused, match="provider-metadata"):
            await asks(told).exchange(config, "code", REDIRECT, "verifier", datetime.now(UTC))
        assert (told, provider.hits["/token"]) == ([], 0)


async def test_a_provider_that_takes_keys_alone_is_not_shown_a_secret() -> None:
    with MaliciousProvider(evil=Evil("", discovery=says(**{METHODS: ["private_key_jwt"]}))) as provider:
        config = ProviderConfig(provider.issuer, "countersign", "a secret")
        with pytest.raises(ProviderRefused, match="provider-metadata"):
            await asks([]).exchange(config, "code", REDIRECT, "verifier", datetime.now(UTC))
        assert provider.hits["/token"] == 0


async def test_an_assertion_is_made_for_the_configured_issuer_wherever_the_token_endpoint_is() -> None:
    """A dishonest provider cannot have one made for another, whose token endpoint it names as its own."""
    told: list[tuple[str, str]] = []
    with MaliciousProvider() as victim, MaliciousProvider() as evil:
        evil.evil = Evil(
            "", discovery=says(**{METHODS: ["private_key_jwt"], "token_endpoint": f"{victim.issuer}/token"})
        )
        config = ProviderConfig(evil.issuer, "countersign", PRIVATE_KEY_JWT)
        with pytest.raises(ProviderRefused, match="code-refused"):
            await asks(told).exchange(config, "code", REDIRECT, "verifier", datetime.now(UTC))
        assert told == [("countersign", evil.issuer)]


async def test_without_a_key_the_provider_counts_as_unavailable() -> None:
    with MaliciousProvider(evil=Evil("", discovery=says(**{METHODS: ["private_key_jwt"]}))) as provider:
        client = ProviderClient(Fetcher(allow_private=True, allow_http=True, tls=TLS, total_timeout_s=5))
        config = ProviderConfig(provider.issuer, "countersign", PRIVATE_KEY_JWT)
        with pytest.raises(ProviderUnavailable):
            await client.exchange(config, "code", REDIRECT, "verifier", datetime.now(UTC))
