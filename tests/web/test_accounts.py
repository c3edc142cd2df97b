"""The Accounts page: status at a glance, each finding, what scans saw; closing, asking for a scan, taking along."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.actions import alma_scans
from app.actions.doctor import examine
from app.web.call import SESSION
from tests.actions.keyed import let
from tests.actions.test_finding_life import reconcile
from tests.actions.worlds import AUDITOR, HEAD, World
from tests.fixtures.alma import KEY, run_alma, user
from tests.web.axe import beyond, faults
from tests.web.reading import judge
from tests.web.site import Site, complaints

if TYPE_CHECKING:
    from playwright.async_api import Browser

PLACE = "alma-production"
IMPL = user("exl_impl", "Ex Libris", "Staff")
HOSTILE = user("=x1", "<script>alert(1)</script>\u202e", "Ex Libris </bdi><b>", roles=("Cataloger",))


async def swept(world: World) -> None:
    async def rest(_: float) -> None:
        return

    assert await alma_scans.sweep(world.services, rest=rest) == 1


async def asked(site: Site) -> None:
    await site.open("/accounts")
    await site.send("/accounts/scan")
    assert "A scan waits" in site.text
    await swept(site.world)
    await site.open("/accounts")


async def test_the_page_tells_what_is_found_until_it_is_put_right(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/accounts")
    assert (site.status, "Not scanned yet" in site.text, "No finding is open" in site.text) == (200, True, True)
    judge(site.text)
    async with run_alma(IMPL, HOSTILE, user("exl_support", "Ex Libris", "Support")) as alma:
        await let(site.world.services, alma, KEY, PLACE)
        await asked(site)
        judge(site.text)
        assert "A user that is not intended" in site.text
        assert "exl_support is not deactivated" in site.text
        assert "<script>alert" not in site.text
        assert site.text.count('<span class="tag ok">As intended</span>') == 2
        assert "Close this finding" not in site.text
        rows = (await site.get("/accounts/findings.csv")).text
        assert rows.splitlines()[0].startswith('"id","kind"')
        assert not [
            cell for line in rows.splitlines() for cell in line.split('","') if cell.startswith(("=", "+", "@"))
        ]
        alma.users = [IMPL]
        await asked(site)
        assert "No finding is open" in site.text
        assert "2 closed" in site.text
        alma.faults = ["xml"]
        await asked(site)
        assert "The last scan failed" in site.text
        judge(site.text)
    assert await examine(site.world.services) == []


async def test_what_no_scan_can_see_again_is_closed_with_words(site: Site) -> None:
    finding = await reconcile(site.world)
    site.enter(AUDITOR)
    await site.open("/accounts")
    assert "A sign-in that no approval covers" in site.text
    assert "Close this finding" not in site.text
    site.enter(HEAD)
    await site.open("/accounts")
    form = site.form(f"/accounts/findings/{finding}/close")
    refused = await site.post(form, why=" ")
    assert refused.status_code == 409
    judge(refused.text)
    await site.send(f"/accounts/findings/{finding}/close", why="Our own <b>test</b>.")
    assert "No finding is open" in site.text
    assert "1 closed" in site.text


async def test_who_may_not_and_what_is_not_there(site: Site) -> None:
    site.enter(AUDITOR)
    async with run_alma(IMPL) as alma:
        await let(site.world.services, alma, KEY, PLACE)
        await site.open("/accounts")
        assert "Scan now" not in site.text
        site.enter(HEAD)
        await site.open("/accounts")
        form = site.form("/accounts/scan")
        assert (await site.post(form, environment="nothing")).status_code == 422
        await site.send("/accounts/scan")
        assert (await site.post(form)).status_code == 409


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 1280])
async def test_the_story_of_a_finding_in_a_browser(world: World, base: str, browser: Browser, width: int) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    said = complaints(page)
    async with run_alma(IMPL, HOSTILE) as alma:
        await let(world.services, alma, KEY, PLACE)
        for shown in ("A user that is not intended", "No finding is open."):
            await page.goto(f"{base}/accounts")
            await page.get_by_role("button", name="Scan now").click()
            await page.get_by_text("A scan waits").wait_for()
            await swept(world)
            await page.reload()
            await page.get_by_text(shown).first.wait_for()
            assert await beyond(page) == 0
            assert await faults(page) == []
            alma.users = [IMPL]
    assert said == []
    await context.close()
    world.skip(timedelta(minutes=1))
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
