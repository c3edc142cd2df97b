"""A session's page in a real browser: with scripts and without, narrow and wide, whatever the activity holds."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.actions import own_sessions
from app.actions.watched import Reported
from app.web.call import SESSION
from tests.actions.watching import opened, report, report_all, row_of
from tests.actions.worlds import HEAD, World
from tests.web.site import complaints
from tests.web.test_session_page import HOSTILE

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def _context(world: World, base: str, browser: Browser, width: int, *, scripts: bool) -> BrowserContext:
    context = await browser.new_context(java_script_enabled=scripts, viewport={"width": width, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    return context


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_lives_with_scripts(world: World, base: str, browser: Browser, width: int) -> None:
    session = await opened(world)
    context = await _context(world, base, browser, width, scripts=True)
    page = await context.new_page()
    said = complaints(page)
    await page.goto(f"{base}/sessions/{session}")
    await page.get_by_text("New lines appear by themselves.").wait_for()
    await page.get_by_text("Add a reason").click()
    await page.get_by_label("Reason").fill("What I am about to say")
    words = [each + "z" * (4000 - len(each)) if each.startswith("xxx") else each for each in HOSTILE]
    events = tuple(Reported(world.now(), "page", each, json.dumps(each)) for each in words)
    await report_all(world, session, *events)
    await page.get_by_text("<script>alert(1)").first.wait_for()
    beyond = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert beyond <= 0
    assert await page.get_by_label("Reason").input_value() == "What I am about to say"
    assert await page.locator("main form[action*=evil], main script").count() == 0
    await page.get_by_role("button", name="End only this session").click()
    await page.get_by_text("Ended by you").wait_for()
    assert await page.locator("#live-note").inner_text() == ""
    assert said == []
    await context.close()
    assert (await row_of(world, session)).ended_because == "approver"


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_page_serves_without_scripts(world: World, base: str, browser: Browser, width: int) -> None:
    session = await opened(world)
    context = await _context(world, base, browser, width, scripts=False)
    page = await context.new_page()
    await page.goto(f"{base}/sessions/{session}")
    await report(world, session, "Opened: a list")
    world.skip(timedelta(minutes=3))
    await report(world, session, "Opened: another list")
    await page.get_by_role("link", name="Refresh").click()
    await page.get_by_text("Opened: another list").wait_for()
    assert await page.locator("svg.cov rect.gap").count() == 1
    assert await page.get_by_role("cell", name="Gap: not recorded").count() == 1
    await page.get_by_role("button", name="End access now").click()
    await page.get_by_role("heading", name="Access has ended").wait_for()
    await context.close()


async def test_whoever_signs_out_elsewhere_sees_no_more(world: World, base: str, browser: Browser) -> None:
    session = await opened(world)
    context = await _context(world, base, browser, 1280, scripts=True)
    page = await context.new_page()
    await page.goto(f"{base}/sessions/{session}")
    await page.get_by_text("New lines appear by themselves.").wait_for()
    await own_sessions.sign_out_everywhere(world.services, await world.visitor(HEAD))
    await page.get_by_text("New lines do not appear any more.").wait_for()
    await report(world, session, "Not for your eyes")
    assert await page.get_by_text("Not for your eyes").count() == 0
    await context.close()
