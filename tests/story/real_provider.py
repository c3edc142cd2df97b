"""A world whose institution signs in at a real provider, which the service answers at a port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import web
from demo.browser import read_forms
from tests.actions.worlds import CODE, TLS, World
from tests.web.site import BASE, app_of

CALLBACK = f"{BASE}/callback/{CODE}"


@asynccontextmanager
async def served(
    world: World, listener: socket.socket, mounts: tuple[Callable[[FastAPI], None], ...] = (web.mount,)
) -> AsyncIterator[asyncio.Event]:
    """The service at a port, since a provider calls it without a browser; the event: that it did."""
    called, app = asyncio.Event(), app_of(world, mounts=mounts)

    async def heard(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        called.set()

    server = uvicorn.Server(uvicorn.Config(heard, log_level="critical", lifespan="off"))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        try:
            yield called
        finally:
            server.should_exit = True


async def through(browser: httpx2.AsyncClient, url: str, **told: str) -> list[tuple[str, str]]:
    """At the provider, by its own forms, until it sends the browser back to us. `told`: what its fields are given."""
    answer = await browser.get(url)
    for _ in range(20):
        while answer.is_redirect:
            there = str(answer.url.join(answer.headers["location"]))
            if there.startswith(BASE):
                return httpx2.QueryParams(urlsplit(there).query).multi_items()
            answer = await browser.get(there)
        form = read_forms(answer.text, str(answer.url))[0]
        filled = form.filled()
        answer = await browser.post(
            form.action, data=filled | {name: told[name] for name in filled.keys() & told.keys()}
        )
    raise AssertionError(f"the provider never sent the browser back: {answer.text[:500]}")


class Road:
    """How people of a world come to a real provider and back: each time in a new browser."""

    def __init__(self, issuer: str, told: Callable[[str], dict[str, str]]) -> None:
        self.issuer, self._told = issuer, told

    async def __call__(self, url: str, email: str) -> list[tuple[str, str]]:
        """There, as this person."""
        async with httpx2.AsyncClient(verify=TLS, trust_env=False) as browser:
            return await through(browser, url, **self._told(email))
