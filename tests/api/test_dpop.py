"""Tokens bound to a key: asked for with a proof, used with one each time, each proof once (RFC 9449)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.tokens.access import mint_access_token
from app.tokens.clients import Client
from app.tokens.jwt import open_token
from tests.actions.worlds import GATEWAY
from tests.api.conftest import ACCESS, CONSOLE, Api, basic, events
from tests.tokens.proofs import KEY, OTHER_KEY, proof

FORM = {"grant_type": "client_credentials"}


class Holder:
    """A client with a key, that sends a proof with each call."""

    def __init__(self, calls: Api) -> None:
        self.calls = calls
        self.http = calls.http
        self.http.headers.pop("Authorization", None)
        self.token = ""

    def proof(self, path: str, **changes: Any) -> str:
        return proof(self.calls.world.services.page(path), self.calls.world.now(), **changes)

    async def obtain(self, sent: str | list[str], client: tuple[str, str] = CONSOLE) -> Any:
        proofs = [sent] if isinstance(sent, str) else sent
        headers = [("Authorization", basic(*client)), *(("DPoP", each) for each in proofs)]
        return await self.http.post("/oauth2/token", data=FORM, headers=headers)

    async def get(self, sent: str | None, path: str = ACCESS, kind: str = "DPoP") -> Any:
        headers = {"Authorization": f"{kind} {self.token}"} | ({} if sent is None else {"DPoP": sent})
        return await self.http.get(path, headers=headers)


@pytest.fixture
async def holder(calls: Api) -> Holder:
    found = Holder(calls)
    answer = await found.obtain(found.proof("/oauth2/token"))
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    found.token = answer.json()["access_token"]
    claims = open_token(calls.world.services.ring, found.token, calls.world.now())
    assert claims["cnf"] == {"jkt": KEY.thumbprint()}
    return found


async def test_a_bound_access_token_is_good_with_a_fresh_proof_by_its_key_alone(holder: Holder) -> None:
    good = holder.proof(ACCESS, method="GET", token=holder.token)
    assert (await holder.get(good)).status_code == 200
    refused: dict[str, str | None] = {
        "no proof": None,
        "replayed": good,
        "another key": holder.proof(ACCESS, method="GET", token=holder.token, key=OTHER_KEY),
        "another method": holder.proof(ACCESS, token=holder.token),
        "another address": holder.proof(ACCESS + "/x", method="GET", token=holder.token),
        "another token": holder.proof(ACCESS, method="GET", token=holder.token + "x"),
        "no token": holder.proof(ACCESS, method="GET"),
        "nonsense": "x.y.z",
        "old": proof(
            holder.calls.world.services.page(ACCESS),
            holder.calls.world.now().replace(year=2020),
            method="GET",
            token=holder.token,
        ),
    }
    for case, sent in refused.items():
        answer = await holder.get(sent)
        assert answer.status_code == 401, case
        assert answer.headers["www-authenticate"].startswith('DPoP error="'), case
        assert answer.headers["dpop-nonce"], case
    bearer = await holder.get(holder.proof(ACCESS, method="GET", token=holder.token), kind="Bearer")
    assert (bearer.status_code, bearer.headers["www-authenticate"][:6]) == (401, "Bearer")


async def test_whose_clock_is_wrong_is_given_a_nonce_and_comes_back_with_it(holder: Holder) -> None:
    long_ago = holder.calls.world.now().replace(year=2020)
    url = holder.calls.world.services.page(ACCESS)
    first = await holder.get(proof(url, long_ago, method="GET", token=holder.token))
    assert 'error="use_dpop_nonce"' in first.headers["www-authenticate"]
    nonce = first.headers["dpop-nonce"]
    assert (await holder.get(proof(url, long_ago, method="GET", token=holder.token, nonce=nonce))).is_success
    asked = await holder.obtain(proof(holder.calls.world.services.page("/oauth2/token"), long_ago))
    assert (asked.status_code, asked.json()["error"]) == (400, "use_dpop_nonce")
    again = proof(holder.calls.world.services.page("/oauth2/token"), long_ago, nonce=asked.headers["dpop-nonce"])
    assert (await holder.obtain(again)).status_code == 200


async def test_the_token_endpoint_takes_one_good_proof_once(holder: Holder) -> None:
    good = holder.proof("/oauth2/token")
    assert (await holder.obtain(good)).status_code == 200
    cases: list[str | list[str]] = [
        good,
        [holder.proof("/oauth2/token"), holder.proof("/oauth2/token")],
        holder.proof("/oauth2/revoke"),
        holder.proof("/oauth2/token", header={"typ": "JWT"}),
        "",
    ]
    for sent in cases:
        answer = await holder.obtain(sent)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), sent
    unused = holder.proof("/oauth2/token")
    assert (await holder.obtain(unused, (CONSOLE[0], "wrong"))).status_code == 401
    assert (await holder.obtain(unused)).status_code == 200  # who did not sign in has used up nothing


async def test_of_many_callers_with_one_proof_one_is_let_in(holder: Holder) -> None:
    good = holder.proof(ACCESS, method="GET", token=holder.token)
    answers = await asyncio.gather(*(holder.get(good) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


async def test_an_unbound_access_token_is_no_dpop_token(calls: Api) -> None:
    bearer = (await calls.token()).removeprefix("Bearer ")
    holder = Holder(calls)
    holder.token = bearer
    assert (await holder.get(holder.proof(ACCESS, method="GET", token=bearer))).status_code == 401
    assert (await holder.get(None, kind="Bearer")).status_code == 200


async def _mint(calls: Api, path: str, headers: dict[str, str]) -> Any:
    return await calls.http.post(path, headers=headers)


async def test_an_approval_token_is_bound_to_the_key_that_asks_for_it(calls: Api) -> None:
    console = calls.http.headers["Authorization"]
    gate = await calls.client("gate", ["introspect"], ["*"], [GATEWAY.replace("alma", "esploro")])
    path = f"{ACCESS}/{(await calls.file())['id']}/token"
    holder = Holder(calls)
    asked: list[Callable[[], dict[str, str]]] = [
        lambda: {"Authorization": console, "DPoP": holder.proof(path)},
        lambda: {"Authorization": f"DPoP {holder.token}", "DPoP": holder.proof(path, token=holder.token)},
    ]
    holder.token = (await holder.obtain(holder.proof("/oauth2/token"))).json()["access_token"]
    for headers in asked:
        minted = await _mint(calls, path, headers())
        assert (minted.status_code, minted.json()["token_type"]) == (201, "DPoP")
        introspected = await calls.http.post(
            "/oauth2/introspect", data={"token": minted.json()["access_token"]}, headers={"Authorization": gate}
        )
        claims = introspected.json()
        assert (claims["active"], claims["token_type"]) == (True, "DPoP")
        assert claims["cnf"] == {"jkt": KEY.thumbprint()}
    unbound = await _mint(calls, path, {"Authorization": console})
    assert unbound.json()["token_type"] == "Bearer"
    used = holder.proof(path)
    assert (await _mint(calls, path, {"Authorization": console, "DPoP": used})).status_code == 201
    for sent in (used, holder.proof(path + "/x"), "x"):
        answer = await _mint(calls, path, {"Authorization": console, "DPoP": sent})
        assert answer.status_code == 401, sent
    assert [event["bound"] for event in await events(calls, "token.issued")] == [True, True, False, True]


async def test_introspection_takes_a_bound_access_token_with_its_proof(calls: Api) -> None:
    secret = ("gate", "cs_a_secret_for_gate_of_tests")
    await calls.client(secret[0], ["introspect"], ["*"], [GATEWAY])
    holder = Holder(calls)
    holder.token = (await holder.obtain(holder.proof("/oauth2/token"), secret)).json()["access_token"]
    path = "/oauth2/introspect"
    good = holder.proof(path, token=holder.token)
    for sent, status in ((good, 200), (good, 401), ("x", 401)):
        headers = {"Authorization": f"DPoP {holder.token}", "DPoP": sent}
        answer = await calls.http.post(path, data={"token": "x"}, headers=headers)
        assert answer.status_code == status


async def test_a_bound_token_of_a_key_that_is_none_is_no_token(calls: Api) -> None:
    services = calls.world.services
    client = Client(calls.world.client, CONSOLE[0], "", (), frozenset({"requests"}), frozenset({"*"}), frozenset())
    token = mint_access_token(services.ring, services.base_url, client, client.scopes, calls.world.now(), "short")
    holder = Holder(calls)
    holder.token = token
    assert (await holder.get(holder.proof(ACCESS, method="GET", token=token))).status_code == 401
