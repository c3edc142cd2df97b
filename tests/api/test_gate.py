"""The gate's question over HTTP: 204 and whose session it is, or a problem document, whoever answers first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from app.api.gate import QuickCheck
from app.api.quick import as_sent
from app.main import create_app
from app.settings import load
from app.storage import activity, tables
from tests.actions.attacks import read_row
from tests.actions.gating import ENGINEER, ESPLORO, KEYS, Gates, run_gates
from tests.actions.worlds import CODE

SETTINGS = {"COUNTERSIGN_DEVELOPMENT": "true"}


@pytest.fixture
async def gates(tmp_path: Path) -> AsyncIterator[Gates]:
    async with run_gates(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as made:
        yield made


@pytest.fixture
async def nginx(gates: Gates) -> AsyncIterator[httpx2.AsyncClient]:
    """The gateway's side: the whole application, asked with the key of an environment."""
    app = create_app(gates.world.services, load(SETTINGS))
    headers = {"Countersign-Gate-Key": KEYS[ESPLORO], "X-Original-Method": "GET", "X-Real-IP": "192.0.2.44"}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url=gates.world.services.base_url, headers=headers
    ) as client:
        yield client


async def test_a_request_that_may_pass_is_answered_with_whose_it_is(gates: Gates, nginx: httpx2.AsyncClient) -> None:
    cookie = await gates.enter((await gates.token())[1])
    asked = {
        "Cookie": f"a=b; countersign-gate={cookie}; c=d",
        "X-Original-URI": "/jobs?patron=4711",
        "X-Request-ID": "n.1",
    }
    answer = await nginx.get("/gate/check", headers=asked)
    (opened,) = await gates.told("session.opened")
    told = {name: answer.headers[f"countersign-{name}"] for name in ("session", "institution", "account", "engineer")}
    assert told == {"session": opened.subject, "institution": CODE, "account": "exl_impl", "engineer": ENGINEER}
    assert (answer.status_code, answer.content, answer.headers["x-request-id"]) == (204, b"", "n.1")
    assert answer.headers["cache-control"] == "no-store"
    async with gates.world.services.database.read() as tx:
        (event,) = await activity.read(tx, CODE, opened.subject, 1, 10, 10)
    assert event.summary == "GET /jobs?patron=***"


async def test_the_servers_protocol_says_yes_in_the_same_bytes(gates: Gates, nginx: httpx2.AsyncClient) -> None:
    asked = {"Cookie": f"countersign-gate={await gates.enter((await gates.token())[1])}", "X-Request-ID": "mine"}
    answer = await nginx.get("/gate/check", headers=asked)
    way = QuickCheck(gates.passage, gates.world.services)
    sent = {name.lower(): value for name, value in answer.request.headers.raw}
    waiting = way.ask(sent, b"")
    assert waiting is not None
    ready = waiting.ready(await waiting.told)
    assert ready is not None
    assert (ready.status, ready.body) == (204, b"")
    assert ready.headers + as_sent([(b"x-request-id", b"mine")]) == as_sent(answer.headers.raw)
    assert way.ask(sent, b"a body") is None
    assert way.ask({}, b"") is None
    unknown = way.ask(sent | {b"countersign-gate-key": b"of no gate"}, b"")
    assert unknown is not None
    assert unknown.ready(await unknown.told) is None


async def test_whoever_is_turned_away_is_told_by_a_problem_document(gates: Gates, nginx: httpx2.AsyncClient) -> None:
    cookie = await gates.enter((await gates.token())[1])
    shown = {"Cookie": f"countersign-gate={cookie}"}
    for headers, status, problem in (
        ({}, 401, "unauthorized"),
        ({"Cookie": "countersign-gate=guess"}, 401, "unauthorized"),
        ({"Authorization": "Bearer of.nothing.good"}, 401, "unauthorized"),
        (shown | {"Countersign-Gate-Key": "of no gate"}, 403, "gate-unknown"),
        (shown | {"Countersign-Gate-Key": KEYS["alma-production"]}, 403, "session-foreign"),
    ):
        answer = await nginx.get("/gate/check", headers=headers)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, problem)
        assert "x-request-id" in answer.headers
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_nothing_but_a_get_is_a_question(gates: Gates, nginx: httpx2.AsyncClient) -> None:
    cookie = await gates.enter((await gates.token())[1])
    for method in ("HEAD", "POST", "PUT", "OPTIONS"):
        answer = await nginx.request(method, "/gate/check", headers={"Cookie": f"countersign-gate={cookie}"})
        assert answer.status_code == 405
    (opened,) = await gates.told("session.opened")
    assert (await read_row(gates.world, tables.sessions, {"id": opened.subject}))["events"] == 0


async def test_pages_at_the_gate_begin_at_the_gateways_host(gates: Gates, nginx: httpx2.AsyncClient) -> None:
    out = await nginx.get("/gate/enter", headers={"X-Original-URI": "/jobs?a=b"})
    assert out.status_code == 200
    assert 'name="next" value="/jobs?a=b"' in out.text
    assert 'action="/countersign/gate/enter"' in out.text
    assert gates.vendor.issuer in out.headers["content-security-policy"]
    refused = await nginx.post("/gate/enter", data={"token": "none", "next": "/"})
    assert (refused.status_code, "This token opens nothing" in refused.text) == (403, True)
    cookie = await gates.enter((await gates.token())[1])
    shown = {"Cookie": f"countersign-gate={cookie}"}
    assert "You are in" in (await nginx.get("/gate/enter", headers=shown)).text
    left = await nginx.post("/gate/leave", headers=shown)
    assert (left.status_code, "You have left" in left.text) == (200, True)
    assert "You left" in (await nginx.get("/gate/enter", headers=shown)).text
    for page in (out, refused, left):
        links = page.text.split('href="')[1:]
        assert all(link.startswith(("/countersign/", "#")) for link in links), links
