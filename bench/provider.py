"""An identity provider without a network: it stands where the fetcher's sockets would be, and signs real tokens.

Everything above the socket is the service's own: discovery, the key set, the code's exchange, the strict verifier.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import httpx2
import orjson
from joserfc import jws
from joserfc.jwk import ECKey

from app.identity.http import Fetcher

SUB = "sub-of-head"


def new_key() -> dict[str, str]:
    """A private signing key as a JWK, for every process of a benchmark."""
    key = ECKey.generate_key("P-256", {"kid": "bench", "alg": "ES256", "use": "sig"})
    return {name: str(value) for name, value in key.as_dict(private=True).items()}


class ProviderAtTheEdge(Fetcher):
    """Answers for every issuer `https://login-….example.edu`; whoever is sent here is `head@` that institution."""

    def __init__(self, jwk: Mapping[str, str]) -> None:
        super().__init__()
        self._key = ECKey.import_key(dict(jwk))
        public = {name: value for name, value in self._key.as_dict(private=False).items() if isinstance(value, str)}
        self._jwks = orjson.dumps({"keys": [public]})
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, url: str) -> list[tuple[str, str]]:
        """What the browser that follows `url` brings back to the callback."""
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query))
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return [("code", code), ("state", asked["state"]), ("iss", f"https://{parts.netloc}")]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Discovery, keys, token."""
        issuer = f"https://{request.url.host}"
        if request.url.path == "/jwks":
            body = self._jwks
        elif request.url.path == "/token":
            body = orjson.dumps(self._token(issuer, dict(parse_qsl(request.content.decode()))))
        else:
            body = orjson.dumps(_discovery(issuer))
        return httpx2.Response(200, headers={"Content-Type": "application/json"}, content=body, request=request)

    def _token(self, issuer: str, form: Mapping[str, str]) -> dict[str, str]:
        asked, now = self._codes.pop(form["code"]), int(time.time())
        claims = {
            "iss": issuer,
            "sub": SUB,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            "email": f"head@{request_domain(issuer)}",
        }
        header = {"alg": "ES256", "kid": "bench", "typ": "JWT"}
        token = jws.serialize_compact(header, orjson.dumps(claims), self._key, algorithms=["ES256"])
        return {"id_token": token, "access_token": secrets.token_urlsafe(16), "token_type": "Bearer"}


def request_domain(issuer: str) -> str:
    """The mail domain of the institution that an issuer belongs to."""
    return issuer.removeprefix("https://login-")


def _discovery(issuer: str) -> dict[str, object]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "authorization_response_iss_parameter_supported": True,
    }
