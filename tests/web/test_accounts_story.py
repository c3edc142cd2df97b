"""The whole story of the vendor's accounts in a browser, and in a trail that verifies.

Every kind of wrong account is found by a scan, explained by the vendor, and closed by the scan that no longer sees it;
sign-ins are reconciled, one of them outside of any window, which the institution closes with its own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from app.actions import findings, session_calls
from app.actions.doctor import examine
from app.web.call import SESSION
from tests.actions.attacks import trail
from tests.actions.keyed import let
from tests.actions.test_scans import CLEAN, WRONG
from tests.actions.watching import opened
from tests.actions.worlds import CODE, HEAD, World, run_world
from tests.fixtures.alma import KEY, run_alma
from tests.web.axe import beyond, faults
from tests.web.site import complaints
from tests.web.test_accounts import PLACE, swept

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

WORDS = (
    "A user that is not intended",
    "exl_support is not deactivated",
    "exl_api is used as a member of staff",
    "exl_impl is missing or has another name",
)
UNMATCHED = "A sign-in that no approval covers"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose vendor keeps accounts by its API."""

    def configure(text: str) -> str:
        return text.replace('scopes = ["', 'scopes = ["accounts", "')

    async with run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path, configure) as made:
        yield made


async def seen(page: Page, *texts: str) -> None:
    """The page shows each of these, and nothing is wrong with it."""
    for text in texts:
        await page.get_by_text(text).first.wait_for()
    assert await beyond(page) == 0
    assert await faults(page) == []


async def scan(world: World, page: Page, base: str) -> None:
    await page.goto(f"{base}/accounts")
    await page.get_by_role("button", name="Scan now").click()
    await page.get_by_text("A scan waits").wait_for()
    await swept(world)
    await page.reload()


async def verified(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


@pytest.mark.browser
@pytest.mark.slow
async def test_from_every_wrong_account_and_a_sign_in_around_the_gate_to_a_trail_that_verifies(
    world: World, base: str, browser: Browser
) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    said = complaints(page)
    async with run_alma(*WRONG) as alma:
        await let(world.services, alma, KEY, PLACE)
        await scan(world, page, base)
        await seen(page, *WORDS)
        listed = await findings.page(world.services, world.caller, CODE, 50, None)
        assert len(listed) == 4
        for each in listed:
            await findings.explain(world.services, world.caller, CODE, each.row.id, "We are putting it right.")
        await page.reload()
        await seen(page, "Explained, not closed", "We are putting it right.")
        await verified(world)
        alma.users = list(CLEAN)
        await scan(world, page, base)
        await seen(page, "No finding is open.", "4 closed")
    await verified(world)

    session = await opened(world)
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    begins = world.now()
    world.skip(timedelta(minutes=20))
    await session_calls.end(world.services, world.caller, session, "Done.")
    today = world.now().astimezone(ZoneInfo("Europe/Vienna")).date()
    times = [begins, begins + timedelta(minutes=19), begins - timedelta(hours=30)]
    await page.goto(f"{base}/accounts/sign-ins?environment={PLACE}")
    await page.get_by_label("First day").fill((today - timedelta(days=3)).isoformat())
    await page.get_by_label("Last day").fill(today.isoformat())
    rows = [f"{at:%Y-%m-%dT%H:%M:%SZ},exl_impl,203.0.113.90,success" for at in (*times, times[-1])]
    await page.get_by_label("Rows").fill("\n".join(["at,user_name,ip,result", *rows]))
    await page.get_by_role("button", name="Match them to sessions").click()
    await seen(page, "1 new finding:", "2 match a session.")
    await page.goto(f"{base}/accounts")
    await seen(page, UNMATCHED, "The gravest kind there is.")
    await verified(world)

    await page.locator("summary", has_text="Close this finding").click()
    await page.get_by_label("What explains it?").fill("A test of our own, agreed upon by telephone.")
    await page.get_by_role("button", name="Close this finding").click()
    await seen(page, "No finding is open.", "5 closed")
    assert said == []
    await context.close()

    told = Counter(entry.type for entry in await trail(world))
    assert (told["finding.opened"], told["finding.explained"], told["finding.closed"]) == (5, 5, 5)
    assert (told["scan.completed"], told["sign_ins.reconciled"]) == (2, 1)
    await verified(world)
    assert await examine(world.services) == []
