"""Answers that need no task and no application: a whole request in, an answer's bytes out, many at a time between.

The server's protocol (`app/cli/quick.py`) offers whole requests for these addresses here first. What comes back is
plainly a yes, or nothing: then the request goes the usual way, through the application, where every other answer is
made. So a quick way decides nothing that the usual one would not, and its bytes are the same.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fastapi import FastAPI

Headers = Sequence[tuple[bytes, bytes]]
STATE = "countersign.quick"
"""Where the server's state has the quick ways: `{(method, path): Quick}`."""
FAILED = "countersign.failed"
"""Where a call's scope has the error that a quick way met: raised by the usual way, and nothing done again."""


class Ready(NamedTuple):
    """An answer: status, its headers as they are sent, each with its line's end, and its body."""

    status: int
    headers: bytes
    body: bytes = b""


class Waiting(NamedTuple):
    """What will be told, and what makes the answer of it: null for a request that goes the usual way after all."""

    told: Future[Any]
    ready: Callable[[Any], Ready | None]


class Quick(Protocol):
    """A way to answer requests of one method and path. `route`: what the request's line in the log names; null: none is
    written.
    """

    route: str | None

    def count(self, status: int, seconds: float) -> None:
        """An answer of this way was sent; after how long."""

    def ask(self, headers: Mapping[bytes, bytes], body: bytes) -> Waiting | None:
        """What the answer waits for; null for a request that goes the usual way. No header stands twice."""
        ...


Table = Mapping[tuple[bytes, bytes], Quick]


def as_sent(headers: Headers) -> bytes:
    """Headers as they are sent."""
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers])


def state_of(app: FastAPI) -> dict[str, Any]:
    """What the server keeps for its protocol."""
    return {STATE: app.state.quick}
