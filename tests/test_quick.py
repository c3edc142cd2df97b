"""Whole requests at the server's protocol: the bytes of the usual way, which is taken whenever anything is unusual."""

from __future__ import annotations

import asyncio
import re
from asyncio import Future
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.api.quick import FAILED, STATE, Ready, Waiting
from app.cli.quick import MAX_BODY, QuickHttp

HEAD = b"POST /quick HTTP/1.1\r\nHost: countersign.test\r\n"
ID = b"X-Request-ID: mine\r\n"


async def _usual(scope: Scope, receive: Receive, send: Send) -> None:
    size = len(await Request(scope, receive).body())
    failed = type(scope.get(FAILED)).__name__
    answer = PlainTextResponse(f"usual {scope['path']} {size} {failed}")
    answer.raw_headers.append((b"x-request-id", b"mine"))
    await answer(scope, receive, send)


class Way:
    """Answers when it is told to; `asked` are the bodies."""

    route = "/quick"

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.counted: list[int] = []
        self.open: list[Future[Any]] = []
        self.came = asyncio.Event()
        self.at_once: Any = "yes"
        self.refuses = False

    def ask(self, headers: Mapping[bytes, bytes], body: bytes) -> Waiting | None:
        if self.refuses:
            raise ValueError("not so")
        if b"x-usual" in headers:
            return None
        self.asked.append(body)
        answer = asyncio.get_running_loop().create_future()
        if isinstance(self.at_once, Exception):
            answer.set_exception(self.at_once)
        elif self.at_once is not None:
            answer.set_result(self.at_once)
        self.open.append(answer)
        self.came.set()
        return Waiting(answer, self.ready)

    def count(self, status: int, seconds: float) -> None:
        self.counted.append(status)

    def ready(self, found: Any) -> Ready | None:
        text = f"quick {len(self.asked)}".encode()
        head = b"content-length: %d\r\ncontent-type: text/plain; charset=utf-8\r\n" % len(text)
        return Ready(200, head, text) if found == "yes" else None


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.fixture
async def server(way: Way) -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(_usual, http=QuickHttp, lifespan="off", log_config=None, port=0)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    server.lifespan.state[STATE] = {(b"POST", b"/quick"): way}
    await server.startup()
    yield server
    await server.shutdown()


def port_of(server: uvicorn.Server) -> int:
    found: int = server.servers[0].sockets[0].getsockname()[1]
    return found


