"""The API, described for people: complete, from the service alone, without a script."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from app import api, web
from app.actions.problems import STATUS
from tests.actions.worlds import World
from tests.web.site import Site, app_of, visit

if TYPE_CHECKING:
    from playwright.async_api import Browser, Request


@pytest.fixture
async def whole(world: World) -> AsyncIterator[Site]:
    """A visitor of pages that stand beside the API."""
    async with visit(world, app_of(world, mounts=(api.mount, web.mount))) as site:
        yield site


async def test_the_page_names_every_operation_every_schema_and_every_problem_of_them(whole: Site) -> None:
    page = (await whole.get("/docs")).text
    described: dict[str, Any] = (await whole.get("/openapi.json")).json()
    for path, item in [*described["paths"].items(), *described["webhooks"].items()]:
        assert path in page
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in page
            slugs = re.findall(r"/problems/([a-z-]+)", str(operation["responses"]))
            assert [slug for slug in slugs if f'href="/problems/{slug}"' not in page] == []
            assert set(slugs) <= STATUS.keys()
    for name in described["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    within = set(re.findall(r'href="#([^"]+)"', page))
    assert within - set(re.findall(r' id="([^"]+)"', page)) == set()


async def test_pages_without_the_api_describe_none(site: Site) -> None:
    assert (await site.get("/docs")).status_code == 404


@pytest.mark.browser
@pytest.mark.slow
async def test_a_browser_shows_it_with_nothing_from_elsewhere_and_nothing_to_complain_of(
    world: World, browser: Browser
) -> None:
    listening = socket.create_server(("127.0.0.1", 0))  # whoever comes before the server is there waits for it
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = app_of(world, address, mounts=(api.mount, web.mount))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    asked: list[str] = []
    said: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    with listening:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listening]))
            for width in (1280, 360):
                context = await browser.new_context(viewport={"width": width, "height": 800})
                page = await context.new_page()
                page.on("request", note)
                page.on("console", lambda message: said.append(message.text))
                page.on("pageerror", lambda error: said.append(str(error)))
                await page.goto(f"{address}/docs")
                await page.locator("summary", has_text="Access requests").click()
                await page.get_by_role("link", name="File an access request").click()
                await page.get_by_role("heading", name="File an access request", level=3).wait_for()
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width
                await context.close()
            server.should_exit = True
    assert said == []
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(address).netloc}
    assert len(asked) >= 4
