"""What only a real browser tells: that forms get through our own policies, and that no text breaks the layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.actions.reviews import review
from app.domain.request import Status
from app.web.call import SESSION
from tests.actions.worlds import HEAD, LIBRARIAN, World
from tests.web.site import complaints
from tests.web.test_pages import HOSTILE

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def test_the_main_job_gets_through_with_scripts_off(world: World, base: str, browser: Browser) -> None:
    """U5, U6."""
    filed = await world.file()
    world.provider.email, world.provider.sub = LIBRARIAN, f"sub-of-{LIBRARIAN}"
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    said = complaints(page)
    await page.goto(f"{base}/r/{filed.row.short}")
    await page.get_by_role("button", name="Sign in at your institution").click()
    await page.wait_for_url(f"{base}/requests/{filed.row.id}")
    await page.get_by_role("radio", name="Approve").check()
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url("**/check/*")
    await page.get_by_role("button", name="Confirm at your institution’s sign-in").click()
    await page.wait_for_url(f"{base}/requests/{filed.row.id}")
    assert await page.get_by_role("heading", level=1).inner_text() == "You approved the access"
    await page.get_by_role("button", name="End access now").first.click()
    await page.get_by_role("heading", name="Access has ended").wait_for()
    assert said == []
    await context.close()
    world.people.pop(LIBRARIAN)
    seen = await review(world.services, await world.visitor(HEAD), filed.row.id)
    assert seen.status is Status.REVOKED


async def test_a_form_of_a_foreign_page_does_nothing(world: World, base: str, browser: Browser, tmp_path: Path) -> None:
    filed = await world.file()
    await world.approve(HEAD, filed.row.id)
    context = await browser.new_context()
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    foreign = tmp_path / "foreign.html"
    foreign.write_text(
        f'<form method="post" action="{base}/requests/{filed.row.id}/revoke"><button>Win</button></form>'
    )
    await page.goto(foreign.as_uri())
    await page.get_by_role("button").click()
    await page.wait_for_url(f"{base}/**")
    await context.close()
    assert (await review(world.services, await world.visitor(HEAD), filed.row.id)).status is Status.ACTIVE


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_hostile_text_keeps_to_its_place(world: World, base: str, browser: Browser, width: int) -> None:
    filed = await world.file(**HOSTILE)
    draft = await world.draft(HEAD, filed.row.id, roles=HOSTILE["roles"], note="n" * 4000)
    context = await browser.new_context(viewport={"width": width, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    said = complaints(page)
    path = f"/requests/{filed.row.id}"
    head = (await world.visitor(HEAD)).person
    rooms = ("people", f"people/{head}", "environments", "stop-codes", "webhooks", "clients", "sessions")
    settings = [f"/settings/{room}" for room in rooms]
    for shown in (path, f"{path}?draft={draft}", f"{path}/check/{draft}", "/requests", *settings, "/stop", "/trail"):
        await page.goto(base + shown)
        beyond = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, shown
        for button in await page.locator("main .btn:not(.s):visible").all():
            box = await button.bounding_box()
            assert box is not None
            assert box["height"] >= 48
    assert said == []
    await context.close()
