"""The relying party's side of an OpenID provider: discovery, keys, the way there, the code for a token.

OpenID Connect Discovery 1.0, Core 1.0 §3.1; RFC 6749, RFC 7636, RFC 9207. Authlib builds the authorization URL and
makes the token request, over our `Fetcher`; what it would believe, `id_token.py` judges.

Discovery and keys are kept for at most ten minutes; what cannot be fetched anew is not used for longer. A `kid` that is
not among the keys causes one refetch at once, then none for 30 seconds; an ordinary fetch starts no such pause. They
are kept by issuer, being its own words, whoever asks.

In the place of a client secret may stand `private_key_jwt`: then `Assert`, which holds the key, says who we are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import quote_plus

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from authlib.oauth2 import OAuth2Client

from app.identity.errors import FetchError, ProviderRefused, ProviderUnavailable
from app.identity.flights import Flights
from app.identity.http import Fetcher, check_json
from app.identity.id_token import Expected, IdTokenRefused, Jwks, VerifiedIdentity, verify
from app.identity.key_sets import KeySets
from app.identity.strict_json import strict_json

T = TypeVar("T")

_BASIC: Final = "client_secret_basic"
PRIVATE_KEY_JWT: Final = "private_key_jwt"
"""The word that stands in the place of a secret, and the name of the method (OpenID Connect Core 1.0 §9)."""
_SIGNS: Final = "ES256"
_ALGORITHMS: Final = "token_endpoint_auth_signing_alg_values_supported"
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEPT_FOR: Final = timedelta(minutes=10)
REFETCH_PAUSE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One registration of ours at a provider. `client_secret` is `private_key_jwt` where our key is used instead."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def keyed(self) -> bool:
        """Whether we sign in there with our key."""
        return self.client_secret == PRIVATE_KEY_JWT


Assert = Callable[[str, str, datetime], str]
"""A signed assertion (RFC 7523) that we are this client id, for this issuer, now. Raises `ProviderUnavailable`."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of a provider's discovery document. `signs`: how assertions may be signed; null: it does not say."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_auth_methods: frozenset[str]
    signs: frozenset[str] | None
    sends_iss: bool
    end_session_endpoint: str | None
    scopes: frozenset[str] = frozenset()
    takes_claims: bool = False


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """A key set as the provider published it; `body` is the exact bytes, for evidence."""

    jwks: Jwks
    body: bytes
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Departure:
    """What a browser takes along to the provider. `max_age` 0 asks for a fresh sign-in, null for none in particular.

    `role_claim` is asked for where the provider says how: as a scope of that name, or by the `claims` parameter.
    """

    redirect_uri: str
    state: str
    nonce: str
    code_verifier: str
    scope: str = "openid email profile"
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    role_claim: str | None = None


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the code was exchanged for: an unjudged ID token, and the access token for its `at_hash`."""

    id_token: str
    access_token: str | None


@dataclass(slots=True)
class _Kept:
    """What is remembered of one issuer. The lock is for refetches: who waits for one takes its keys."""

    refetching: asyncio.Lock = field(default_factory=asyncio.Lock)
    metadata: tuple[Metadata, datetime] | None = None
    keys: PublishedKeys | None = None
    refetched_at: datetime | None = None


def _no_key(client_id: str, issuer: str, now: datetime) -> str:  # noqa: ARG001 -- as every `Assert`
    raise ProviderUnavailable(f"There is no key that signs us in at {issuer}.")


class ProviderClient:
    """All that is ever asked of providers. Raises `ProviderUnavailable` where one cannot be asked.

    `key_sets`, over the same fetcher, are those of API clients. `assertion` makes our own assertions.
    """

    def __init__(self, fetcher: Fetcher, assertion: Assert = _no_key) -> None:
        self._fetcher = fetcher
        self._assertion = assertion
        self._kept: dict[str, _Kept] = {}
        self._discoveries: Flights[str, Metadata] = Flights()
        self.key_sets = KeySets(fetcher)

    async def metadata(self, config: ProviderConfig, now: datetime) -> Metadata:
        """The provider's own description. Raises `ProviderRefused` where it is of another issuer, or unfit."""
        kept = self._of(config)
        if kept.metadata is None or not _young(kept.metadata[1], now, KEPT_FOR):
            found = await self._discoveries.join(config.issuer, lambda: self._discover(config.issuer))
            kept.metadata = found, now
        _auth_method(kept.metadata[0], config)
        return kept.metadata[0]

    async def authorization_url(self, config: ProviderConfig, departure: Departure, now: datetime) -> str:
        """Where to send the browser.

        `max_age` 0 goes with `prompt=login`: the specification gives both one meaning, and providers that know
        only the second would otherwise answer from a session and be refused for their `auth_time`.
        """
        metadata = await self.metadata(config, now)
        client = OAuth2Client(
            None,
            config.client_id,
            redirect_uri=departure.redirect_uri,
            scope=_scope(metadata, departure),
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            metadata.authorization_endpoint,
            state=departure.state,
            code_verifier=departure.code_verifier,
            nonce=departure.nonce,
            max_age=None if departure.max_age is None else str(departure.max_age),
            prompt="login" if departure.max_age == 0 else None,
            acr_values=" ".join(departure.acr_values) or None,
            claims=_claims(metadata, departure),
        )
        return str(url)

    async def exchange(
        self, config: ProviderConfig, code: str, redirect_uri: str, code_verifier: str, now: datetime
    ) -> TokenAnswer:
        """Trades the callback's code. Raises `ProviderRefused`: `code-refused`, `id-token-missing`."""
        metadata = await self.metadata(config, now)
        answer = await self._token_request(config, metadata, code, redirect_uri, code_verifier, now)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str) or not id_token:
            raise ProviderRefused("id-token-missing")
        return TokenAnswer(id_token, access_token if isinstance(access_token, str) else None)

    async def identify(
        self, config: ProviderConfig, id_token: str, expect: Expected
    ) -> tuple[VerifiedIdentity, PublishedKeys]:
        """The identity that the token proves, and the keys it was judged by. Raises `IdTokenRefused`."""
        return await self.judge(config, expect.now, lambda keys: verify(id_token, keys, expect))

    async def judge(self, config: ProviderConfig, now: datetime, judge: Callable[[Jwks], T]) -> tuple[T, PublishedKeys]:
        """What `judge` says by the provider's keys, and those; asked again where they were not new enough."""
        keys = await self.keys(config, now)
        try:
            return judge(keys.jwks), keys
        except IdTokenRefused as refused:
            if refused.problem != "id-token-key-unknown":
                raise
        keys = await self._newer_keys(config, keys, now)
        return judge(keys.jwks), keys

    async def keys(self, config: ProviderConfig, now: datetime) -> PublishedKeys:
        """The provider's keys, fetched within the last ten minutes. Raises `IdTokenRefused` for what is no key set."""
        metadata, kept = await self.metadata(config, now), self._of(config)
        if kept.keys is None or not _young(kept.keys.fetched_at, now, KEPT_FOR):
            kept.keys = await self._fetch_keys(metadata, now)
        return kept.keys

    async def _newer_keys(self, config: ProviderConfig, seen: PublishedKeys, now: datetime) -> PublishedKeys:
        """Keys newer than those seen, if there are any to be had now."""
        metadata, kept = await self.metadata(config, now), self._of(config)
        async with kept.refetching:
            if kept.keys is not None and kept.keys is not seen:
                return kept.keys  # somebody fetched them while we waited
            if kept.refetched_at is None or not _young(kept.refetched_at, now, REFETCH_PAUSE):
                kept.refetched_at = now
                kept.keys = await self._fetch_keys(metadata, now)
            return kept.keys or seen

    def _of(self, config: ProviderConfig) -> _Kept:
        return self._kept.setdefault(config.issuer, _Kept())

    async def _fetch(self, url: str) -> tuple[object, bytes]:
        try:
            return await self._fetcher.get_json(url)
        except FetchError as error:
            raise ProviderUnavailable(str(error)) from error

    async def _fetch_keys(self, metadata: Metadata, now: datetime) -> PublishedKeys:
        data, body = await self._fetch(metadata.jwks_uri)
        return PublishedKeys(Jwks.read(data), body, now)

    async def _discover(self, issuer: str) -> Metadata:
        data, _ = await self._fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if not isinstance(data, dict) or data.get("issuer") != issuer:
            raise ProviderRefused("provider-issuer")
        return Metadata(
            authorization_endpoint=self._endpoint(data, "authorization_endpoint"),
            token_endpoint=self._endpoint(data, "token_endpoint"),
            jwks_uri=self._endpoint(data, "jwks_uri"),
            token_auth_methods=_names(data.get("token_endpoint_auth_methods_supported", [_BASIC])),
            signs=_names(data[_ALGORITHMS]) if _ALGORITHMS in data else None,
            sends_iss=data.get("authorization_response_iss_parameter_supported", False) is not False,
            end_session_endpoint=self._endpoint(data, "end_session_endpoint")
            if "end_session_endpoint" in data
            else None,
            scopes=_names(data.get("scopes_supported")),
            takes_claims=data.get("claims_parameter_supported") is True,
        )

    def _endpoint(self, data: Mapping[str, object], name: str) -> str:
        url = data.get(name)
        if not isinstance(url, str) or not self._fetcher.is_allowed(url):
            raise ProviderRefused("provider-metadata")
        return url

    async def _token_request(
        self,
        config: ProviderConfig,
        metadata: Metadata,
        code: str,
        redirect_uri: str,
        code_verifier: str,
        now: datetime,
    ) -> Mapping[str, object]:
        method = _auth_method(metadata, config)
        encoded = quote_plus if method == _BASIC else str  # RFC 6749 §2.3.1
        client = AsyncOAuth2Client(
            encoded(config.client_id),
            None if config.keyed else encoded(config.client_secret),
            token_endpoint_auth_method="none" if config.keyed else method,
            transport=self._fetcher,
            trust_env=False,
            follow_redirects=False,
        )
        client.register_compliance_hook("access_token_response", _plain_answer)
        try:
            async with client:
                answer: Mapping[str, object] = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=redirect_uri,
                    code_verifier=code_verifier,
                    **self._shown(config, now),
                )
        except OAuthError:
            raise ProviderRefused("code-refused") from None
        except FetchError as error:
            raise ProviderUnavailable(str(error)) from error
        return answer

    def _shown(self, config: ProviderConfig, now: datetime) -> dict[str, str]:
        """What stands in the token request's body for our key, new each time (RFC 7523 §2.2)."""
        if not config.keyed:
            return {}
        assertion = self._assertion(config.client_id, config.issuer, now)
        return {"client_assertion_type": _ASSERTION, "client_assertion": assertion}


