"""Long polls: answered as soon as the request changes, by an action or by the clock alone, on any replica."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.api.prefer import wait_of
from tests.actions.worlds import HEAD
from tests.api.conftest import ACCESS, Api
from tests.api.replicas import replicas

SOON_S = 5.0
"""What an answer to a change takes at most here, however busy the machine; the waits below are longer."""


async def _filed(calls: Api, **changes: Any) -> tuple[str, str]:
    """The address and the tag of a new request."""
    filed = await calls.file(**changes)
    address = f"{ACCESS}/{filed['id']}"
    return address, (await calls.http.get(address)).headers["etag"]


def _wait(http: httpx2.AsyncClient, address: str, etag: str, seconds: float = 30) -> asyncio.Task[httpx2.Response]:
    headers = {"If-None-Match": etag, "Prefer": f"wait={seconds}"}
    return asyncio.create_task(http.get(address, headers=headers, timeout=60))


async def _waiting(calls: Api, count: int) -> None:
    """Until so many wait in the world's own process."""
    bell = calls.world.services.database.bell
    while bell.watched < count:  # noqa: ASYNC110 -- the bell tells nobody of its watches
        await asyncio.sleep(0.01)


async def test_a_waiter_is_answered_as_soon_as_the_request_changes(both: Api) -> None:
    address, etag = await _filed(both)
    waiting = _wait(both.http, address, etag)
    await _waiting(both, 1)
    said = await both.http.post(f"{address}/messages", json={"text": "I begin."})
    async with asyncio.timeout(SOON_S):
        answer = await waiting
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
    assert (answer.content, answer.headers["etag"]) == (said.content, said.headers["etag"])


async def test_nothing_new_is_told_after_the_seconds_asked_for(both: Api) -> None:
    address, etag = await _filed(both)
    clock = asyncio.get_running_loop().time
    began = clock()
    answer = await _wait(both.http, address, etag, 1)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert answer.headers["preference-applied"] == "wait=1"
    assert 0.9 < clock() - began < 1 + SOON_S


async def test_the_clock_alone_answers_a_waiter(both: Api) -> None:
    address, etag = await _filed(both)
    both.world.skip(timedelta(minutes=239, seconds=59))
    both.http.headers["Authorization"] = await both.token()
    async with asyncio.timeout(SOON_S):
        answer = await _wait(both.http, address, etag)
    assert (answer.status_code, answer.json()["status"]) == (200, "elapsed")


async def test_who_knows_another_state_or_asks_for_none_waits_for_nothing(both: Api) -> None:
    address, etag = await _filed(both)
    async with asyncio.timeout(SOON_S):
        assert (await _wait(both.http, address, '"other"')).status_code == 200
        assert (await _wait(both.http, address, "*")).status_code == 304
        plain = await both.http.get(address, headers={"Prefer": "wait=30"})
        none = await _wait(both.http, address, etag, 0)
    assert (plain.status_code, "preference-applied" in plain.headers) == (200, False)
    assert (none.status_code, none.headers["preference-applied"]) == (304, "wait=0")


async def test_a_change_on_one_replica_wakes_waiters_on_all(both: Api) -> None:
    address, etag = await _filed(both)
    async with replicas(both, 3 if both.world.owner_url else 1) as clients:
        for http in clients:  # one at a time, so that each has begun before the change
            assert (await _wait(http, address, etag, 0)).status_code == 304
        waiting = [_wait(http, address, etag) for http in clients for _ in range(5)]
        await asyncio.sleep(0.3)
        await both.http.post(f"{address}/complete", json={"summary": "Done."})
        async with asyncio.timeout(SOON_S):
            answers = await asyncio.gather(*waiting)
    assert {answer.json()["status"] for answer in answers} == {"completed"}


async def test_many_who_wait_hold_no_connection_and_share_one_look(both: Api) -> None:
    address, etag = await _filed(both)
    waiting = [_wait(both.http, address, etag) for _ in range(100)]
    await _waiting(both, 100)
    pool: Any = both.world.services.database.engine.pool
    while pool.checkedout():  # noqa: ASYNC110 -- nor does the pool of its connections
        await asyncio.sleep(0.01)
    await both.http.post(f"{address}/complete", json={"summary": "Done."})
    async with asyncio.timeout(2 * SOON_S):
        answers = await asyncio.gather(*waiting)
    assert len({answer.content for answer in answers}) == 1
    assert both.world.services.database.bell.watched == 0


async def test_a_client_waits_so_often_and_no_more(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.follow.WAITS", 2)
    address, etag = await _filed(both)
    waiting = [_wait(both.http, address, etag) for _ in range(2)]
    await _waiting(both, 2)
    refused = await both.http.get(address, headers={"If-None-Match": etag, "Prefer": "wait=1"})
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (429, "too-many-requests")
    assert (await both.http.get(address)).status_code == 200
    both.world.services.database.bell.stop()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [304, 304]


async def test_a_stop_lets_waiters_go(both: Api) -> None:
    address, etag = await _filed(both)
    waiting = _wait(both.http, address, etag)
    await _waiting(both, 1)
    both.world.services.database.bell.stop()
    async with asyncio.timeout(SOON_S):
        assert (await waiting).status_code == 304


async def test_the_tag_tells_whatever_else_shows_in_the_request(both: Api) -> None:
    await both.world.enrol()
    filed = await both.file(environment="alma-production")
    address = f"{ACCESS}/{filed['id']}"
    tags = [(await both.http.get(address)).headers["etag"]]
    await both.http.post(f"{address}/messages", json={"text": "Is anybody there?"})
    tags.append((await both.http.get(address)).headers["etag"])
    await both.world.approve(HEAD, filed["id"])
    tags.append((await both.http.get(address)).headers["etag"])
    assert len(set(tags)) == 3


@pytest.mark.parametrize(
    "headers,seconds",
    [
        ([], None),
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['respond-async, wait="10"; x=y', "wait=20"], 10),
        (["wait=600"], 60),
        (["wait=0"], 0),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=ten, wait=10"], None),
        (["wait=10 seconds"], None),
        (["waiting=10, handling=lenient"], None),
        (["wait=" + "9" * 5000], None),
        (["wait=٣"], None),
    ],
)
def test_a_preference_is_read_as_the_rfc_has_it(headers: list[str], seconds: int | None) -> None:
    assert wait_of(headers, 60) == seconds
