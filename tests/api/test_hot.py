"""Hot routes: in front of the router, with the same answers as behind it."""

from __future__ import annotations

from typing import Any

import httpx2
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse, Response

from app.api.hot import Front, HotRoute, answers_head
from app.api.oauth import FORM, QuickIntrospection
from app.api.quick import Ready, as_sent
from app.api.route import Call
from app.domain.errors import Refusal, Refused
from app.main import RequestLog
from app.storage import tables
from tests.actions.attacks import read_row, rewrite
from tests.actions.worlds import GATEWAY
from tests.api.conftest import ACCESS, Api, basic

router = APIRouter(route_class=HotRoute, prefix="/v1/things")


@router.post("/{name}/activity")
async def activity(call: Call, name: str) -> Response:
    return PlainTextResponse(f"{name} {(await call.body()).decode()}")


@router.get("/broken")
async def broken(_: Call) -> Response:
    raise ZeroDivisionError


@router.get("/refused")
async def refused(_: Call) -> Response:
    raise Refused(Refusal("not-found", "Nothing is here."))


def site(calls: Api, *, front: bool) -> httpx2.AsyncClient:
    app = FastAPI(openapi_url=None)
    app.state.services = calls.world.services
    app.include_router(router)
    transport = httpx2.ASGITransport(RequestLog(Front(app, app, router.routes) if front else app))
    return httpx2.AsyncClient(transport=transport, base_url=calls.world.services.base_url)


async def test_a_hot_route_answers_alike_in_front_of_the_router_and_behind_it(calls: Api) -> None:
    told = []
    for front in (True, False):
        async with site(calls, front=front) as http:
            answers = [
                await http.post("/v1/things/gate%20key/activity", content=b"x", headers={"X-Request-ID": "mine"}),
                await http.post("/v1/things/a/b/activity", headers={"X-Request-ID": "mine"}),
                await http.get("/v1/things/x/activity", headers={"X-Request-ID": "mine"}),
                await http.get("/v1/things/broken", headers={"X-Request-ID": "mine"}),
                await http.get("/v1/things/refused", headers={"X-Request-ID": "mine"}),
                await http.post("/v1/things/a/activity", content=b"x" * ((1 << 20) + 1)),
            ]
        told.append([(each.status_code, each.text) for each in answers])
        assert {each.headers["X-Request-ID"] for each in answers[:-1]} == {"mine"}
    assert told[0] == told[1]
    assert [status for status, _ in told[0]] == [200, 404, 405, 500, 404, 413]
    assert told[0][0][1] == "gate key x"


async def test_head_is_answered_like_get_where_asking_leaves_no_trace(calls: Api) -> None:
    async with site(calls, front=True) as http:
        asked, got = await http.head("/v1/things/refused"), await http.get("/v1/things/refused")
        assert (asked.status_code, asked.headers["content-type"]) == (got.status_code, got.headers["content-type"])
        assert (await http.head("/v1/things/x/activity")).status_code == 405
    for path in ("/v1/x/trail/export", "/v1/access-requests/events", "/v1/x/trail/evidence/x", "/requests"):
        assert not answers_head(path)


