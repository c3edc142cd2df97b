"""Mails as people see them: pictures of each, on a phone and wide, light and dark; and nothing overflows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from app.notify.facts import Facts
from app.notify.messages import render
from tests.notify.samples import RECEIPT
from tests.notify.test_mail import HOSTILE, LAYOUTS, poisoned

if TYPE_CHECKING:
    from playwright.async_api import Browser

PICTURES = Path(__file__).parents[2] / "var" / "shots" / "mails"
"""Kept, to be looked at."""

NARROW, WIDE = 390, 1280
_THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def _html(facts: Facts) -> str:
    return render(facts, RECEIPT).html


@pytest.mark.parametrize("theme", _THEMES)
async def test_every_mail_fits_and_is_pictured(browser: Browser, theme: Literal["light", "dark"]) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    context = await browser.new_context(color_scheme=theme, java_script_enabled=True)
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for layout, facts in LAYOUTS.items():
        name = " ".join(layout)
        await page.set_content(_html(facts))
        await page.add_style_tag(content="html{scrollbar-width:none}")  # a picture is as wide as what is measured
        for width in (320, NARROW, WIDE):
            await page.set_viewport_size({"width": width, "height": 900})
            assert not await page.evaluate(_OVERFLOWS), (name, width)
            if width != 320:
                file = f"{re.sub(r'[^a-z]+', '-', name.lower()).strip('-')}-{width}-{theme}.png"
                await page.screenshot(path=PICTURES / file, full_page=True)
    assert asked == [], "a mail loads nothing"
    await context.close()


async def test_no_hostile_text_breaks_the_layout(browser: Browser) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.set_viewport_size({"width": 320, "height": 900})
    for layout, facts in LAYOUTS.items():
        for name in ("markup", "bidi", "endless", "endless astral", "hebrew"):
            await page.set_content(_html(poisoned(facts, HOSTILE[name])))
            assert not await page.evaluate(_OVERFLOWS), (layout, name)
            assert await page.evaluate("document.scripts.length + document.images.length") == 0
    await context.close()
