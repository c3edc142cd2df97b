"""Hostile tokens over HTTP, at everything that takes one: none is active, opens anything, or takes anything back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

import httpx2
import pytest

from tests.actions.worlds import CODE, run_world
from tests.api.conftest import ACCESS, CONSOLE, Api, asked, basic, calling, events
from tests.tokens.hostile import HOSTILE

SESSIONS = "/v1/sessions"
AUDIENCE = "https://gateway.vendor.example/exu-esploro"
UNREADABLE = {"huge", "a lone surrogate"}
"""Forms that are refused before anybody looks at the token."""
OF_APPROVAL_TOKENS = {
    *("payload not UTF-8", "a key twice in a detail", "nbf missing", "details missing", "two details"),
    *(case for case in HOSTILE if case.startswith(("a detail ", "roles ", "grant ", "case "))),
    "a space before",
}
"""What changes nothing in an access token, or nothing that a header keeps."""
UNLIKE = {"a claim too many": 403}
"""The claim is `scope`, which an access token may have, and which reaches nothing."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Target:
    """A service, a token that is good at it, and the headers of the gateway that it is for."""

    calls: Api
    token: str
    gateway: dict[str, str]

    async def introspect(self, token: str) -> httpx2.Response:
        return await self.calls.http.post("/oauth2/introspect", content=form(token), headers=self.gateway | FORM)

    async def revoke(self, token: str) -> httpx2.Response:
        headers = {"Authorization": basic(*CONSOLE)} | FORM
        return await self.calls.http.post("/oauth2/revoke", content=form(token), headers=headers)

    async def open(self, token: str) -> httpx2.Response:
        body = {"token": token, "client": {"ip": "198.51.100.24", "user_agent": "Mozilla/5.0"}}
        headers = self.gateway | {"Content-Type": "application/json"}
        return await self.calls.http.post(SESSIONS, content=json.dumps(body), headers=headers)


def form(token: str) -> bytes:
    """As a form, whatever the token holds: lone surrogates too."""
    return b"token=" + quote_from_bytes(token.encode("utf-8", "surrogatepass")).encode()


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    async with run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as world, calling(world) as calls:
        filed = await calls.file()
        minted = (await calls.http.post(f"{ACCESS}/{filed['id']}/token")).json()["access_token"]
        gateway = await calls.client("gateway", ["introspect", "sessions"], [CODE], [AUDIENCE])
        yield Target(calls, minted, {"Authorization": gateway})


async def test_no_hostile_token_is_active_or_opens_a_session_or_takes_anything_back(target: Target) -> None:
    ring = target.calls.world.services.ring
    answers = {}
    for case, make in HOSTILE.items():
        hostile = make(ring, target.token)
        told, opened = await target.introspect(hostile), await target.open(hostile)
        given_back = await target.revoke(hostile)
        answers[case] = (told.text, told.status_code, opened.status_code, given_back.status_code)
    assert {case for case, (text, _, _, _) in answers.items() if text != '{"active":false}'} == UNREADABLE
    assert {case for case, each in answers.items() if each[1] != 200} == UNREADABLE
    assert {case: each for case, each in answers.items() if not 400 <= each[2] < 500} == {}
    assert {case: each for case, each in answers.items() if each[3] not in {200, 400, 413}} == {}
    assert await events(target.calls, "session.opened") == []
    assert await events(target.calls, "token.revoked") == []
    assert (await target.introspect(target.token)).json()["active"] is True
    assert (await target.open(target.token)).status_code == 201


async def test_no_hostile_access_token_calls_anything(target: Target) -> None:
    ring = target.calls.world.services.ring
    good = (await target.calls.token()).removeprefix("Bearer ")
    before = len(await events(target.calls, "request.created"))
    passed, tried = {}, 0
    for case, make in HOSTILE.items():
        if case in OF_APPROVAL_TOKENS:
            continue
        sent = b"Bearer " + make(ring, good).encode("utf-8", "surrogatepass")
        tried += 1
        answers = [
            await target.calls.http.get(ACCESS, headers={b"authorization": sent}),
            await target.calls.http.post(ACCESS, json=asked(), headers={b"authorization": sent}),
            await target.calls.http.post("/oauth2/introspect", content=form("x"), headers=_bearer(sent)),
        ]
        if any(each.status_code != UNLIKE.get(case, 401) or "www-authenticate" not in each.headers for each in answers):
            passed[case] = [(each.status_code, each.text) for each in answers]
    assert passed == {}
    assert tried > 100
    assert len(await events(target.calls, "request.created")) == before
    assert (await target.calls.http.get(ACCESS, headers={"Authorization": f"Bearer {good}"})).status_code == 200


def _bearer(sent: bytes) -> dict[bytes, bytes]:
    return {b"authorization": sent, b"content-type": b"application/x-www-form-urlencoded"}
