"""The service over HTTP: the API and the pages, with what every answer has in common.

`from_environment` and `with_worker` are what uvicorn calls in each of its processes; the command line has judged the
settings before. A stop lets requests and the worker's duties end, then closes the database.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import api, bootstrap, web
from app.actions.health import started
from app.actions.services import Services
from app.api.gate import Door
from app.api.quick import state_of
from app.api.request_ids import request_id, tell
from app.settings import Settings, load
from app.trail import canonical
from app.web import WebSettings
from app.worker import configure_logs
from app.worker import work as run_worker

_PACKAGE = Path(__file__).parent


def create_app(services: Services, settings: Settings, *, work: bool = False, own: bool = False) -> FastAPI:
    """The application over these services. `work`: the worker runs beside it; `own`: it closes them in the end."""
    app = _App(
        title="Countersign",
        version=services.version,
        lifespan=_lifespan(services, work=work, own=own),
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.web = WebSettings(settings.base_url, settings.secure_cookies, settings.gate_recorder)
    api.mount(app)
    web.mount(app)
    app.open_door()
    return app


class _App(FastAPI):
    """Nothing but the gate's yes stands outside of `RequestLog`, what answers crashes included; hot routes before the
    framework.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._outside: ASGIApp = RequestLog(api.front(super().__call__, self), self._count)

    def _count(self, method: str, route: str | None, status: int, seconds: float) -> None:
        self.state.services.meters.called(method, route, status, seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._outside(scope, receive, send)

    def open_door(self) -> None:
        """Let the gate's yes stand in front of everything."""
        self._outside = Door(self._outside, self.state.passage, self.state.services)


def from_environment() -> FastAPI:
    """The application of the environment's settings. Raises `SettingsError`."""
    return _from_environment(work=False)


def with_worker() -> FastAPI:
    """The same, with the worker in this process."""
    return _from_environment(work=True)


def _from_environment(*, work: bool) -> FastAPI:
    configure_logs()
    settings = load(os.environ)
    return create_app(bootstrap.build(settings), settings, work=work, own=True)


def _lifespan(
    services: Services, *, work: bool, own: bool
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            if own:
                stack.push_async_callback(bootstrap.close, services)
            await started(services, installed_digest())
            stack.enter_context(_told_to_stop(services))
            if work:
                await stack.enter_async_context(_working(services))
            yield state_of(app)

    return lifespan


@contextmanager
def _told_to_stop(services: Services) -> Iterator[None]:
    """Let those who follow go as soon as a signal comes: the server waits for them before it ends the application."""
    loop, before = asyncio.get_running_loop(), dict[int, Callable[[int, FrameType | None], object]]()

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(services.database.bell.stop)
        before[number](number, frame)

    for number in (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ():
        handler = signal.getsignal(number)
        if callable(handler):  # the server's own
            before[number] = handler
            signal.signal(number, heard)
    try:
        yield
    finally:
        services.database.bell.stop()
        for known, handler in before.items():
            signal.signal(known, handler)


@asynccontextmanager
async def _working(services: Services) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_worker(services, stop))
        try:
            yield
        finally:
            stop.set()


def installed_digest() -> str:
    """The digest of the package's files, by which the vendor's log tells which software ran."""
    files = sorted(path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    digests = {path.relative_to(_PACKAGE).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}
    return canonical.sha(canonical.encode(digests))


class RequestLog:
    """Every answer carries `X-Request-ID`, one that was sent in if it is of its form; and every request is one line,
    and counted: by method, pattern of its route, status and seconds.
    """

    def __init__(self, app: ASGIApp, count: Callable[[str, str | None, int, float], None] | None = None) -> None:
        self._app, self._count = app, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        id_ = request_id(given)
        own = (b"x-request-id", id_.encode("latin-1"))
        begun, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), own]
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=id_)
        try:
            await self._app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", None)
            tell(id_, scope["method"], route, status, begun)
            if self._count is not None:
                self._count(scope["method"], route, status, time.perf_counter() - begun)
            structlog.contextvars.reset_contextvars(**bound)