def _names(value: object) -> frozenset[str]:
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()


def _scope(metadata: Metadata, departure: Departure) -> str:
    """The scope, and that of the role claim where the provider knows it: others refuse scopes they do not know."""
    known = departure.role_claim if departure.role_claim in metadata.scopes else None
    return departure.scope if known is None else f"{departure.scope} {known}"


def _claims(metadata: Metadata, departure: Departure) -> str | None:
    """The `claims` parameter (OpenID Connect Core 1.0 §5.5) that asks for the role claim in the ID token."""
    if departure.role_claim is None or not metadata.takes_claims:
        return None
    return json.dumps({"id_token": {departure.role_claim: None}}, separators=(",", ":"))


def _plain_answer(response: httpx2.Response) -> httpx2.Response:
    """A token answer cut down to the strings that we read, strictly read, before Authlib computes with it."""
    url = str(check_json(response).request.url)
    if response.is_server_error:
        raise FetchError("status", url)
    try:
        data = strict_json(response.content)
    except ValueError:
        raise FetchError("malformed", url) from None
    if not isinstance(data, dict) or not (response.is_success or "error" in data):
        raise FetchError("malformed", url)
    plain = {name: data[name] for name in ("id_token", "access_token") if isinstance(data.get(name), str)}
    refusal = {"error": "refused"} if "error" in data else {}
    return httpx2.Response(response.status_code, json={**plain, **refusal}, request=response.request)


def _auth_method(metadata: Metadata, config: ProviderConfig) -> str:
    """How we show who we are: the first of ours that the provider offers. Raises `ProviderRefused`."""
    ours = (PRIVATE_KEY_JWT,) if config.keyed else (_BASIC, "client_secret_post")
    method = next((each for each in ours if each in metadata.token_auth_methods), None)
    if method is None or (config.keyed and metadata.signs is not None and _SIGNS not in metadata.signs):
        raise ProviderRefused("provider-metadata")
    return method


def _young(at: datetime, now: datetime, life: timedelta) -> bool:
    """Whether less than `life` has passed; a clock that went back makes everything old."""
    return timedelta() <= now - at < life
