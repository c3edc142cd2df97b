"""`private_key_jwt` (RFC 7523): what signs a client in, once, and what does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, OctKey

from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.world import read_client
from app.domain.kinds import VENDOR
from app.storage import entries
from app.tokens.clients import ASSERTION_TYPE
from tests.actions.worlds import GATEWAY
from tests.api.conftest import CONSOLE, Api, basic
from tests.tokens.proofs import KEY, OTHER_KEY, assertion, key_of, public, sign, unsigned

NAME = "signing-console"
TOKEN = "http://countersign.test/oauth2/token"
Make = Callable[[Api], str]


async def add(calls: Api, *keys: Any, uri: str | None = None, name: str = NAME) -> None:
    jwks = None if uri is not None else {"keys": list(keys)}
    scopes = ["introspect", "requests", "tokens"]
    spec = read_client(name, None, scopes, ["*"], [GATEWAY], jwks=jwks, jwks_uri=uri, allow_http=True)
    await add_client(calls.world.services, operator(calls.world.services, "tests"), spec)


def form(text: str, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text,
    } | changes


async def obtain(calls: Api, text: str, **changes: str) -> Any:
    calls.http.headers.pop("Authorization", None)
    return await calls.http.post("/oauth2/token", data=form(text, **changes))


@pytest.fixture
async def signing(calls: Api) -> Api:
    await add(calls, public(KEY) | {"kid": "one"}, public(key_of("PS256")) | {"kid": "two"})
    return calls


def good(calls: Api, **changes: Any) -> str:
    changes = {"header": {"kid": "one"}} | changes
    return assertion(NAME, TOKEN, calls.world.now(), **changes)


@pytest.mark.parametrize(
    "audience", [TOKEN, "http://countersign.test", [TOKEN], "http://countersign.test/oauth2/introspect"]
)
async def test_an_assertion_signs_its_client_in_once(signing: Api, audience: Any) -> None:
    text = assertion(NAME, audience, signing.world.now(), header={"kid": "one"})
    answer = await obtain(signing, text)
    assert (answer.status_code, answer.json()["scope"]) == (200, "introspect requests tokens")
    again = await obtain(signing, text)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


async def test_of_many_that_show_the_same_assertion_one_gets_in(signing: Api) -> None:
    text = good(signing)
    answers = await asyncio.gather(*(obtain(signing, text) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


async def test_introspection_and_revocation_take_assertions_and_secrets_too(signing: Api) -> None:
    for path in ("/oauth2/introspect", "/oauth2/revoke"):
        signing.http.headers.pop("Authorization", None)
        answer = await signing.http.post(path, data=form(good(signing), token="x"))
        assert answer.status_code == 200
        assert (await signing.http.post(path, data=form("x.y.z", token="x"))).status_code == 401
    await signing.client("no-gate", ["requests"], ["*"], [])
    signing.http.headers.pop("Authorization", None)
    secrets = {CONSOLE: 200, ("no-gate", "cs_a_secret_for_no-gate_of_tests"): 403}
    for client, status in secrets.items():
        headers = {"Authorization": basic(*client)}
        answer = await signing.http.post("/oauth2/introspect", data={"token": "x"}, headers=headers)
        assert answer.status_code == status
    wrong = await signing.http.post(
        "/oauth2/introspect", data={"token": "x"}, headers={"Authorization": basic(CONSOLE[0], "wrong")}
    )
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")


async def test_a_client_with_keys_has_no_secret_and_one_with_a_secret_no_keys(signing: Api) -> None:
    signing.http.headers.pop("Authorization", None)
    for secret in ("x", "0" * 64):
        answer = await signing.http.post(
            "/oauth2/token", data={"grant_type": "client_credentials"}, headers={"Authorization": basic(NAME, secret)}
        )
        assert answer.status_code == 401
    assert (await obtain(signing, assertion(CONSOLE[0], TOKEN, signing.world.now()))).status_code == 401


async def test_a_stock_client_signs_in_with_its_key(signing: Api) -> None:
    stock = AsyncOAuth2Client(
        NAME, KEY, token_endpoint_auth_method="private_key_jwt", transport=signing.http._transport
    )
    stock.register_client_auth_method(PrivateKeyJWT(TOKEN, alg="ES256", headers={"kid": "one"}))
    async with stock:
        token = await stock.fetch_token(TOKEN, grant_type="client_credentials")
    assert token["token_type"] == "Bearer"


HOSTILE: dict[str, Make] = {
    "empty": lambda _: "",
    "nonsense": lambda _: "x",
    "three parts of nonsense": lambda _: "x.y.z",
    "alg none": lambda calls: unsigned(good(calls), "none"),
    "alg HS256 with the public key": lambda calls: sign(
        {"alg": "HS256", "kid": "one"}, _claims(calls), OctKey.import_key(json.dumps(public(KEY)))
    ),
    "alg of the other key": lambda calls: good(calls, key=key_of("PS256"), algorithm="PS256"),
    "a key nobody published": lambda calls: good(calls, key=OTHER_KEY),
    "no kid where there are two keys, signed by a third": lambda calls: good(calls, key=OTHER_KEY, header={}),
    "kid unknown": lambda calls: good(calls, header={"kid": "three"}),
    "kid a number": lambda calls: good(calls, header={"kid": 1}),
    "jwk in the header": lambda calls: good(calls, key=OTHER_KEY, header={"kid": "one", "jwk": public(OTHER_KEY)}),
    "jku in the header": lambda calls: good(calls, header={"kid": "one", "jku": "https://evil.example"}),
    "x5u in the header": lambda calls: good(calls, header={"kid": "one", "x5u": "https://evil.example"}),
    "crit": lambda calls: good(calls, header={"kid": "one", "crit": ["exp"]}),
    "typ of a proof": lambda calls: good(calls, header={"kid": "one", "typ": "dpop+jwt"}),
    "typ of an access token": lambda calls: good(calls, header={"kid": "one", "typ": "at+jwt"}),
    "iss of another": lambda calls: good(calls, iss=CONSOLE[0]),
    "iss missing": lambda calls: good(calls, iss=...),
    "sub of another": lambda calls: good(calls, sub=CONSOLE[0]),
    "sub missing": lambda calls: good(calls, sub=...),
    "sub a list": lambda calls: good(calls, sub=[NAME]),
    "aud missing": lambda calls: good(calls, aud=...),
    "aud of another": lambda calls: good(calls, aud="https://evil.example/oauth2/token"),
    "aud of two": lambda calls: good(calls, aud=[TOKEN, "https://evil.example"]),
    "aud empty": lambda calls: good(calls, aud=[]),
    "aud of the API": lambda calls: good(calls, aud="http://countersign.test/v1"),
    "aud an object": lambda calls: good(calls, aud={"a": TOKEN}),
    "exp missing": lambda calls: good(calls, exp=...),
    "exp past": lambda calls: good(calls, exp=int(calls.world.now().timestamp()) - 31),
    "exp far": lambda calls: good(calls, exp=int(calls.world.now().timestamp()) + 3700),
    "exp text": lambda calls: good(calls, exp="4102444800"),
    "exp a float": lambda calls: good(calls, exp=calls.world.now().timestamp() + 60),
    "exp true": lambda calls: good(calls, exp=True),
    "nbf ahead": lambda calls: good(calls, nbf=int(calls.world.now().timestamp()) + 60),
    "iat ahead": lambda calls: good(calls, iat=int(calls.world.now().timestamp()) + 60),
    "iat text": lambda calls: good(calls, iat="now"),
    "jti missing": lambda calls: good(calls, jti=...),
    "jti empty": lambda calls: good(calls, jti=""),
    "jti a number": lambda calls: good(calls, jti=7),
    "jti long": lambda calls: good(calls, jti="x" * 257),
    "claims twice": lambda calls: sign(
        {"alg": "ES256", "kid": "one"}, json.dumps(_claims(calls)).replace('"sub"', '"sub":"x","sub"').encode(), KEY
    ),
    "claims a list": lambda _: sign({"alg": "ES256", "kid": "one"}, b"[]", KEY),
    "claims nested": lambda _: sign({"alg": "ES256", "kid": "one"}, b'{"sub":' + b"[" * 2000, KEY),
    "claims with a surrogate": lambda _: sign({"alg": "ES256", "kid": "one"}, b'{"sub":"\\ud800"}', KEY),
    "an access token of ours": lambda calls: calls.http.headers["X-Access"],
    "huge": lambda calls: good(calls) + "A" * 70_000,
    "of nobody": lambda calls: good(calls, iss="nobody", sub="nobody"),
}


def _claims(calls: Api) -> dict[str, Any]:
    now = int(calls.world.now().timestamp())
    return {"iss": NAME, "sub": NAME, "aud": TOKEN, "exp": now + 60, "jti": "x"}


async def test_hostile_assertions_sign_nobody_in(signing: Api) -> None:
    signing.http.headers["X-Access"] = (await signing.token()).removeprefix("Bearer ")
    signing.http.headers.pop("Authorization", None)
    assert len(HOSTILE) >= 40
    for case, make in HOSTILE.items():
        text = make(signing)
        for path in ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"):
            answer = await signing.http.post(path, data=form(text, token="x"))
            assert answer.status_code in {400, 401}, (case, path, answer.text)
    assert (await obtain(signing, good(signing))).status_code == 200
    for changes in ({"client_id": CONSOLE[0]}, {"client_assertion_type": "x"}, {"client_secret": CONSOLE[1]}):
        assert (await obtain(signing, good(signing), **changes)).status_code in {400, 401}
    async with signing.world.services.database.read() as tx:
        told = await entries.find(tx, VENDOR, entries.LeafFilter(type="client.refused"), 1000)
    assert {each.entry.data["problem"] for each in told} == {"client-secret-wrong", "client-unknown"}


# -- keys at an address ------------------------------------------------------------------------------------------------


class KeyServer:
    """Serves a key set, counts, and fails when told to."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.body: bytes | None = None
        self.uri = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def key_server() -> AsyncIterator[KeyServer]:
    found = KeyServer()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    async with server:
        found.uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
        yield found


