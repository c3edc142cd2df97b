"""Sign-ins against windows on their page: the figure, the table, the words; records pasted by those who keep access."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from app.actions import session_calls
from app.web.call import SESSION
from tests.actions.watching import approved, opened
from tests.actions.worlds import AUDITOR, HEAD, World, run_world
from tests.web.axe import beyond, faults
from tests.web.reading import judge
from tests.web.site import Site, complaints
from tests.web.test_session_page import HOSTILE

if TYPE_CHECKING:
    from playwright.async_api import Browser

PATH = "/accounts/sign-ins"
VIENNA = ZoneInfo("Europe/Vienna")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as made:
        yield made


async def give(site: Site, pasted: str, **changes: str) -> None:
    day = site.world.now().astimezone(VIENNA).date()
    fields = {"from": (day - timedelta(days=2)).isoformat(), "to": day.isoformat(), "dates": "iso", "rows": pasted}
    await site.send(PATH, **(fields | changes))


async def test_who_keeps_access_pastes_records_and_sees_them_against_the_windows(site: Site) -> None:
    world = site.world
    request = await approved(world)
    begins = world.now() + timedelta(minutes=1)
    session = await opened(world, request)
    world.skip(timedelta(minutes=20))
    await session_calls.end(world.services, world.caller, session, "Done.")
    site.enter(HEAD)
    await site.open(f"{PATH}?environment=alma-production")
    judge(site.text)
    assert "No records were given for these days." in site.text
    stray = begins - timedelta(hours=30)
    rows = (
        "at,user_name,ip,result\n"
        f"{begins.astimezone(VIENNA):%Y-%m-%d %H:%M:%S},exl_impl,192.0.2.7,success\n"
        f"{stray.astimezone(VIENNA):%Y-%m-%d %H:%M:%S},exl_impl,203.0.113.90,<script>alert(1)</script>\n"
        "yesterday,exl_impl,,\n"
    )
    await give(site, rows)
    assert site.status == 200
    judge(site.text)
    assert "2 sign-ins of the vendor’s accounts read" in site.text
    assert "1 new finding:" in site.text
    assert "Line 4: its time cannot be read." in site.text
    assert site.text.count('class="hit" cx') == 2 == site.text.count('class="miss" d="M', 0, site.text.index("legend"))
    assert f'href="/sessions/{session}"' in site.text
    assert "high confidence" in site.text
    assert "matches none" in site.text
    assert "That no record is there proves less." in site.text
    await give(site, rows)
    assert "There is no new finding." in site.text
    report = await world.verify(await world.bundle())
    assert report.exit_code == 0, report.findings


@pytest.mark.parametrize(
    "changes,pointer",
    [
        ({"from": "last week"}, "from"),
        ({"from": "2026-11-14", "to": "2026-11-13"}, "to"),
        ({"rows": "nothing of the kind"}, "rows"),
    ],
)
async def test_what_cannot_be_used_is_said_at_its_field(site: Site, changes: dict[str, str], pointer: str) -> None:
    site.enter(HEAD)
    await site.open(PATH)
    await give(site, "at,user_name\n", **changes)
    assert site.status == 422
    judge(site.text)
    assert f'href="#{pointer}"' in site.text


async def test_auditors_look_and_give_nothing_and_strangers_see_nothing(site: Site) -> None:
    site.enter(AUDITOR)
    await site.open(PATH)
    assert (site.status, "<textarea" in site.text) == (200, False)
    await site.open(f"{PATH}?environment=somebody-elses")
    assert site.status == 404
    site.leave()
    await site.open(PATH)
    assert site.path.startswith("/sign-in")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_in_a_browser_without_scripts_nothing_is_wrong_with_the_page(
    world: World, base: str, browser: Browser, width: int
) -> None:
    """From a session to the finding in the trail: approved, used, recorded, pasted, found, verified."""
    session = await opened(world)
    begins = world.now()
    world.skip(timedelta(minutes=20))
    await session_calls.end(world.services, world.caller, session, "Done.")
    stray = begins - timedelta(hours=30)
    context = await browser.new_context(viewport={"width": width, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    said = complaints(page)
    await page.goto(f"{base}{PATH}?environment=alma-production")
    day = world.now().astimezone(VIENNA).date()
    await page.get_by_label("First day").fill((day - timedelta(days=2)).isoformat())
    await page.get_by_label("Last day").fill(day.isoformat())
    lines = [f"{each:%Y-%m-%dT%H:%M:%SZ};exl_impl;{ip};" for each, ip in ((begins, "192.0.2.7"), (stray, HOSTILE[0]))]
    await page.get_by_label("Rows").fill("\n".join(["at;user_name;ip;result", *lines]))
    await page.get_by_role("button", name="Match them to sessions").click()
    await page.get_by_text("1 new finding:").wait_for()
    shown = page.locator("svg.tl.wide" if width > 767 else "svg.tl.narrow")
    assert await shown.is_visible()
    assert (await shown.locator(".hit").count(), await shown.locator(".miss").count()) == (1, 1)
    assert await page.get_by_role("cell", name="matches none").count() + await page.get_by_text("1 match none").count()
    assert await faults(page) == []
    assert await beyond(page) <= 0
    assert said == []
    await context.close()
    report = await world.verify(await world.bundle())
    assert report.exit_code == 0, report.findings
