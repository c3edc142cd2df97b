"""What approvers may do next, and what the model expects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.actions import decisions, drafting, standing
from app.actions.answers import Answer, read_answer
from app.domain.errors import Refusal
from app.domain.events import Actor, Event
from app.domain.institution import eligible
from app.domain.request import (
    AccessRequest,
    Status,
    decide,
    judge_answer,
    revoke,
    status_at,
)
from app.domain.standing_rules import judge_giver, judge_offer, may_give
from app.domain.times import wire
from tests.actions.advance import give, join, offered
from tests.actions.machine_acts import FORBIDDEN, LATE, LIVE, ROLES, Acts
from tests.actions.worlds import CODE


@dataclass
class PeopleRules(Acts):
    """Answers, questions, taking back; standing approvals."""

    # Approvers.

    def _answer(self, request: AccessRequest) -> Answer:
        chosen, now = self.chosen, self.machine.now.replace(microsecond=0)
        roles = tuple(role for role in request.asked.roles if chosen.random() < 0.9)
        if chosen.random() < 0.7:
            return Answer("approve", "full", roles=request.asked.roles if chosen.random() < 0.8 else roles)
        begins = now + timedelta(minutes=chosen.randint(-10, 120))
        ends = begins + timedelta(minutes=chosen.randint(5, 300))
        return Answer("approve", "own", wire(begins), wire(ends), roles)

    def _judged(self, request: AccessRequest, email: str, given: Answer) -> list[Event] | Refusal:
        """What becomes of an answer, by the rules alone."""
        model, now, who = self.machine.model, self.machine.now, self.ids[email]
        if status_at(request, now) is not Status.PENDING:
            return LATE
        chosen = read_answer(given, request, now)
        if isinstance(chosen, Refusal):
            return chosen
        refusal = judge_answer(request, model.institution, who, chosen.verdict, chosen.terms, now)
        return refusal or decide(
            request, model.institution, who, chosen.verdict, chosen.terms, now=now, index=model.size, grant_id="grt",
            decision_id="dec", evidence=["sha256:"] if chosen.verdict == "approve" else [], comment="",
        )  # fmt: skip

    async def _answers(self, name: str, given: Callable[[AccessRequest], Answer], act: Any) -> None:
        request, email = self.machine.request(Status.PENDING), self.machine.anybody()
        if request is None or await self.who(email) is None:
            return
        answer = given(request)
        await self.machine.step(name, lambda: act(request.id, email, answer), self._judged(request, email, answer))

    async def approve(self) -> None:
        async def act(request: str, email: str, given: Answer) -> None:
            world = self.machine.world
            who = await world.visitor(email)
            draft = await drafting.answer(world.services, who, request, given)
            begun = await decisions.confirm(world.services, who, request, draft or "", None)
            assert begun is not None
            world.people[email] = (await world.travel(begun, email)).cookie or ""

        await self._answers("approve", self._answer, act)

    async def deny(self) -> None:
        async def act(request: str, email: str, given: Answer) -> None:
            world = self.machine.world
            who = await world.visitor(email)
            draft = await drafting.answer(world.services, who, request, given)
            await decisions.confirm(world.services, who, request, draft or "", None)

        await self._answers("deny", lambda _: Answer("deny", why="No."), act)

    async def ask(self) -> None:
        request, email = self.machine.request(*LIVE), self.machine.anybody()
        who = None if request is None else await self.who(email)
        if request is None or who is None:
            return
        product = self.machine.model.institution.environments[request.environment].product
        allowed = eligible(self.machine.model.institution, self.ids[email], product)
        made = self.message(request, who.actor, "institution") if allowed else FORBIDDEN
        given, services = Answer("ask", q="Why?"), self.machine.world.services
        await self.command("ask", request, lambda: drafting.answer(services, who, request.id, given), made)

    async def revoke(self) -> None:
        request, email = self.machine.request(*LIVE[1:]), self.machine.anybody()
        who = None if request is None else await self.who(email)
        if request is None or who is None:
            return
        product = self.machine.model.institution.environments[request.environment].product
        made: list[Event] | Refusal = revoke(request, who.actor, "approver", "", self.machine.now)
        if not eligible(self.machine.model.institution, self.ids[email], product):
            made = FORBIDDEN
        services = self.machine.world.services
        await self.command("revoke", request, lambda: decisions.revoke(services, who, request.id, ""), made)

    # Standing approvals.

    async def give(self) -> None:
        world, model, now, email = self.machine.world, self.machine.model, self.machine.now, self.machine.anybody()
        if await self.who(email) is None:
            return
        case = f"0654321{self.chosen.randint(0, 4)}" if self.chosen.random() < 0.5 else None
        changes = {
            "case_number": case,
            "environment": None if case else "alma-production",
            "roles": tuple(sorted(self.chosen.sample(ROLES, self.chosen.randint(0, 3)))),
            "max_window_minutes": self.chosen.choice((60, 120, 480, 600)),
            "uses": self.chosen.randint(1, 3),
            "not_after": now.replace(microsecond=0) + timedelta(hours=self.chosen.randint(1, 48)),
        }
        approval = replace(offered(world, **changes), id="sta_new")
        actor = Actor("person", self.ids[email])
        refusal = judge_offer(approval, model.institution, now)
        refusal = refusal or judge_giver(approval, model.institution, actor.id, now)
        data = {**approval.terms, "decisions": []}
        made = refusal or [Event("standing_approval.given", "sta_new", actor, data, {"comment": ""})]
        await self.machine.step("give", lambda: give(world, email, **changes), made)

    async def join(self) -> None:
        world, model, now, email = self.machine.world, self.machine.model, self.machine.now, self.machine.anybody()
        if not model.standing or await self.who(email) is None:
            return
        approval = self.chosen.choice(list(model.standing.values())[-8:])
        actor = Actor("person", self.ids[email])
        refusal = judge_giver(approval, model.institution, actor.id, now)
        data = {**approval.terms, "decisions": [giver.index for giver in approval.givers]}
        made = refusal or [Event("standing_approval.given", approval.id, actor, data, {"comment": ""})]
        await self.machine.step("join", lambda: join(world, email, approval.id), made)

    async def end(self) -> None:
        model, email = self.machine.model, self.machine.anybody()
        who = await self.who(email) if model.standing else None
        if who is None:
            return
        approval = self.chosen.choice(list(model.standing.values())[-8:])
        made: list[Event] | Refusal = [
            Event("standing_approval.ended", approval.id, who.actor, {"because": "approver"})
        ]
        if not may_give(approval, model.institution, who.person):
            made = FORBIDDEN
        elif not approval.open_at(self.machine.now):
            made = LATE
        services = self.machine.world.services
        await self.machine.step("end", lambda: standing.end(services, who, CODE, approval.id), made)