async def test_keys_at_an_address_are_fetched_anew_for_an_unknown_key_but_not_at_a_callers_will(calls: Api) -> None:
    async with key_server() as server:
        server.keys = [public(KEY) | {"kid": "one"}]
        await add(calls, uri=server.uri)
        assert [(await obtain(calls, good(calls))).status_code for _ in range(3)] == [200] * 3
        assert server.asked == 1
        server.keys = [public(OTHER_KEY) | {"kid": "new"}]
        rotated: dict[str, Any] = {"key": OTHER_KEY, "header": {"kid": "new"}}
        assert (await obtain(calls, good(calls, **rotated))).status_code == 200
        assert (await obtain(calls, good(calls))).status_code == 401  # withdrawn
        for _ in range(5):
            assert (await obtain(calls, good(calls, header={"kid": "evil"}))).status_code == 401
        assert server.asked == 2
        calls.world.skip(timedelta(seconds=31))
        assert (await obtain(calls, good(calls, header={"kid": "evil"}))).status_code == 401
        assert server.asked == 3
        calls.world.skip(timedelta(minutes=11))
        server.body = b"{"
        answers = [await obtain(calls, good(calls, **rotated)) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {503}
        assert server.asked == 4
        server.body = None
        calls.world.skip(timedelta(seconds=31))
        assert (await obtain(calls, good(calls, **rotated))).status_code == 200


PRIVATE = dict(KEY.as_dict(private=True))


@pytest.mark.parametrize("keys", [[], [{"kty": "oct", "k": "a2s"}], [PRIVATE], ["x"], [{"kty": "EC"}]])
def test_keys_that_sign_nothing_are_refused_when_they_are_given(keys: Any) -> None:
    with pytest.raises(Exception, match="jwks"):
        read_client(NAME, None, ["tokens"], ["*"], [], jwks={"keys": keys})


def test_a_client_has_one_way_to_sign_in() -> None:
    one = {"keys": [public(ECKey.generate_key("P-256", private=True))]}
    with pytest.raises(Exception, match="one way"):
        read_client(NAME, "a secret of sixteen characters", ["tokens"], ["*"], [], jwks=one)
    with pytest.raises(Exception, match="one way"):
        read_client(NAME, None, ["tokens"], ["*"], [])
    with pytest.raises(Exception, match="https"):
        read_client(NAME, None, ["tokens"], ["*"], [], jwks_uri="http://console.example/jwks")
