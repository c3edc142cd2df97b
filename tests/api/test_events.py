"""The stream of changes: everything once and in order, however often it is cut, on any replica, on both databases."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from random import Random

import httpx2
import pytest

from app.actions import clock, requests
from app.actions.clock import CHANGE_LIFE, tidy
from app.domain.request import SEEN
from app.storage import changes, clients, entries
from tests.actions.worlds import CODE, HEAD
from tests.api.conftest import ACCESS, Api, asked
from tests.api.replicas import Event, events, replicas

CUTS = 100


async def _trail(calls: Api) -> list[tuple[str, str, str]]:
    """Id, type and request of every entry that changed one, in the order of the log."""
    async with calls.world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(), 100_000)
    return [(each.entry.id, each.entry.type, each.entry.subject) for each in found if each.entry.type in SEEN]


def _told(each: Event) -> tuple[str, str, str]:
    return each.data["id"], each.data["type"], each.data["data"]["id"]


async def _until(stream: AsyncGenerator[Event], count: int) -> list[Event]:
    """The next so many events that say something."""
    found: list[Event] = []
    async for each in stream:
        if each.type:
            found.append(each)
        if len(found) == count:
            return found
    raise AssertionError("the stream ended")


class _Reader:
    """Somebody whose connection breaks again and again, and who comes back on another replica."""

    def __init__(self, clients: list[httpx2.AsyncClient], random: Random) -> None:
        self._clients, self._random = clients, random
        self.seen: list[Event] = []
        self.since: str | None = None
        self.cuts = 0

    async def read(self, expected: asyncio.Future[int]) -> None:
        while not (expected.done() and len(self.seen) >= expected.result() and self.cuts >= CUTS):
            stream = events(self._random.choice(self._clients), self.since)
            async with aclosing(stream):
                self.since = (await anext(stream)).id
                await self._some(stream)
            self.cuts += 1

    async def _some(self, stream: AsyncGenerator[Event]) -> None:
        """So many events, or so many milliseconds: some cuts come between events, others in the middle of one."""
        most, seconds = self._random.randint(1, 6), self._random.choice((0.002, 0.02, 2))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for each in stream:
                    self.since = each.id
                    self.seen += [each] if each.type else []
                    most -= 1
                    if most == 0:
                        return


async def _work(http: httpx2.AsyncClient, random: Random, rounds: int) -> None:
    """File, write, give back, at random."""
    for _ in range(rounds):
        filed = (await http.post(ACCESS, json=asked())).json()
        for _ in range(random.randint(0, 3)):
            await http.post(f"{ACCESS}/{filed['id']}/messages", json={"text": "It goes on."})
        if random.random() < 0.5:
            await http.post(f"{ACCESS}/{filed['id']}/complete", json={"summary": "Done."})


async def test_a_stream_cut_a_hundred_times_misses_nothing_and_repeats_nothing(both: Api) -> None:
    random, expected = Random(2026), asyncio.get_running_loop().create_future()
    count = 3 if both.world.owner_url else 1
    async with replicas(both, count) as clients:
        reader = _Reader(clients, random)
        first = events(clients[0])
        async with aclosing(first):
            reader.since = (await anext(first)).id
        reading = asyncio.create_task(reader.read(expected))
        await asyncio.gather(*(_work(http, random, 5) for http in (*clients, *clients)))
        trail = await _trail(both)
        expected.set_result(len(trail))
        await asyncio.wait_for(reading, 240)
    assert sorted(map(_told, reader.seen)) == sorted(trail)
    assert list(map(_told, reader.seen)) == trail  # of one log, in its order
    positions = [int(each.id) for each in reader.seen]
    assert positions == sorted(set(positions))
    assert reader.cuts >= CUTS


async def test_a_change_is_told_with_the_request_as_it_is(both: Api) -> None:
    async with replicas(both, 1) as (http,):
        stream = events(http)
        async with aclosing(stream):
            assert (await anext(stream)).type == ""
            filed = await both.file()
            told = await _until(stream, 3)
            assert [each.type for each in told] == ["request.created", "request.approved", "request.activated"]
            assert told[0].data["data"] == filed
            assert told[0].data["timestamp"] == filed["created_at"]


async def test_what_the_clock_changes_is_told_too(both: Api) -> None:
    await both.world.enrol()
    both.http.headers["Authorization"] = await both.token()
    soon = (both.world.now() + timedelta(hours=1)).isoformat()
    window = {"not_before": soon, "minutes": 60}
    waiting = await both.file(environment="alma-production", window=window)
    lapsing = await both.file(environment="alma-production", window=window)
    await both.world.approve(HEAD, waiting["id"])
    async with replicas(both, 1) as (http,):
        stream = events(http)
        async with aclosing(stream):
            await anext(stream)
            told = []
            for hours in (1, 1, 72):
                both.world.skip(timedelta(hours=hours))
                await clock.sweep(both.world.services)
            told = await _until(stream, 3)
    assert sorted((each.type, each.data["data"]["id"]) for each in told) == sorted(
        [("request.activated", waiting["id"]), ("request.elapsed", waiting["id"]), ("request.expired", lapsing["id"])]
    )


async def test_nobody_is_told_of_requests_of_others(both: Api) -> None:
    foreign = await both.client("elsewhere", ["requests:read"], ["01OTHER_INST"], [])
    reader = await both.client("reader", ["requests:read"], [CODE], [])
    async with replicas(both, 1) as (http,):
        theirs, ours = events(http, Authorization=foreign), events(http, Authorization=reader)
        async with aclosing(theirs), aclosing(ours):
            await anext(theirs)
            await anext(ours)
            await both.file()
            assert len(await _until(ours, 3)) == 3
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(theirs), 0.3)


async def test_a_stream_ends_with_its_token_and_with_its_client(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.follow.HEARTBEAT_S", 0.05)
    token = await both.client("reader", ["requests:read"], [CODE], [])
    async with replicas(both, 1) as (http,):
        stream = events(http, Authorization=token)
        async with aclosing(stream):
            marks = [await anext(stream) for _ in range(3)]
            assert {each.type for each in marks} == {""}
            await _revoke(both, "reader")
            await both.file()
            assert [each async for each in stream if each.type] == []
        both.http.headers["Authorization"] = await both.token()
        both.world.skip(timedelta(minutes=9, seconds=58.5))
        ending = events(http, Authorization=both.http.headers["Authorization"])
        assert [each.type async for each in ending if each.type] == []


async def _revoke(calls: Api, client_id: str) -> None:
    async with calls.world.services.database.begin() as tx:
        row = await clients.of_client_id(tx, client_id)
        assert row is not None
        await clients.save(tx, replace(row, disabled=True))


@pytest.mark.parametrize("since", ["", "-1", "x", "1.5", "9" * 19])
async def test_an_id_of_another_form_is_refused(calls: Api, since: str) -> None:
    answer = await calls.http.get(f"{ACCESS}/events", headers={"Last-Event-ID": since})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/last-event-id")


async def test_what_is_not_kept_any_more_is_said_to_be_gone(both: Api) -> None:
    services = both.world.services
    await both.file()
    async with services.database.begin() as tx:
        assert len(await changes.stamp(tx)) == 3
    both.world.skip(CHANGE_LIFE + timedelta(minutes=1))
    both.http.headers["Authorization"] = await both.token()
    await both.file()
    async with services.database.begin() as tx:
        await changes.stamp(tx)
    await tidy(services)
    for since in ("2", "7"):
        answer = await both.http.get(f"{ACCESS}/events", headers={"Last-Event-ID": since})
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (410, "events-forgotten")
    async with replicas(both, 1) as (http,):
        stream = events(http, "3")
        async with aclosing(stream):
            assert [each.id for each in await _until(stream, 3)] == ["4", "5", "6"]


async def test_a_client_has_so_many_streams_and_no_more(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.follow.STREAMS", 2)
    async with replicas(both, 1) as (http,):
        streams = [events(http) for _ in range(2)]
        for stream in streams:
            await anext(stream)
            await asyncio.sleep(0)
        refused = await http.get(f"{ACCESS}/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        for stream in streams:
            await stream.aclose()
        for _ in itertools.count():
            again = events(http)
            async with aclosing(again):
                with suppress(AssertionError):
                    await anext(again)
                    return


async def test_a_reader_that_takes_nothing_is_let_go(both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.events.SLOW_S", 0.2)
    loop = asyncio.get_running_loop()
    async with replicas(both, 1) as (http,):
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.setblocking(False)
            await loop.sock_connect(reader, (http.base_url.host, http.base_url.port))
            head = f"GET {ACCESS}/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n"
            head += f"Authorization: {both.http.headers['Authorization']}\r\n\r\n"
            await loop.sock_sendall(reader, head.encode())
            filed = await both.file()
            for _ in range(45):
                await requests.message(both.world.services, both.world.caller, filed["id"], "x" * 4000)
            await asyncio.sleep(1)  # while it takes nothing
            with suppress(ConnectionResetError):
                async with asyncio.timeout(60):
                    while await loop.sock_recv(reader, 1 << 20):
                        pass
