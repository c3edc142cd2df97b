"""An engineer in Chromium, at the gateway's own address, and what the environment behind it saw."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Response

    from demo.stage import Stage


@dataclass
class Engineer:
    """Somebody at a browser of their own."""

    page: Page
    stage: Stage
    login: str

    @classmethod
    async def at(cls, browser: Browser, stage: Stage, login: str, *, scripts: bool = False) -> Engineer:
        """A fresh browser profile."""
        context = await browser.new_context(java_script_enabled=scripts, viewport={"width": 1280, "height": 800})
        return cls(await context.new_page(), stage, login)

    async def open(self, path: str) -> Response:
        """Type an address of the environment."""
        answer = await self.page.goto(f"{self.stage.gateway.origin}{path}")
        assert answer is not None
        return answer

    async def press(self, name: str) -> Response:
        """Press a button or a link, and wait for the page it leads to."""
        async with self.page.expect_navigation() as going:
            await self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name)).first.click()
        answer = await going.value
        assert answer is not None
        return answer

    async def enter(self, token: str) -> None:
        """Fill the form of the page that is open, and sign in at the vendor's provider."""
        await self.page.get_by_label("Approval token").fill(token)
        await self.press("Enter")
        await self.page.locator("input[name=login]").fill(self.login)
        async with self.page.expect_navigation(url=f"{self.stage.gateway.origin}/**"):
            await self.page.get_by_role("button", name="Sign in").click()

    async def text(self) -> str:
        """What the page says."""
        return await self.page.locator("body").inner_text()


def reached(log: Path) -> list[dict[str, Any]]:
    """What reached the environment, in its order."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
