"""The pages over a whole world in one process, and a browser without scripts that walks them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
from fastapi import FastAPI

from app import web
from app.web import WebSettings
from app.web.call import SESSION
from demo.browser import Form, read_forms
from tests.actions.worlds import TLS, World

if TYPE_CHECKING:
    from playwright.async_api import Page

BASE = "http://countersign.test"


def app_of(world: World, base_url: str = BASE, mounts: tuple[Callable[[FastAPI], None], ...] = (web.mount,)) -> FastAPI:
    """The pages alone, or what else is mounted, over the services of a world."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = world.services
    app.state.web = WebSettings(base_url, base_url.startswith("https:"))
    for mount in mounts:
        mount(app)
    return app


class Site:
    """One browser on the pages. Paths lead on the site, `url` is the page that is open."""

    def __init__(self, world: World, client: httpx2.AsyncClient) -> None:
        self.world = world
        self.client = client
        self.answer = httpx2.Response(204, request=httpx2.Request("GET", BASE))

    @property
    def text(self) -> str:
        return self.answer.text

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def path(self) -> str:
        return urlsplit(str(self.answer.url)).path

    def enter(self, email: str) -> None:
        """Be somebody who signed in before."""
        self.client.cookies.set(SESSION, self.world.people[email], domain=urlsplit(BASE).hostname or "")

    def leave(self) -> None:
        """Be nobody."""
        self.client.cookies.clear()

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """An answer as it comes."""
        return await self.client.get(path, headers=headers)

    async def open(self, path: str) -> None:
        """Go to a page, following redirects."""
        await self._follow(await self.client.get(path))

    def form(self, action_ends: str) -> Form:
        """The page's form of an action."""
        for form in read_forms(self.text, str(self.answer.url)):
            if urlsplit(form.action).path.endswith(action_ends):
                return form
        raise LookupError(f"{self.path} ({self.status}) has no form to {action_ends}")

    async def post(self, form: Form, **changes: Any) -> httpx2.Response:
        """Send a form as a browser would; the answer as it comes."""
        body = form.filled() | changes
        headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
        return await self.client.post(form.action, data=body, headers=headers)

    async def send(self, action_ends: str, **changes: Any) -> None:
        """Send a form of the open page, and follow."""
        await self._follow(await self.post(self.form(action_ends), **changes))

    async def through_provider(self, email: str) -> None:
        """The open answer leads to the provider: sign in there as that person, and come back."""
        assert self.answer.is_redirect, (self.path, self.status)
        async with self.world.turn, httpx2.AsyncClient(verify=TLS, trust_env=False) as client:
            self.world.provider.email, self.world.provider.sub = email, f"sub-of-{email}"
            back = (await client.get(self.answer.headers["location"])).headers["location"]
        parts = urlsplit(back)
        await self._follow(await self.client.get(f"{parts.path}?{parts.query}"))

    async def sign_in(self, email: str, path: str = "/sign-in/01EXU_INST") -> None:
        """Sign in, beginning at a page."""
        await self.open(path)
        await self.send("/sign-in/01EXU_INST")
        await self.through_provider(email)

    async def _follow(self, answer: httpx2.Response) -> None:
        while answer.is_redirect and answer.headers["location"].startswith("/"):
            answer = await self.client.get(answer.headers["location"])
        self.answer = answer


@asynccontextmanager
async def visit(world: World, app: FastAPI | None = None) -> AsyncIterator[Site]:
    """A browser on the pages of a world."""
    transport = httpx2.ASGITransport(app or app_of(world), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Site(world, client)


def complaints(page: Page) -> list[str]:
    """What the browser complains of, such as a violated policy."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said
