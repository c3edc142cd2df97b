"""An approver in Chromium: the real browser over `await`, with the few gestures that the story needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from demo.stage import Stage

CODE = "01EXU_INST"


@dataclass
class Person:
    """Somebody at a browser of their own. `refused`: what the pages' policy kept from loading."""

    page: Page
    stage: Stage
    login: str
    refused: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, browser: Browser, stage: Stage, login: str, *, scripts: bool = False) -> Person:
        """A fresh browser profile, as on a phone."""
        context = await browser.new_context(java_script_enabled=scripts, viewport={"width": 390, "height": 844})
        person = cls(await context.new_page(), stage, login)
        person.page.on("console", lambda message: person.hear(message.text))
        return person

    def hear(self, message: str) -> None:
        """A line of the browser's console; that a page answered with an error status is no refusal of the browser."""
        if not message.startswith("Failed to load resource: the server responded with"):
            self.refused.append(message)

    @property
    def path(self) -> str:
        """Where the browser is, without the host."""
        return urlsplit(self.page.url).path

    async def open(self, path: str) -> None:
        """Type an address of the service."""
        await self.page.goto(f"{self.stage.base_url}{path}" if path.startswith("/") else path)

    async def press(self, name: str) -> None:
        """Press the button of this name, and wait for the page it leads to."""
        async with self.page.expect_navigation():
            await self.page.get_by_role("button", name=name).first.click()

    async def sign_in(self, button: str = "Go to the sign-in") -> None:
        """Through the provider: its page asks who is there, unless it remembers."""
        await self.press(button)
        await self.tell_provider()

    async def tell_provider(self) -> None:
        """Fill the provider's own form, where it shows one."""
        if self.page.url.startswith(self.stage.issuer_of(CODE)):
            await self.page.locator("input[name=login]").fill(self.login)
            async with self.page.expect_navigation(url=f"{self.stage.base_url}/**"):
                await self.page.get_by_role("button").first.click()

    async def text(self) -> str:
        """What the page says."""
        return await self.page.locator("body").inner_text()