async def talk(server: uvicorn.Server, *pieces: bytes) -> bytes:
    """Everything that is answered to these pieces, the last of which closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


def bodies(answer: bytes) -> list[bytes]:
    """What each answer says."""
    return re.findall(rb"(?:quick|usual)[ -~]*(?=HTTP/1.1 |$)", answer)


CLOSE = b"GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LAST = b"usual /other 0 NoneType"
WHOLE = HEAD + b"Content-Length: 3\r\n\r\nabc"


async def test_whole_requests_are_answered_one_after_another_on_one_connection(
    server: uvicorn.Server, way: Way
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    for n in (1, 2, 3):
        writer.write(WHOLE)
        assert (await asyncio.wait_for(reader.readuntil(b"quick %d" % n), 30)).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    assert way.asked == [b"abc"] * 3


async def test_the_bytes_are_those_of_the_usual_way(server: uvicorn.Server) -> None:
    answers = [await talk(server, HEAD + ID + more + b"\r\n", CLOSE) for more in (b"", b"X-Usual: 1\r\n")]
    quick, plain = (each.partition(b"\r\n\r\n")[0].split(b"\r\n") for each in answers)
    assert [line for line in quick if b"length" not in line and b"date" not in line] == [
        line for line in plain if b"length" not in line and b"date" not in line
    ]


async def test_requests_that_come_together_are_answered_in_their_order(server: uvicorn.Server, way: Way) -> None:
    assert bodies(await talk(server, WHOLE + WHOLE + HEAD + b"\r\n" + CLOSE)) == [
        b"quick 1",
        b"usual /quick 3 NoneType",
        b"usual /quick 0 NoneType",
        LAST,
    ]
    assert way.asked == [b"abc"]


async def test_a_request_in_pieces_is_asked_when_it_is_whole(server: uvicorn.Server, way: Way) -> None:
    pieces = [WHOLE[:5], WHOLE[5:30], WHOLE[30:-2], WHOLE[-2:-1], WHOLE[-1:], CLOSE]
    assert bodies(await talk(server, *pieces)) == [b"quick 1", LAST]
    assert way.asked == [b"abc"]


@pytest.mark.parametrize(
    "unusual",
    [
        HEAD.replace(b"1.1", b"1.0") + b"\r\n",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"X-Usual: 1\r\n\r\n",
        HEAD + b"Host: twice\r\n\r\n",
        HEAD.replace(b"/quick", b"/quick?x") + b"\r\n",
        HEAD.replace(b"POST", b"PUT") + b"\r\n",
        HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1) + b"x" * (MAX_BODY + 1),
    ],
    ids=["1.0", "close", "not wanted", "a header twice", "query", "method", "large"],
)
async def test_anything_unusual_goes_the_usual_way_whole(server: uvicorn.Server, way: Way, unusual: bytes) -> None:
    size = MAX_BODY + 1 if b"Content-Length" in unusual else 0
    assert bodies(await talk(server, unusual, CLOSE))[0] == b"usual /quick %d NoneType" % size
    assert way.asked == []


async def test_a_peer_that_waits_to_be_told_to_go_on_is_told(server: uvicorn.Server, way: Way) -> None:
    answer = await talk(server, HEAD + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", b"x", CLOSE)
    assert answer.startswith(b"HTTP/1.1 100 Continue")
    assert way.asked == []


@pytest.mark.parametrize("told", ["no", ZeroDivisionError()])
async def test_what_is_no_plain_yes_goes_the_usual_way_which_is_told_what_failed(
    server: uvicorn.Server, way: Way, told: Any
) -> None:
    way.at_once = told
    failed = type(told).__name__.encode() if isinstance(told, Exception) else b"NoneType"
    assert bodies(await talk(server, WHOLE, CLOSE)) == [b"usual /quick 3 " + failed, LAST]


async def test_a_way_that_breaks_leaves_the_request_to_the_usual_one(server: uvicorn.Server, way: Way) -> None:
    way.refuses = True
    assert bodies(await talk(server, WHOLE, CLOSE)) == [b"usual /quick 3 NoneType", LAST]


async def test_requests_behind_one_that_waits_are_answered_after_it(server: uvicorn.Server, way: Way) -> None:
    way.at_once = None
    talking = asyncio.create_task(talk(server, WHOLE, CLOSE))
    await asyncio.wait_for(way.came.wait(), 30)
    way.open[0].set_result("yes")
    assert bodies(await talking) == [b"quick 1", LAST]


async def test_a_stop_lets_a_request_be_answered_and_then_closes(server: uvicorn.Server, way: Way) -> None:
    way.at_once = None
    talking = asyncio.create_task(talk(server, WHOLE))
    await asyncio.wait_for(way.came.wait(), 30)
    for connection in list(server.server_state.connections):
        connection.shutdown()
    way.open[0].set_result("yes")
    answer = await talking
    assert bodies(answer) == [b"quick 1"]
    assert b"\r\nconnection: close\r\n" in answer


async def test_a_peer_that_leaves_is_written_nothing(server: uvicorn.Server, way: Way) -> None:
    way.at_once = None
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(WHOLE)
    await asyncio.wait_for(way.came.wait(), 30)
    writer.transport.abort()
    async with asyncio.timeout(30):
        while server.server_state.connections:  # noqa: ASYNC110 -- uvicorn tells nobody
            await asyncio.sleep(0.01)
    way.open[0].set_result("yes")
    assert bodies(await talk(server, CLOSE)) == [LAST]


async def test_an_answer_that_a_stop_cut_off_closes_the_connection(server: uvicorn.Server, way: Way) -> None:
    way.at_once = None
    talking = asyncio.create_task(talk(server, WHOLE))
    await asyncio.wait_for(way.came.wait(), 30)
    way.open[0].cancel()
    assert await talking == b""


async def test_a_connection_that_rests_is_closed_after_a_while_and_not_before(server: uvicorn.Server) -> None:
    server.config.timeout_keep_alive = 1
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    began = asyncio.get_running_loop().time()
    for n in (1, 2):
        writer.write(WHOLE)
        await asyncio.wait_for(reader.readuntil(b"quick %d" % n), 30)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    assert asyncio.get_running_loop().time() - began >= 1
    writer.close()
