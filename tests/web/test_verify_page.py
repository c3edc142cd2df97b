"""/verify in a real browser: what it says in plain words, and that nothing leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.web.static_files import static
from tests.audit.test_verify import _mail, _story
from tests.web.axe import beyond, faults
from tests.web.reading import judge
from tests.web.site import BASE, Site, complaints
from tests.web.test_verify import TAMPERINGS, kept, tampered

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page


async def test_the_page_needs_nobody_signed_in_and_lets_nothing_leave(newcomer: Site) -> None:
    answer = await newcomer.get("/verify")
    assert answer.status_code == 200
    outline = judge(answer.text, scripts=("verify.js",))
    assert "/receipts" in outline.links
    policy = set(answer.headers["content-security-policy"].split("; "))
    assert {"default-src 'none'", "connect-src 'none'", "form-action 'none'", "style-src 'self'"} <= policy
    assert {"require-trusted-types-for 'script'", "trusted-types 'none'"} <= policy
    (scripts,) = (each for each in policy if each.startswith("script-src"))
    assert scripts.startswith(f"script-src {BASE}/static/")
    assert scripts.endswith("/verify.js")
    assert "'" not in scripts


async def test_without_scripts_it_says_how_to_verify_and_which_steps_the_page_takes(newcomer: Site) -> None:
    text = (await newcomer.get("/verify")).text
    assert "countersign verify BUNDLE.zip" in text
    assert '<form class="stack-l" id="check" hidden>' in text
    assert text.count('<span class="tag wait">No</span>') == 1
    assert text.count('<th scope="row" role="rowheader">') == 8
    receipts = (await newcomer.get("/receipts")).text
    judge(receipts)
    assert "--receipt MAIL.eml" in receipts


@dataclass(frozen=True)
class Files:
    """A good bundle, one of each tampering, and what the institution kept."""

    folder: Path
    kept: Mapping[str, Any]
    tampered: Mapping[str, Path]

    @property
    def good(self) -> Path:
        return self.folder / "good.zip"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Made once, and outside any event loop."""
    folder = tmp_path_factory.mktemp("bundles")
    world, _ = _story()
    given = kept(world)
    (folder / "keys.json").write_text(given["jwks"][0], encoding="utf-8")
    (folder / "kept.eml").write_bytes(_mail(world.trail.checkpoint(9)))
    world.bundle(folder / "good.zip")
    made = {name: tampered(_story()[0], name, folder / f"{place}.zip") for place, name in enumerate(TAMPERINGS)}
    return Files(folder, given, made)


async def _give(page: Page, files: Files, bundle: Path) -> None:
    """Fill the form with what the institution kept, and check."""
    given, folder = files.kept, files.folder
    await page.locator("#bundle").set_input_files(bundle)
    await page.locator("#enrolment").fill(given["enrolment"])
    await page.locator("#vkey").fill(given["vkey"])
    await page.locator("#jwks").set_input_files(folder / "keys.json")
    await page.locator("#receipts").set_input_files(folder / "kept.eml")
    await page.get_by_role("button", name="Check the bundle").click()
    await page.locator("#verdict").wait_for()


@pytest.mark.browser
@pytest.mark.slow
async def test_a_bundle_is_checked_inside_the_browser_and_nothing_leaves_it(
    base: str, browser: Browser, files: Files
) -> None:
    part = files.folder / "part.zip"
    part.write_bytes(files.good.read_bytes()[:-400])
    context = await browser.new_context()
    page = await context.new_page()
    said, asked = complaints(page), list[str]()
    await page.goto(f"{base}/verify")
    page.on("request", lambda request: asked.append(request.url))
    await _give(page, files, files.good)
    assert await page.locator("#verdict h2").inner_text() == "No finding. Anchored to what you gave."
    assert await page.evaluate("document.activeElement.id") == "verdict"
    assert "1 receipt contained" in await page.locator("#result").inner_text()
    assert "Not checked here" in await page.locator("#result").inner_text()
    for name, changed in files.tampered.items():
        await page.locator("#bundle").set_input_files(changed)
        await page.get_by_role("button", name="Check the bundle").click()
        await page.get_by_text(f"{changed.name}: 01EXU_INST").wait_for()
        assert await page.locator("#verdict h2").inner_text() == "This bundle does not hold", name
        assert "Does not hold" in await page.get_by_role("table", name="Checks").inner_text(), name
    await page.locator("#bundle").set_input_files(part)
    await page.get_by_role("button", name="Check the bundle").click()
    await page.get_by_text("cannot be read as a bundle").wait_for()
    assert ([url for url in asked if url != f"{base}{static('icon.svg')}"], said) == ([], [])
    sends = (
        "Promise.all([fetch('/verify'), fetch('/verify', {method: 'POST', body: 'x'})]).then(() => 'sent', () => 'no')"
    )
    assert await page.evaluate(sends) == "no"
    assert await page.evaluate("document.forms.namedItem('check').submit()") is None
    await page.wait_for_timeout(0)
    assert page.url == f"{base}/verify"
    assert await page.get_by_text("cannot be read as a bundle").is_visible()
    await context.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 1280])
async def test_its_pages_have_no_fault_of_wcag_and_fit(base: str, browser: Browser, files: Files, width: int) -> None:
    context = await browser.new_context(viewport={"width": width, "height": 900})
    page = await context.new_page()
    await page.goto(f"{base}/receipts")
    assert (await faults(page), await beyond(page)) == ([], 0)
    await page.goto(f"{base}/verify")
    assert (await faults(page), await beyond(page)) == ([], 0)
    await _give(page, files, files.tampered["a leaf changed"])
    assert (await faults(page), await beyond(page)) == ([], 0)
    await context.close()


@pytest.mark.browser
@pytest.mark.slow
async def test_with_scripts_off_the_form_is_not_there(base: str, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{base}/verify")
    assert not await page.locator("#check").is_visible()
    assert await page.get_by_text("Scripts are off").is_visible()
    assert await page.get_by_text("countersign verify BUNDLE.zip").is_visible()
    await context.close()
