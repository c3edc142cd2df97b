"""How often one may call; what an address may be asked with."""

from __future__ import annotations

import pytest

from app.actions import tries
from app.api.limits import CLIENTS, WINDOW_S, Limits
from tests.api.conftest import ACCESS, CONSOLE, Api, basic

FORM = {"grant_type": "client_credentials"}


def test_a_window_is_a_minute_from_the_first_call_on() -> None:
    limits = Limits(2)
    first, second, third = (limits.count("a", now) for now in (100.0, 110.0, 120.5))
    assert [(each.left, each.ends_s) for each in (first, second, third)] == [(1, 60), (0, 50), (-1, 40)]
    assert limits.count("b", 120.5).left == 1
    refused = third.refusal()
    assert refused is not None
    assert refused.retry_after == 40
    assert limits.count("a", 100.0 + WINDOW_S).refusal() is None
    assert second.headers() == [
        (b"ratelimit-policy", b'"client";q=2;w=60'),
        (b"ratelimit", b'"client";r=0;t=50'),
    ]


def test_clients_without_end_take_no_memory_without_end() -> None:
    limits = Limits(1)
    for number in range(CLIENTS + 10):
        limits.count(str(number), 0.0)
    assert len(limits._windows) == CLIENTS


async def test_a_client_that_calls_too_often_is_told_when_to_go_on_and_others_notice_nothing(calls: Api) -> None:
    other = await calls.client("other", ["requests:read"], ["*"], [])
    calls.http._transport.app.state.limits = Limits(3)  # type: ignore[attr-defined]  # the transport's own
    answers = [await calls.http.get(ACCESS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";t=")[0] for answer in answers] == [
        '"client";r=2',
        '"client";r=1',
        '"client";r=0',
        '"client";r=0',
    ]
    assert answers[0].headers["ratelimit-policy"] == '"client";q=3;w=60'
    assert 0 < int(answers[3].headers["retry-after"]) <= WINDOW_S
    assert answers[3].json()["type"].endswith("/problems/too-many-requests")
    assert (await calls.http.get(ACCESS, headers={"Authorization": other})).status_code == 200


async def test_an_address_that_fails_to_sign_in_too_often_is_slowed_and_a_right_secret_is_not(
    calls: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "FAILED", 3)
    calls.http.headers.pop("Authorization", None)

    async def obtain(secret: str) -> tuple[int, str | None]:
        answer = await calls.http.post("/oauth2/token", data=FORM, headers={"Authorization": basic(CONSOLE[0], secret)})
        return answer.status_code, answer.headers.get("retry-after")

    assert [await obtain("wrong") for _ in range(3)] == [(401, None)] * 3
    status, wait = await obtain("wrong")
    assert (status, 0 < int(wait or 0) <= 600) == (429, True)
    assert await obtain(CONSOLE[1]) == (200, None)


@pytest.mark.parametrize(
    "path, allowed",
    [
        (ACCESS, "GET, HEAD, POST"),
        (f"{ACCESS}/req_x/withdraw", "POST"),
        ("/oauth2/introspect", "POST"),
        ("/.well-known/jwks.json", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_there_is_answered_with_those_that_are(calls: Api, path: str, allowed: str) -> None:
    answer = await calls.http.request("PURGE", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["type"].endswith("/problems/method-not-allowed")
