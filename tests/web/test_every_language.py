"""Every page of an institution in every language: it answers, says which language it is in, and nothing overflows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from fastapi.routing import APIRoute

from app.actions import general
from app.domain.languages import LANGUAGES, direction
from app.web.call import SESSION
from tests.actions.worlds import AUDITOR, HEAD, World
from tests.counts import LONG
from tests.web.site import BASE, app_of, complaints
from tests.web.tenants import Tenants, run_tenants

if TYPE_CHECKING:
    from playwright.async_api import Browser

FILES = re.compile(r"\.csv|\.js|/static/|/events|/recording|/parts/|/openapi|/healthz|^/$|/callback|/r/|/gate/")
"""Addresses whose answer is no page."""


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[Tenants]:
    async with run_tenants(tmp_path) as made:
        yield made


async def _speak(world: World, locale: str) -> None:
    """Set the language of the institution; at once, since it loosens nothing."""
    visitor = await world.visitor(HEAD)
    now = await general.current(world.services, visitor)
    if now.locale != locale:
        assert await general.save(world.services, visitor, replace(now, locale=locale)) is None


def _pages(tenants: Tenants) -> Iterator[str]:
    """The address of every page, with ids of the institution."""
    facts = {**tenants.foreign, "index": "1", "slug": "validation", "short": "x"}
    for path in sorted(_paths(app_of(tenants.world).routes)):
        names = re.findall(r"{(\w+)(?::\w+)?}", path)
        if not FILES.search(path) and all(name in facts for name in names):
            yield re.sub(r"{(\w+)(?::\w+)?}", lambda found: facts[found[1]], path)


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, APIRoute):
            if "GET" in (route.methods or ()):
                yield route.path
        else:
            yield from _paths(getattr(getattr(route, "original_router", route), "routes", ()))


async def test_every_page_answers_in_the_language_of_the_institution(tenants: Tenants) -> None:
    world, pages = tenants.world, list(_pages(tenants))
    assert len(pages) > 25
    transport = httpx2.ASGITransport(app_of(world))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        for language in LANGUAGES:
            await _speak(world, language)
            for path in pages:
                cookies = {"Cookie": f"{SESSION}={world.people[_reader(path)]}"}
                answer = await http.get(path, headers={"Accept-Language": language} | cookies)
                if "text/html" in answer.headers.get("content-type", ""):
                    assert answer.status_code in {200, 404}, (language, path)
                    assert f'<html lang="{language}" dir="{direction(language)}">' in answer.text, (language, path)
                    assert "%(" not in answer.text, (language, path)


@pytest.mark.browser
@pytest.mark.slow
async def test_nothing_overflows_on_a_narrow_screen_in_any_language(
    tenants: Tenants, free_port: int, browser: Browser
) -> None:
    world, pages = tenants.world, list(_pages(tenants))
    async with _served(world, free_port) as base:
        context = await browser.new_context(viewport={"width": 320, "height": 800}, java_script_enabled=True)
        page = await context.new_page()
        said, wide = complaints(page), []
        for at, language in enumerate(LANGUAGES):
            await _speak(world, language)
            for path in _share(pages, at, language):
                await context.add_cookies([{"name": SESSION, "value": world.people[_reader(path)], "url": base}])
                await page.goto(base + path)
                await page.evaluate(_WIDEST)
                beyond = await page.evaluate(_BEYOND)
                wide += [(language, path, beyond)] if beyond > 0 else []
        await context.close()
    assert wide == []
    assert [each for each in said if "404" not in each] == []


def _reader(path: str) -> str:
    """Who may read a page: the trail is for auditors, what is kept in settings for admins."""
    return AUDITOR if "/trail" in path or path.endswith("/evidence") else HEAD


_WIDEST = "document.querySelectorAll('bdi.id.wrap-all').forEach(each => {each.textContent = 'w'.repeat(30)})"
"""Which letters an id has is decided by chance; these are the widest."""
_BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def _share(pages: list[str], at: int, language: str) -> Iterable[str]:
    """The pages of a language: all where it is written from the right, and in the long form; else each third."""
    if LONG or direction(language) == "rtl":
        return pages
    return pages[at % 3 :: 3]


@asynccontextmanager
async def _served(world: World, port: int) -> AsyncIterator[str]:
    address = f"http://127.0.0.1:{port}"
    world.services = replace(world.services, base_url=address)
    config = uvicorn.Config(app_of(world, address), port=port, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await _answers(address)
        try:
            yield address
        finally:
            server.should_exit = True


async def _answers(address: str) -> None:
    """Wait until somebody is there."""
    transport = httpx2.AsyncHTTPTransport(retries=20)
    async with httpx2.AsyncClient(transport=transport) as http:
        await http.get(f"{address}/problems")
