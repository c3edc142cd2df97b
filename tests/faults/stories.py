"""What people and systems do all the time while the service is killed under them.

A story is one request from its filing to its end. Whatever breaks off is found out about before the story goes on, as
its people and systems would: by the idempotency key, by looking, by pressing again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from demo.browser import Form
from tests.actions.worlds import DEPUTY, HEAD, LIBRARIAN
from tests.faults.console import PAUSE_S, Console
from tests.faults.history import Call, History, Outcome, Unknown
from tests.faults.service import Service
from tests.faults.tab import Tab

APPROVERS = {HEAD: "Head of Systems", LIBRARIAN: "Systems Librarian", DEPUTY: "Deputy Librarian"}
SUPPORT, IMPLEMENTATION = "alma-production", "esploro-sandbox"
ONE, TWO = 60, 300
"""Minutes that one person, or two, have to approve."""


class Teller:
    """Tells one story after the other, with tabs of its own for each approver."""

    def __init__(self, service: Service, history: History, console: Console, random: Random) -> None:
        self._service, self._history, self._console, self._random = service, history, console, random
        self._tabs: dict[str, Tab] = {}

    async def prepare(self, stack: AsyncExitStack) -> None:
        """Sign everybody in; the tabs are closed with the stack."""
        for email in APPROVERS:
            self._tabs[email] = await stack.enter_async_context(Tab(self._service, self._history, email))
            await self._tabs[email].sign_in()

    async def tell(self, over: asyncio.Event) -> None:
        """Tell stories until it is over; the last one is told to its end."""
        stories = (
            self._use,
            self._use,
            self._two,
            self._deny,
            self._withdraw,
            self._race,
            self._implement,
            self._later,
        )
        while not over.is_set():
            await self._random.choice(stories)()

    # -- stories -------------------------------------------------------------------------------------------------------

    async def _use(self) -> None:
        """Approved, used, and ended in one way or the other, or not at all."""
        request = (await self._console.file(SUPPORT, ONE))["id"]
        await self.approve(self._anybody(), request)
        await self._go_on(request)

    async def _two(self) -> None:
        """Two have to approve, and do so at the same time."""
        request = (await self._console.file(SUPPORT, TWO))["id"]
        first, second = self._random.sample(list(APPROVERS), 2)
        await asyncio.gather(self.approve(first, request), self.approve(second, request))
        await self._go_on(request)

    async def _deny(self) -> None:
        await self.deny(self._anybody(), (await self._console.file(SUPPORT, ONE))["id"])

    async def _withdraw(self) -> None:
        await self._console.end("withdraw", (await self._console.file(SUPPORT, ONE))["id"])

    async def _race(self) -> None:
        """Approved, denied and withdrawn at once."""
        request = (await self._console.file(SUPPORT, ONE))["id"]
        first, second = self._random.sample(list(APPROVERS), 2)
        racers: list[Awaitable[object]] = [self.approve(first, request), self.deny(second, request)]
        if self._random.random() < 0.5:
            racers.append(self._console.end("withdraw", request))
        await asyncio.gather(*racers)
        await self._go_on(request)

    async def _implement(self) -> None:
        """Approved at once, because the institution is still being set up."""
        await self._go_on((await self._console.file(IMPLEMENTATION, ONE))["id"])

    async def _later(self) -> None:
        """Approved before its window opens."""
        begins = datetime.now(UTC) + timedelta(seconds=2)
        request = (await self._console.file(SUPPORT, ONE, begins))["id"]
        await self.approve(self._anybody(), request)
        await self._go_on(request)

    async def _go_on(self, request: str) -> None:
        """Mint, introspect, end, introspect again, where there is a grant."""
        token, again = await self._console.mint(request)
        while token is None and again:
            await asyncio.sleep(min(again, 1))
            token, again = await self._console.mint(request)
        if token is None:
            return
        await self._console.introspect(request, token)
        ends = (self._revoke, self._revoke, self._complete, self._leave)
        if await self._random.choice(ends)(request):
            await self._console.introspect(request, token)
            await self._console.mint(request)

    async def _leave(self, _request: str) -> bool:
        return False

    async def _complete(self, request: str) -> bool:
        return await self._console.end("complete", request)

    # -- at the pages --------------------------------------------------------------------------------------------------

    async def approve(self, email: str, request: str) -> None:
        """Countersign, as often as it takes to know what came of it."""
        tab = self._tabs[email]

        async def press() -> None:
            check = await self._answer(tab, request, "approve", window="full")
            if check is not None:
                await tab.press(check, "depart", request, back="approve")

        await self._press_until_known("approve", email, request, press)

    async def deny(self, email: str, request: str) -> None:
        """Deny, likewise."""
        tab = self._tabs[email]

        async def press() -> None:
            check = await self._answer(tab, request, "deny", why="Not today.")
            if check is not None:
                await tab.press(check, "deny", request)

        await self._press_until_known("deny", email, request, press)

    async def _revoke(self, request: str) -> bool:
        """Take access back, likewise; whether it is revoked."""
        email = self._anybody()
        tab = self._tabs[email]

        async def press() -> None:
            page = await tab.open(f"/requests/{request}")
            for form in page.forms("/revoke"):
                await tab.press(form, "revoke", request)
                return

        await self._press_until_known("revoke", email, request, press)
        return bool((await self._console.read(request))["status"] == "revoked")

    async def _answer(self, tab: Tab, request: str, decision: str, **answer: str) -> Form | None:
        """Answer on the form; the form of the check page, or null where nothing can be answered any more."""
        if self._random.random() < 0.1:
            await tab.sign_in()
        page = await tab.open(f"/requests/{request}")
        for form in page.forms("/answer"):
            if ("decision", decision) in form.buttons:  # a form that asks alone stands on what is decided
                check = await tab.press(form, "answer", request, decision=decision, **answer)
                return next(iter(check.forms(check.url.rpartition("/check")[2])), None)
        return None

    async def _press_until_known(
        self, kind: str, email: str, request: str, press: Callable[[], Awaitable[None]]
    ) -> None:
        while True:
            before = len(self._history.calls)
            try:
                await press()
                return
            except Unknown:
                await asyncio.sleep(PAUSE_S)
                broke_off = [each for each in self._history.calls[before:] if self._is(each, kind, email, request)]
            if not broke_off:
                continue
            await self._reload(self._tabs[email], broke_off[-1])
            seen = await self._console.read(request)
            broke_off[-1].answer["found"] = found = took_effect(seen, kind, APPROVERS[email])
            if found:
                return

    async def _reload(self, tab: Tab, call: Call) -> None:
        """What everybody does with a page that does not come: press reload, where it has an address."""
        if "url" in call.answer and self._random.random() < 0.5:
            try:
                await self._service.up.wait()
                await tab.reload(call.answer["url"], call.kind, call.what)
            except Unknown:
                return

    @staticmethod
    def _is(call: Call, kind: str, email: str, request: str) -> bool:
        return (call.kind, call.who, call.what, call.outcome) == (kind, email, request, Outcome.UNKNOWN)

    def _anybody(self) -> str:
        return self._random.choice(list(APPROVERS))


def took_effect(seen: dict[str, Any], kind: str, name: str) -> bool:
    """Whether a press shows in the request as the API gives it."""
    if kind == "revoke":
        return bool(seen["status"] == "revoked")
    return any(each["verdict"] == kind and each["by"] == name for each in seen["decisions"])
