"""`Idempotency-Key` on every POST below `/v1`: one effect and one answer, whatever breaks off, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.actions.once import KEY_LIFE, Answer, Key, once
from app.actions.services import Services
from app.api import routers
from app.api.once import KEY_PARAMETER
from app.api.once import once as once_dependency
from app.domain.errors import Refusal, Refused, Unavailable
from app.storage import tables
from tests.actions.worlds import CODE
from tests.api.conftest import ACCESS, Api, asked, events, requests

WITHOUT = ("/v1/access-requests/{request_id}/token", "/v1/clients")
"""POSTs below `/v1` that take no key, by the contract: minting, and clients."""
KEY = {"Idempotency-Key": "a-key-of-the-console"}
MANY = 50


def _asks_for_key(dependant: Dependant) -> bool:
    return any(each.call is once_dependency or _asks_for_key(each) for each in dependant.dependencies)


def _posts() -> Iterator[tuple[str, bool]]:
    """Path of every POST below `/v1`, and whether it takes part."""
    for route in iter_route_contexts(routers().routes):
        if "POST" in (route.methods or ()) and (route.path or "").startswith("/v1/"):
            hot = KEY_PARAMETER in (route.openapi_extra or {}).get("parameters", [])
            yield route.path or "", hot or _asks_for_key(route.dependant)


def test_every_post_takes_a_key_but_minting_and_clients() -> None:
    posts = dict(_posts())
    assert len(posts) > 4
    assert {path for path, asks in posts.items() if asks == path.startswith(WITHOUT)} == set()


async def _ending(calls: Api, verb: str) -> tuple[str, dict[str, Any]]:
    """The address and body of a command on a new request."""
    said = {"complete": {"summary": "Done."}, "messages": {"text": "I begin."}}[verb]
    return f"{ACCESS}/{(await calls.file())['id']}/{verb}", said


@pytest.mark.parametrize("verb,event", [("complete", "request.completed"), ("messages", "message.sent")])
async def test_a_command_takes_effect_once(both: Api, verb: str, event: str) -> None:
    address, said = await _ending(both, verb)
    first = await both.http.post(address, json=said, headers=KEY)
    again = await both.http.post(address, json=said, headers=KEY)
    assert (first.status_code, "idempotency-replayed" in first.headers) == (200, False)
    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, first.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await events(both, event)) == 1
    other = await both.http.post(address, json=dict.fromkeys(said, "Another text."), headers=KEY)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")


async def test_a_withdrawal_and_a_switch_to_support_are_replayed_too(enrolled: Api) -> None:
    pending = await enrolled.file(environment="alma-production")
    token = await enrolled.client("administration", ["admin"], [CODE], [])
    switch = f"/v1/institutions/{CODE}/environments/esploro-sandbox/switch-to-support"
    for address, said, mine in (
        (f"{ACCESS}/{pending['id']}/withdraw", {"reason": "Solved."}, {}),
        (switch, None, {"Authorization": token}),
    ):
        answers = [await enrolled.http.post(address, json=said, headers=KEY | mine) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(await events(enrolled, "request.withdrawn")) == 1
    assert len(await events(enrolled, "environment.switched_to_support")) == 1


async def test_one_key_does_not_serve_two_addresses(both: Api) -> None:
    address, said = await _ending(both, "complete")
    assert (await both.http.post(address, json=said, headers=KEY)).status_code == 200
    for other in (address.replace("complete", "messages"), f"{address}?x=1"):
        answer = await both.http.post(other, json=said, headers=KEY)
        assert answer.status_code == 422, answer.text


async def test_a_refused_command_leaves_its_key_free_and_its_event_recorded(both: Api) -> None:
    body = asked(account="exl_api")
    answers = [await both.http.post(ACCESS, json=body, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert [each["problem"] for each in await events(both, "request.refused")] == ["account-technical"]
    address, said = await _ending(both, "complete")
    stale = await both.http.post(address, json=said, headers=KEY | {"If-Match": '"other"'})
    done = await both.http.post(address, json=said, headers=KEY)
    assert (stale.status_code, done.status_code) == (412, 200)
    unknown = address.replace("req_", "req_0")
    assert (await both.http.post(unknown, json=said, headers={"Idempotency-Key": "2"})).status_code == 404


async def test_many_at_once_with_one_key_have_one_effect_and_one_body(both: Api) -> None:
    answers = await asyncio.gather(*(both.http.post(ACCESS, json=asked(), headers=KEY) for _ in range(MANY)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == MANY - 1
    assert await requests(both) == 1


async def test_an_answer_is_kept_for_a_day_and_cannot_be_read_in_the_database(both: Api) -> None:
    filed = await both.file(headers=KEY)
    async with both.world.services.database.read() as tx:
        ((kept,),) = (await tx.connection.execute(sa.select(tables.idempotency.c.body))).all()
    assert filed["engineer"]["email"].encode() not in kept
    both.world.skip(KEY_LIFE - timedelta(minutes=1))
    both.http.headers["Authorization"] = await both.token()
    assert (await both.file(headers=KEY))["id"] == filed["id"]
    both.world.skip(timedelta(minutes=1))
    assert (await both.file(headers=KEY))["id"] != filed["id"]


async def test_what_fails_inside_a_block_takes_everything_with_it(both: Api) -> None:
    services, key = both.world.services, Key("key", b"fingerprint")

    async def done(_: Services) -> Answer:
        return Answer(200, {}, b"done")

    for error in (Unavailable("in doubt"), Refused(Refusal("not-found", "Nothing.")), ValueError()):
        with pytest.raises(type(error)):
            await once(services, both.world.client, key, partial(_fail_with, error))
        async with services.database.read() as tx:
            found = sa.select(sa.func.count()).where(tables.service_meta.c.key == "left")
            assert (await tx.connection.execute(found)).scalar_one() == 0
    assert not (await once(services, both.world.client, key, done)).replayed
    assert (await once(services, both.world.client, key, done)).replayed


async def _fail_with(error: Exception, inside: Services) -> Answer:
    async with inside.database.begin() as tx:
        await tx.connection.execute(sa.insert(tables.service_meta).values(key="left", value="behind"))
        raise error


async def test_who_goes_on_after_a_block_that_failed_commits_nothing(both: Api) -> None:
    async def act(inside: Services) -> Answer:
        with pytest.raises(KeyError):
            async with inside.database.begin():
                raise KeyError
        async with inside.database.read():
            return Answer(200, {}, b"")

    with pytest.raises(RuntimeError, match="failed before"):
        await once(both.world.services, both.world.client, Key("key", b"f"), act)


async def test_a_key_is_nothing_to_whoever_is_not_signed_in(both: Api) -> None:
    await both.file(headers=KEY)
    answer = await both.http.post(ACCESS, json=asked(), headers=KEY | {"Authorization": "Bearer none"})
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (401, "unauthorized")
