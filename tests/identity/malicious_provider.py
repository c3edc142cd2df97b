"""An OpenID provider of our own that lies in one way at a time.

`MaliciousProvider(evil)` serves on loopback until its `with` block ends. `/authorize` signs `sub` in at once and sends
the browser back, so that any client that follows redirects can go through a whole sign-in. Its `evil` is one of `EVILS`
(`evils.py`), or `HONEST`; it may be changed while it runs. It is strict about what it is asked: PKCE, client secrets,
redirect URI and the single use of codes are checked, so that an honest run proves that we ask properly.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote_plus, urlencode

import uvicorn
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

Json = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key(algorithm: str = "ES256", kid: str = "k1") -> Key:
    """A private key for the algorithm, made once for all tests."""
    return _made_once(algorithm, kid)


@cache
def _made_once(algorithm: str, kid: str) -> Key:
    labels = {"kid": kid, "use": "sig"}
    if algorithm[:2] in {"RS", "PS"}:
        return RSAKey.generate_key(2048, labels)  # type: ignore[arg-type]  # joserfc types `use` as a literal
    if algorithm.startswith("ES"):
        return ECKey.generate_key("P-" + algorithm[2:].replace("512", "521"), labels)  # type: ignore[arg-type]  # as above
    return OKPKey.generate_key("Ed25519", labels)  # type: ignore[arg-type]  # as above


def half(value: str, algorithm: str) -> str:
    """`at_hash` and `c_hash`, by the digest of the algorithm."""
    digest = hashlib.new("sha512" if algorithm.startswith("Ed") else f"sha{algorithm[2:]}", value.encode()).digest()
    return b64(digest[: len(digest) // 2])


@dataclass
class Made:
    """An ID token in the making; evils change or replace its parts."""

    provider: MaliciousProvider
    header: Json
    claims: Json
    key: Key
    access_token: str
    code: str
    now: int

    def token(self, *, header: bytes | None = None, payload: bytes | None = None, alg: str | None = None) -> str:
        """Signed as it stands, or with raw bytes in place of header or payload."""
        head = b64(json.dumps(self.header).encode() if header is None else header)
        body = b64(json.dumps(self.claims).encode() if payload is None else payload)
        name = {"EdDSA": "Ed25519"}.get(alg or self.header["alg"], alg or self.header["alg"])
        return f"{head}.{body}.{b64(JWSRegistry.algorithms[name].sign(f'{head}.{body}'.encode(), self.key))}"


@dataclass(frozen=True)
class Evil:
    """One lie. Each part gets what an honest provider would have said, and changes or replaces it.

    `problem` is the slug that the sign-in ends with; `slow` a path that never answers.
    """

    problem: str
    claims: Callable[[Made], object] | None = None
    token: Callable[[Made], str] | None = None
    discovery: Callable[[Json], Json | Response] | None = None
    jwks: Callable[[Json], Json | list[Any] | Response] | None = None
    answer: Callable[[Json], Json | Response] | None = None
    callback: Callable[[Json], object] | None = None
    slow: str | None = None


HONEST = Evil("")


@dataclass
class MaliciousProvider:
    """The running provider. `hits` counts calls by path, `shown` are the codes that its token endpoint was shown."""

    evil: Evil = HONEST
    sub: str = "sub-1"
    email: str = "head@example.edu"
    clients: Mapping[str, str] = field(default_factory=lambda: {"countersign": "s3cret:+/ü"})
    algorithm: str = "ES256"
    extra_claims: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    hits: Counter[str] = field(default_factory=Counter)
    keys: list[Key] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = self.keys or [key(self.algorithm)]
        self._codes: dict[str, Json] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.issuer = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._started = threading.Event()
        self._server = _Server(
            uvicorn.Config(self._app(), log_level="critical", lifespan="off", ws="none"), self._started
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join(10)

    def _app(self) -> Starlette:
        routes = {
            "/.well-known/openid-configuration": self._discovery,
            "/jwks": self._jwks,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
            "/elsewhere": self._elsewhere,
        }
        return Starlette(
            routes=[Route(path, self._counted(path, call), methods=["GET", "POST"]) for path, call in routes.items()]
        )

    def _counted(self, path: str, call: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            self.hits[path] += 1
            if self.evil.slow == path:
                await self._server.ending.wait()
            answer = await call(request)
            return answer if isinstance(answer, Response) else JSONResponse(answer)

        return endpoint

    async def _discovery(self, request: Request) -> Json | Response:
        said: Json = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": [self.algorithm, "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
        }
        return self.evil.discovery(said) if self.evil.discovery else said

    async def _jwks(self, request: Request) -> Json | list[Any] | Response:
        said: Json = {"keys": [one.as_dict(private=False) for one in self.keys]}
        return self.evil.jwks(said) if self.evil.jwks else said

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] in self.clients
        assert (asked.get("max_age") == "0") == (asked.get("prompt") == "login")
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**asked}
        back: Json = {"code": code, "state": asked["state"], "iss": self.issuer}
        if self.evil.callback:
            self.evil.callback(back)
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(back, doseq=True)}", 303)

    async def _token(self, request: Request) -> Json | Response:
        form = await request.form()
        code = str(form["code"])
        self.shown.append(code)
        asked = self._codes.pop(code, None)
        if asked is None or not self._client_known(request, form, asked) or not _proved(form, asked):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe(16)
        answer: Json = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": self._id_token(asked, access_token, code),
        }
        return self.evil.answer(answer) if self.evil.answer else answer

    def _client_known(self, request: Request, form: Any, asked: Json) -> bool:
        basic = request.headers.get("Authorization", "").removeprefix("Basic ")
        said = base64.b64decode(basic).decode() if basic else f"{form.get('client_id')}:{form.get('client_secret')}"
        name, _, secret = said.partition(":")
        if basic:
            name, secret = unquote_plus(name), unquote_plus(secret)
        return name == asked["client_id"] and secret == self.clients[name]

    def _id_token(self, asked: Json, access_token: str, code: str) -> str:
        now = int(self.clock())
        claims: Json = {
            "iss": self.issuer,
            "sub": self.sub,
            "aud": asked["client_id"],
            "nonce": asked.get("nonce"),
            "iat": now,
            "exp": now + 300,
            "email": self.email,
            "email_verified": True,
            "at_hash": half(access_token, self.algorithm),
            **self.extra_claims,
        }
        if "max_age" in asked:
            claims["auth_time"] = now
        if "acr_values" in asked:
            claims["acr"] = asked["acr_values"].split()[0]
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.keys[0].kid}
        made = Made(self, header, claims, self.keys[0], access_token, code, now)
        if self.evil.claims:
            self.evil.claims(made)
        return self.evil.token(made) if self.evil.token else made.token()

    async def _userinfo(self, request: Request) -> Json:
        return {"sub": "another", "email": "another@example.edu"}

    async def _elsewhere(self, request: Request) -> Json:
        return {"issuer": self.issuer, "keys": []}


def _proved(form: Any, asked: Json) -> bool:
    challenge = b64(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
    return bool(challenge == asked["code_challenge"] and form["redirect_uri"] == asked["redirect_uri"])


class _Server(uvicorn.Server):
    """A server that says when it has started, and lets its slow answers go when it ends."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._has_started = started
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._has_started.set()

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.ending.set)
