"""The service as an application that dies by `kill -9` between a commit and its answer: after it has committed what a
POST asked for, before a byte of the answer is sent. Run by uvicorn, as `tests.faults.dying:dying`.
"""

from __future__ import annotations

import os
import signal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.main import from_environment

PATHS = ("/v1/",)


def dying() -> ASGIApp:
    """The application of the environment's settings, until the first answer to a POST below `/v1`."""
    app = from_environment()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def last(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["method"] == "POST" and message["status"] < 300:
                os.kill(os.getpid(), signal.SIGKILL)
            await send(message)

        deadly = scope["type"] == "http" and scope["path"].startswith(PATHS)
        await app(scope, receive, last if deadly else send)

    return answer