async def test_introspection_refuses_whoever_may_not_ask_before_it_says_what_is_wrong_with_the_form(calls: Api) -> None:
    gate = await calls.client("gate", ["introspect"], ["*"], [GATEWAY])
    good = {"token": "x"}
    asked: tuple[tuple[dict[str, str], dict[str, Any], int, str], ...] = (
        ({}, good, 401, "invalid_token"),
        ({"Authorization": "Bearer x"}, good, 401, "invalid_token"),
        ({"Authorization": await calls.token(scope="requests")}, {"other": "x"}, 403, "insufficient_scope"),
        ({"Authorization": gate}, {"other": "x"}, 400, "invalid_request"),
        ({"Authorization": gate}, {"token": ["x", "y"]}, 400, "invalid_request"),
    )
    calls.http.headers.pop("Authorization")
    for headers, form, status, error in asked:
        answer = await calls.http.post("/oauth2/introspect", data=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.headers["cache-control"] == "no-store"
    plain = await calls.http.post("/oauth2/introspect", content=b"token=x", headers={"Authorization": gate})
    assert (plain.status_code, plain.json()["error"]) == (400, "invalid_request")
    assert (await calls.http.get("/oauth2/introspect", headers={"Authorization": gate})).status_code == 405


async def test_a_remembered_signature_gives_no_token_a_longer_life(calls: Api) -> None:
    filed = await calls.file()
    minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
    gate = await calls.client("gate", ["introspect"], ["*"], [GATEWAY.replace("alma", "esploro")])

    async def active() -> bool:
        answer = await calls.http.post("/oauth2/introspect", data={"token": minted}, headers={"Authorization": gate})
        return bool(answer.json()["active"])

    assert [await active() for _ in range(3)] == [True] * 3
    assert len(calls.world.services.ring.approvals) == 1
    withdrawn = await calls.http.post(f"{ACCESS}/{filed['id']}/complete", json={"summary": "done"})
    assert withdrawn.is_success
    assert not await active()


async def test_the_servers_protocol_introspects_in_the_same_bytes_and_only_where_the_answer_is_plain(
    calls: Api,
) -> None:
    filed = await calls.file()
    minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
    bearer = await calls.client("gate", ["introspect"], ["*"], [GATEWAY.replace("alma", "esploro")])
    await calls.client("other", ["introspect"], ["*"], ["https://elsewhere.example"])
    await calls.client("blind", ["sessions"], ["*"], [GATEWAY.replace("alma", "esploro")])
    gate, other, blind = (basic(name, f"cs_a_secret_for_{name}_of_tests") for name in ("gate", "other", "blind"))
    way = QuickIntrospection(calls.world.services)
    calls.http.headers.pop("Authorization")

    async def quick(body: bytes, **headers: str) -> Ready | None:
        sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        waiting = way.ask({b"content-type": b"application/x-www-form-urlencoded"} | sent, body)
        return None if waiting is None else waiting.ready(await waiting.told)

    form = f"token={minted}".encode()
    usual = await calls.http.post("/oauth2/introspect", data={"token": minted}, headers={"Authorization": gate})
    for _ in range(2):
        answer = await quick(form, authorization=gate)
        assert answer is not None
        assert (answer.status, answer.body) == (usual.status_code, usual.content)
        assert answer.headers == as_sent(usual.headers.raw)
    for authorization in (other, blind, basic("gate", "of somebody else"), bearer, "Basic x", "x"):
        assert await quick(form, authorization=authorization) is None
    for body in (b"", b"token=x", form + b"&token=x", b"\xff", form + b"&client_secret=x", form + b"x"):
        assert await quick(body, authorization=gate) is None
    assert await quick(form) is None
    assert await quick(form, authorization=gate, dpop="x") is None
    assert await quick(form, authorization=gate, content_type="text/plain") is None
    await calls.http.post(
        f"{ACCESS}/{filed['id']}/complete", json={"summary": "done"}, headers={"Authorization": await calls.token()}
    )
    assert await quick(form, authorization=gate) is None


async def test_a_row_that_was_changed_after_a_quick_yes_gets_none(calls: Api) -> None:
    filed = await calls.file()
    minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
    await calls.client("gate", ["introspect"], ["*"], [GATEWAY.replace("alma", "esploro")])
    way = QuickIntrospection(calls.world.services)
    head = {b"authorization": basic("gate", "cs_a_secret_for_gate_of_tests").encode(), b"content-type": FORM.encode()}

    async def says_yes() -> bool:
        waiting = way.ask(head, f"token={minted}".encode())
        return waiting is not None and waiting.ready(await waiting.told) is not None

    assert await says_yes()
    changes: tuple[tuple[sa.Table, dict[str, str], str, Any], ...] = (
        (tables.tokens, {"request": filed["id"]}, "exp", 1 << 40),
        (tables.tokens, {"request": filed["id"]}, "client", "cli_01k0000000e00800000000000a"),
        (tables.grants, {"request": filed["id"]}, "account", "exl_api"),
        (tables.clients, {"client_id": "gate"}, "name", "Another"),
    )
    for table, key, name, value in changes:
        before = await read_row(calls.world, table, key)
        await rewrite(calls.world, table, key, {name: value})
        assert not await says_yes(), (table.name, name)
        await rewrite(calls.world, table, key, {name: before[name]})
        assert await says_yes()
