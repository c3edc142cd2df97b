"""What the rules of the machine share: the API, who is signed in, commands on a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2

from app.actions.signin import visitor
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.request import (
    AccessRequest,
    Status,
    status_at,
)
from tests.actions.machine import Divergence, Machine
from tests.api.conftest import ACCESS, Api

ROLES = ("Cataloger", "Fulfillment Administrator", "Letter Administrator")
SANDBOX = "esploro-sandbox"
LIVE = (Status.PENDING, Status.APPROVED, Status.ACTIVE)
GONE = Refusal("not-found", "")
LATE = Refusal("wrong-state", "")
FORBIDDEN = Refusal("not-approver", "")


@dataclass
class Acts:
    """A machine, the API of its world, and the ids of its people by address."""

    machine: Machine
    calls: Api
    ids: dict[str, str]

    @property
    def chosen(self) -> Any:
        return self.machine.chosen

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The API's answer. Raises `Refused` with the problem it names."""
        answer = await self._sent(method, path, body)
        if answer.status_code == 401:
            self.calls.http.headers["Authorization"] = await self.calls.token()
            answer = await self._sent(method, path, body)
        if answer.status_code >= 400:
            raise Refused(Refusal(answer.json()["type"].rpartition("/")[2], answer.text))
        return answer.json()

    async def _sent(self, method: str, path: str, body: Any) -> httpx2.Response:
        return await self.calls.http.request(method, path, json=body)

    async def who(self, email: str) -> Any:
        """Somebody signed in, anew where their session is over; None for whoever is not of the roster any more."""
        found = await visitor(self.machine.world.services, self.machine.world.people[email])
        if found is None and not self.machine.model.institution.people[self.ids[email]].removed:
            found = await self.machine.world.sign_in(email)
            await self.machine.step("sign in", nothing, [])
            self.machine.steps -= 1
        return found

    async def look(self) -> None:
        """The API tells of a request what the model does."""
        request = self.machine.request(*LIVE)
        if request is None:
            return
        told = await self.call("GET", f"{ACCESS}/{request.id}")
        seen = {
            "status": told["status"],
            "approvals": told["approvals"],
            "decisions": [each["verdict"] for each in told["decisions"]],
            "grant": None if told["grant"] is None else [told["grant"]["id"], told["grant"]["roles"]],
        }
        if seen != self.machine.shown(request):
            raise Divergence(f"{request.id}: the API tells {seen}, the model {self.machine.shown(request)}")

    async def command(self, name: str, request: AccessRequest, act: Any, made: list[Event] | Refusal) -> None:
        """A step on a request, before which what the clock is due of it is recorded."""
        due = self.machine.model.due_of(request.id, self.machine.now)
        await self.machine.step(name, act, made if isinstance(made, Refusal) else [*due, *made])

    def message(self, request: AccessRequest, actor: Actor, side: str) -> list[Event] | Refusal:
        """What a message appends, or why it is too late for one."""
        if status_at(request, self.machine.now) not in LIVE:
            return LATE
        return [Event("message.sent", request.id, actor, {"from": side}, {"text": ""})]


async def nothing() -> None:
    """A step that is only time, or a sign-in."""
    return
