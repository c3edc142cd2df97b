"""The gate's part of the walk: an engineer enters through real nginx, works, and is cut off by the revocation."""

from __future__ import annotations

import json
from contextlib import ExitStack

from demo.browser import Browser
from demo.gateway import find_nginx
from demo.parties import at_provider
from demo.stage import ENGINEERS, Stage
from demo.steps import expect

WITHOUT = "left out: nginx is not installed here"
WANTED = "/jobs?name=fulfilment"


class GateWalk:
    """An engineer at the gateway. Each step gives what was seen."""

    def __init__(self, stage: Stage, stack: ExitStack) -> None:
        self._stage = stage
        self._stack = stack
        self._engineer = stack.enter_context(Browser())
        self.is_there = find_nginx() is not None

    def closed(self) -> str:
        """Nginx stands in front of the environment and lets nobody in."""
        if not self.is_there:
            return WITHOUT
        for part in self._stage.start_gateway(self._stack):
            part.wait()
        self._page = self._engineer.open(f"{self._stage.gateway.origin}{WANTED}")
        expect(self._page.status == 401, f"{self._page.url} answered {self._page.status}")
        expect(self._reached() == [], f"the environment saw {self._reached()}")
        return f"{self._stage.gateway.origin} answers 401, and the environment saw nothing"

    def entered(self, token: str) -> str:
        """The engineer enters the token and signs in at the vendor's provider."""
        if not self.is_there:
            return WITHOUT
        there = self._engineer.send(self._page.form("/gate/enter"), token=token)
        page = at_provider(self._engineer, there, ENGINEERS[0]["email"])
        expect((page.status, page.url) == (200, f"{self._stage.gateway.origin}{WANTED}"), f"{page.url} ({page.status})")
        (first,) = self._reached()
        return f"{first['engineer']} is in, with session {first['session']}"

    def cut_off(self) -> str:
        """The engineer's next request is refused."""
        if not self.is_there:
            return WITHOUT
        page = self._engineer.open(f"{self._stage.gateway.origin}/jobs")
        expect(page.status == 403, f"{page.url} answered {page.status}")
        expect(len(self._reached()) == 1, f"the environment saw {self._reached()}")
        return "403, and the environment saw one request, which is the one recorded"

    def _reached(self) -> list[dict[str, str]]:
        log = self._stage.environment_log
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
