"""Every page as people meet it: looked at in a real browser, weighed, photographed; and looking changes nothing.

The photographs lie in `var/shots`, made anew by each run.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from app import api, web
from app.storage import tables
from app.web.call import SESSION
from tests.actions.worlds import CODE, World
from tests.counts import times
from tests.web.axe import beyond, faults
from tests.web.gallery import Gallery, run_gallery
from tests.web.served import served
from tests.web.site import app_of, complaints, visit
from tests.web.test_tenancy import FIXED, ROUTES

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

SHOTS = Path(__file__).parents[2] / "var" / "shots"
MOST = 60_000
SCRIPTED = {"session", "verify"}
"""The pages on which a script may stand (U6)."""
_SMALL = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')].filter(each => {
  const box = each.getBoundingClientRect();
  const text = each.tagName === 'A' && !each.matches('.btn, nav a');
  const label = each.labels && each.labels.length;
  return box.width && !text && !label && !each.closest('.vh, .skip') && (box.width < 24 || box.height < 24);
}).map(each => each.outerHTML.slice(0, 120))"""
_LOW = """() => [...document.querySelectorAll('main .btn:not(.s)')].filter(each => {
  const box = each.getBoundingClientRect();
  return box.height && box.height < 47.9;
}).map(each => each.outerHTML.slice(0, 120))"""


@pytest.fixture
async def gallery(tmp_path: Path) -> AsyncIterator[Gallery]:
    async with run_gallery(tmp_path) as made:
        yield made


async def _all_rows(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """The whole database."""
    async with world.services.database.read() as tx:
        return {
            name: sorted((tuple(row) for row in await tx.connection.execute(sa.select(table))), key=repr)
            for name, table in tables.metadata.tables.items()
        }


def _urls(gallery: Gallery) -> Iterator[str]:
    """Every address: those of the gallery, and of every route with the ids that there are."""
    known = [path for _, path in gallery.pages.values()]
    ids = {name: found[0] for name, prefix in _PREFIXES.items() if (found := re.findall(prefix, " ".join(known)))}
    ids |= {"code": CODE, "institution": CODE, "name": "alma-production", "short": _last(gallery, "landing")}
    ids |= {"slug": "validation", "version": "x", "digest": "0" * 64, "sha256": "0" * 64}
    yield from known
    for route in ROUTES:
        if route.method == "GET" and route.path not in _ENDLESS:
            yield re.sub(r"{(\w+)(:path)?}", lambda part: FIXED.get(part[1]) or ids.get(part[1], "nothing"), route.path)


_PREFIXES = {
    f"{name}_id": rf"{prefix}_\w+"
    for name, prefix in {"request": "req", "session": "ses", "draft": "dft", "change": "chg", "person": "per"}.items()
}
_ENDLESS = {"/v1/access-requests/events", "/sessions/{session_id}/events"}


def _last(gallery: Gallery, name: str) -> str:
    return gallery.pages[name][1].rpartition("/")[2]


async def test_a_thousand_looks_without_a_sign_in_change_nothing(gallery: Gallery) -> None:
    """U1."""
    before = await _all_rows(gallery.world)
    asked = 0
    async with visit(gallery.world, app_of(gallery.world, mounts=(api.mount, web.mount))) as site:
        urls = list(_urls(gallery))
        for method, path in islice(zip(cycle(("GET", "HEAD", "GET")), cycle(urls), strict=False), times(1000, 3000)):
            site.leave()
            answer = await site.client.request(method, path)
            assert answer.status_code < 500, (method, path)
            asked += 1
    assert asked >= 1000
    assert await _all_rows(gallery.world) == before


async def test_every_page_weighs_little_and_runs_no_script_but_where_it_may(gallery: Gallery) -> None:
    """U6: `script-src 'none'`, no inline style; under 60 KB without style sheet and script."""
    wrong = []
    async with visit(gallery.world) as site:
        for name, (who, path) in gallery.pages.items():
            site.leave()
            if who is not None:
                site.enter(who)
            answer = await site.get(path)
            policy = answer.headers["content-security-policy"]
            if len(answer.content) >= MOST:
                wrong.append(f"{name} weighs {len(answer.content)} bytes")
            if ("script-src 'none'" in policy) is (name in SCRIPTED):
                wrong.append(f"{name}: {policy}")
            if "style-src 'self';" not in policy or " style=" in answer.text or "<style" in answer.text:
                wrong.append(f"{name} brings styles")
    assert wrong == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_every_page_in_a_browser(gallery: Gallery, browser: Browser, free_port: int) -> None:
    """U1 (a scanner that runs scripts), U7, U8: axe in both themes, nothing wider than 320, targets, focus."""
    async with served(gallery.world, free_port) as base:
        before = await _all_rows(gallery.world)
        await _scan(gallery, browser, base)
        assert await _all_rows(gallery.world) == before
        wrong = [each async for each in _walk(gallery, browser, base)]
    assert not wrong, "\n".join(wrong)


async def _scan(gallery: Gallery, browser: Browser, base: str) -> None:
    """Open every page as a mail scanner does: scripts run, nobody is signed in."""
    context = await browser.new_context()
    page = await context.new_page()
    for _, path in gallery.pages.values():
        await page.goto(base + path)
    await context.close()


async def _walk(gallery: Gallery, browser: Browser, base: str) -> AsyncIterator[str]:
    for who in {who for who, _ in gallery.pages.values()}:
        context = await browser.new_context(viewport={"width": 320, "height": 900})
        if who is not None:
            await context.add_cookies([{"name": SESSION, "value": gallery.world.people[who], "url": base}])
        page = await context.new_page()
        said = complaints(page)
        for name, path in [(name, path) for name, (whose, path) in gallery.pages.items() if whose == who]:
            await page.goto(base + path)
            await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
            async for what in _faults(page, name):
                yield f"{name} {what}"
        for what in said:
            if "status of 404" not in what:
                yield f"the browser says {what}"
        await context.close()


async def _faults(page: Page, name: str) -> AsyncIterator[str]:
    for width in (320, 390, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        if await beyond(page) > 0:
            yield f"is wider than {width}"
        for what in [*await page.evaluate(_SMALL), *await page.evaluate(_LOW)]:
            yield f"at {width} too small: {what}"
        if width == 1280 or (width == 390 and times(0, 1)):
            for what in await faults(page):
                yield f"at {width} {what}"
        if width == 1280 or (width == 390 and times(0, 1)):
            await _photograph(page, f"{name}-{width}")


async def _photograph(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    await page.emulate_media(color_scheme="light")
    await page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)


def test_styles_know_no_left_and_right() -> None:
    """U9: logical properties throughout."""
    css = (Path(web.__file__).parent / "static" / "countersign.css").read_text()
    loose = re.findall(
        r"(?:margin|padding|border)-(?:left|right)|(?<![\w-])(?:left|right):|text-align:(?:left|right)", css
    )
    assert loose == []
