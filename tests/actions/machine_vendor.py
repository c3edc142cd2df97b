"""What vendor systems may do next, through the API, and what the model expects."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.actions import grants, introspection
from app.domain.errors import Refusal
from app.domain.events import Actor, Event
from app.domain.request import (
    Permit,
    Status,
    complete,
    created,
    created_event,
    implementation_grant,
    judge_ask,
    may_mint,
    status_at,
    withdraw,
)
from app.domain.times import wire
from tests.actions.machine import Divergence, Token, asked_of, placed
from tests.actions.machine_acts import LIVE, ROLES, SANDBOX, Acts
from tests.api.conftest import ACCESS, asked


@dataclass
class VendorRules(Acts):
    """Filing, ending, writing, tokens."""

    # Vendor systems.

    async def file(self) -> None:
        chosen, now, model = self.chosen, self.machine.now, self.machine.model
        begins = (
            None if chosen.random() < 0.6 else now.replace(microsecond=0) + timedelta(minutes=chosen.randint(1, 600))
        )
        earlier = self.machine.request(*LIVE) if chosen.random() < 0.2 else None
        new = self.machine.world.ask(
            environment=SANDBOX if chosen.random() < 0.2 else "alma-production",
            case_number=f"0654321{chosen.randint(0, 4)}",
            escalated=chosen.random() < 0.9,
            minutes=chosen.choice((15, 60, 60, 120, 240, 480, 600)),
            not_before=begins,
            roles=tuple(sorted(chosen.sample(ROLES, chosen.randint(0, 2)))),
            extends=None if earlier is None else earlier.id,
        )
        ask = asked_of(self.machine.world, new)
        permit = judge_ask(ask, model.institution, now)
        body = asked(
            environment=new.environment, roles=list(new.roles), extends=new.extends,
            case={"number": new.case_number, "title": new.case_title, "severity": "high", "escalated": new.escalated},
            window={"not_before": None if begins is None else wire(begins), "minutes": new.minutes},
        )  # fmt: skip
        body["engineer"] |= {"id": new.engineer_id, "email": new.engineer_email}
        expected: list[Event] | Refusal = permit if isinstance(permit, Refusal) else self._made(ask, permit)
        await self.machine.step("file", lambda: self.call("POST", ACCESS, body), expected)

    def _made(self, ask: Any, permit: Permit) -> list[Event]:
        now, model = self.machine.now, self.machine.model
        made = created_event("req_new", ask, permit, "2026-0001", Actor("client", self.machine.world.client), {})
        request = created(placed(made, model.size, now), "sha256:" + "0" * 64)
        if permit.ground == "implementation":
            events = implementation_grant(request, model.institution, now, "grt")
            assert isinstance(events, list)
            return [made, *events]
        return [made, *model.serving(request, now)]

    async def withdraw(self) -> None:
        request, client = self.machine.request(Status.PENDING), Actor("client", self.machine.world.client)
        if request is not None:
            made = withdraw(request, client, "r", self.machine.now)
            path = f"{ACCESS}/{request.id}/withdraw"
            await self.command("withdraw", request, lambda: self.call("POST", path, {"reason": "Not now."}), made)

    async def complete(self) -> None:
        request, client = self.machine.request(*LIVE[1:]), Actor("client", self.machine.world.client)
        if request is not None:
            made = complete(request, client, "s", self.machine.now)
            path = f"{ACCESS}/{request.id}/complete"
            await self.command("complete", request, lambda: self.call("POST", path, {"summary": "It is done."}), made)

    async def write(self) -> None:
        request = self.machine.request(*LIVE)
        if request is not None:
            path = f"{ACCESS}/{request.id}/messages"
            made = self.message(request, Actor("client", self.machine.world.client), "vendor")
            await self.command("message", request, lambda: self.call("POST", path, {"text": "As you ask."}), made)

    async def mint(self) -> None:
        request = self.machine.request(Status.ACTIVE)
        if request is None:
            return
        given = may_mint(request, self.machine.now)
        issued = Event("token.issued", request.id, Actor("client", self.machine.world.client), {})
        due = self.machine.model.due_of(request.id, self.machine.now)
        expected = given if isinstance(given, Refusal) else [*due, issued]
        answer = await self.machine.step("mint", lambda: self.call("POST", f"{ACCESS}/{request.id}/token"), expected)
        if answer is None or isinstance(given, Refusal):
            return
        claims = json.loads(urlsafe_b64decode(answer["access_token"].split(".")[1] + "=="))
        if claims["exp"] > given.not_after.timestamp() or claims["nbf"] + 1 < given.not_before.timestamp():
            raise Divergence(f"a token of {request.id} goes beyond its grant")
        self.machine.model.tokens.append(Token(request.id, answer["access_token"], claims["exp"]))

    async def introspect(self) -> None:
        tokens, world = self.machine.model.tokens, self.machine.world
        if not tokens:
            return
        token = self.chosen.choice(tokens[-30:])
        request = self.machine.model.requests[token.request]
        wanted = (
            not token.revoked
            and status_at(request, self.machine.now) is Status.ACTIVE
            and self.machine.now.timestamp() < token.exp
        )
        caller = replace(world.caller, audiences=frozenset({"https://gateway.vendor.example/exu-alma",
                                                            "https://gateway.vendor.example/exu-esploro"}))  # fmt: skip
        told = await self.machine.step(
            "introspect", lambda: introspection.introspect(world.services, caller, token.access_token), []
        )
        if told["active"] != wanted:
            raise Divergence(f"a token of {token.request} is told as active: {told['active']}")

    async def take_back(self) -> None:
        tokens = [each for each in self.machine.model.tokens if not each.revoked]
        if tokens:
            token, world = self.chosen.choice(tokens), self.machine.world
            act = grants.take_back
            await self.machine.step(
                "token back", lambda: act(world.services, world.client, token.access_token), [], exact=False
            )
            token.revoked = True
