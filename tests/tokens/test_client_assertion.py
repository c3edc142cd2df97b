"""Our own sign-in at providers: what an assertion says, and that its keys are good for nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from app.tokens import approval, client_assertion, keys, keysets
from app.tokens.access import read_access_token
from app.tokens.assertion import AssertionRefused, check
from app.tokens.jwt import TokenRefused
from app.tokens.keyfiles import KeysError
from app.tokens.keys import CLIENT, KeyRing
from tests.tokens import forge
from tests.tokens.conftest import AUDIENCE, ISSUER, NOW, Mint
from tests.tokens.test_keys import NEXT_PEM, TOKEN_PEM, TRAIL_PEM, pem

PROVIDER = "https://login.example.edu"
CLIENT_PEM = pem(ec.generate_private_key(ec.SECP256R1()))


def opened(ring: KeyRing, assertion: str) -> jws.CompactSignature:
    published = KeySet([ECKey.import_key(key) for key in ring.client_keys().jwks(NOW)["keys"]])
    return jws.deserialize_compact(assertion, published, ["ES256"])


def test_an_assertion_names_us_twice_and_one_provider_and_is_over_within_a_minute(ring: KeyRing) -> None:
    one, other = (
        json.loads(opened(ring, client_assertion.make(ring, "countersign", PROVIDER, NOW)).payload or b"")
        for _ in range(2)
    )
    assert one.keys() == {"iss", "sub", "aud", "jti", "iat", "exp"}
    assert (one["iss"], one["sub"], one["aud"]) == ("countersign", "countersign", PROVIDER)
    assert one["iat"] == int(NOW.timestamp())
    assert 0 < one["exp"] - one["iat"] <= 60
    assert one["jti"] != other["jti"]


def test_an_assertion_is_signed_by_the_current_client_key_and_says_what_it_is(ring: KeyRing) -> None:
    header = opened(ring, client_assertion.make(ring, "countersign", PROVIDER, NOW)).headers()
    assert header == {"alg": "ES256", "kid": ring.client_keys().current.kid, "typ": "JWT"}


def test_a_rotation_keeps_what_was_published_and_leaves_the_keys_of_tokens_alone(
    directory: Path, ring: KeyRing
) -> None:
    token_keys, before = ring.token_keys(), ring.client_keys().jwks(NOW)["keys"]
    assertion = client_assertion.make(ring, "countersign", PROVIDER, NOW)
    done = keys.rotate(directory, NOW, CLIENT)
    after = ring.client_keys().jwks(NOW)["keys"]
    assert {key["kid"] for key in before} < {key["kid"] for key in after}
    assert ring.client_keys().current.kid == done.current == before[1]["kid"]
    assert opened(ring, assertion).headers()["kid"] == done.retired
    assert len(ring.client_keys().jwks(NOW + keys.RETIRED_FOR)["keys"]) == 2
    assert ring.token_keys() == token_keys


def test_no_key_is_published_for_two_uses(ring: KeyRing) -> None:
    kids = [{key["kid"] for key in found["keys"]} for found in (ring.jwks(NOW), ring.client_keys().jwks(NOW))]
    assert not kids[0] & kids[1]
    assert all("d" not in key for key in ring.client_keys().jwks(NOW)["keys"])


def _tokens_of_the_client_key(ring: KeyRing, claims: bytes) -> list[str]:
    """The claims of a good token, signed by the client key: under its own header, a token's `typ`, a token key's."""
    key = ring.client_keys().current
    assert key.key.private_key is not None
    headers = (
        key.header,
        forge.encode(json.dumps({"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}, separators=(",", ":")).encode()),
        ring.current.header,
    )
    signed = [f"{header}.{forge.encode(claims)}" for header in headers]
    return [f"{text}.{forge.encode(forge.signature(key.key.private_key, text))}" for text in signed]


def test_the_client_key_signs_no_token(ring: KeyRing, mint: Mint) -> None:
    claims = forge.decode(mint().token.split(".")[1])
    crossed = [*_tokens_of_the_client_key(ring, claims), client_assertion.make(ring, "countersign", PROVIDER, NOW)]
    for token in crossed:
        with pytest.raises(TokenRefused):
            approval.verify(ring, ISSUER, token, NOW, frozenset({AUDIENCE}))
        with pytest.raises(TokenRefused):
            read_access_token(ring, ISSUER, token, NOW)


def test_a_token_of_ours_is_no_assertion_by_the_keys_that_providers_see(ring: KeyRing, mint: Mint) -> None:
    with pytest.raises(JoseError):
        opened(ring, mint().token)


def test_an_assertion_for_a_provider_signs_nobody_in_here(ring: KeyRing) -> None:
    claims = json.loads(opened(ring, client_assertion.make(ring, "support-console", PROVIDER, NOW)).payload or b"")
    with pytest.raises(AssertionRefused, match="audience"):
        check(claims, "support-console", frozenset({ISSUER, f"{ISSUER}/oauth2/token"}), NOW)


def test_an_older_directory_goes_on_and_gets_its_client_keys_when_they_are_made(directory: Path) -> None:
    for path in directory.glob("client-*"):
        path.unlink()
    ring = KeyRing(directory)
    assert ring.current.state == "current"
    with pytest.raises(KeysError, match="countersign keys rotate"):
        client_assertion.make(ring, "countersign", PROVIDER, NOW)
    keys.create(directory)
    assert client_assertion.make(ring, "countersign", PROVIDER, NOW)


def test_a_key_of_tokens_among_the_client_keys_is_refused(directory: Path) -> None:
    for path in [*directory.glob("client-*")]:
        path.unlink()
    for path in [*directory.glob("token-*")]:
        copy = directory / path.name.replace("token-", "client-", 1)
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
    with pytest.raises(KeysError, match="keys of its own"):
        KeyRing(directory).client_keys()


def test_client_keys_are_given_as_a_value_or_not_there() -> None:
    ring = KeyRing.from_values(TOKEN_PEM, {"VENDOR": TRAIL_PEM}, CLIENT_PEM + NEXT_PEM)
    assert [key.state for key in ring.client_keys().every()] == ["current", "next"]
    with pytest.raises(KeysError, match="COUNTERSIGN_CLIENT_KEY"):
        KeyRing.from_values(TOKEN_PEM, {}).client_keys()
    with pytest.raises(KeysError, match="keys of its own"):
        KeyRing.from_values(TOKEN_PEM, {}, CLIENT_PEM + TOKEN_PEM)
    with pytest.raises(KeysError, match="COUNTERSIGN_CLIENT_KEY"):
        KeyRing.from_values(TOKEN_PEM, {}, TRAIL_PEM)


def test_a_retired_client_key_outlives_what_it_signed() -> None:
    assert client_assertion.LIFE <= timedelta(seconds=60) < keysets.RETIRED_FOR
