"""The rules of the machine: what people, vendor systems, admins and the clock may do, and what the model expects."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx2

from app.actions import clock, decisions, drafting, environments, grants, introspection, person, standing
from app.actions.answers import Answer, read_answer
from app.actions.endings import change
from app.actions.ledger import write
from app.actions.person import Kept
from app.actions.signin import visitor
from app.domain.errors import Refusal, Refused
from app.domain.events import SERVICE, Actor, Event
from app.domain.institution import eligible, evolve, judge_removal, judge_roles
from app.domain.policy import Blackout, Hours, Policy
from app.domain.request import (
    AccessRequest,
    Permit,
    Status,
    complete,
    created,
    created_event,
    decide,
    implementation_grant,
    judge_answer,
    judge_ask,
    may_mint,
    revoke,
    status_at,
    withdraw,
)
from app.domain.standing_rules import judge_giver, judge_offer, may_give
from app.domain.times import wire
from tests.actions.advance import give, join, offered
from tests.actions.machine import Divergence, Machine, Token, asked_of, placed
from tests.actions.worlds import AUDITOR, CODE, HEAD
from tests.api.conftest import ACCESS, Api, asked

ROLES = ("Cataloger", "Fulfillment Administrator", "Letter Administrator")
SANDBOX = "esploro-sandbox"
_LIVE = (Status.PENDING, Status.APPROVED, Status.ACTIVE)
_GONE = Refusal("not-found", "")
_LATE = Refusal("wrong-state", "")
_FORBIDDEN = Refusal("not-approver", "")


@dataclass
class Rules:
    """Everything that can happen next."""

    machine: Machine
    calls: Api
    ids: dict[str, str]

    @property
    def chosen(self) -> Any:
        return self.machine.chosen

    async def run(self, steps: int) -> None:
        """So many steps, each by a rule chosen by its weight."""
        rules = [rule for rule, weight in self.weights() for _ in range(weight)]
        until = self.machine.steps + steps
        while self.machine.steps < until:
            await self.chosen.choice(rules)()
            if self.machine.steps % 20 == 0:
                await self.look()
        await self.machine.agree()

    def weights(self) -> list[tuple[Callable[[], Awaitable[None]], int]]:
        """Rules, and how often each is chosen."""
        return [
            (self.file, 12), (self.approve, 16), (self.deny, 3), (self.withdraw, 2), (self.complete, 3),
            (self.revoke, 3), (self.write, 3), (self.ask, 3), (self.pass_time, 10), (self.sweep, 3), (self.mint, 8),
            (self.introspect, 8), (self.take_back, 2), (self.tighten, 1), (self.remove, 1), (self.take_role, 1),
            (self.switch, 1), (self.give, 3), (self.join, 3), (self.end, 1), (self.sweep_standing, 1),
        ]  # fmt: skip

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
            await self.machine.step("sign in", _nothing, [])
            self.machine.steps -= 1
        return found

    async def look(self) -> None:
        """The API tells of a request what the model does."""
        request = self.machine.request(*_LIVE)
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

    # Vendor systems.

    async def file(self) -> None:
        chosen, now, model = self.chosen, self.machine.now, self.machine.model
        begins = (
            None if chosen.random() < 0.6 else now.replace(microsecond=0) + timedelta(minutes=chosen.randint(1, 600))
        )
        earlier = self.machine.request(*_LIVE) if chosen.random() < 0.2 else None
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

    async def _command(self, name: str, request: AccessRequest, act: Any, made: list[Event] | Refusal) -> None:
        due = self.machine.model.due_of(request.id, self.machine.now)
        await self.machine.step(name, act, made if isinstance(made, Refusal) else [*due, *made])

    async def withdraw(self) -> None:
        request, client = self.machine.request(Status.PENDING), Actor("client", self.machine.world.client)
        if request is not None:
            made = withdraw(request, client, "r", self.machine.now)
            path = f"{ACCESS}/{request.id}/withdraw"
            await self._command("withdraw", request, lambda: self.call("POST", path, {"reason": "Not now."}), made)

    async def complete(self) -> None:
        request, client = self.machine.request(*_LIVE[1:]), Actor("client", self.machine.world.client)
        if request is not None:
            made = complete(request, client, "s", self.machine.now)
            path = f"{ACCESS}/{request.id}/complete"
            await self._command("complete", request, lambda: self.call("POST", path, {"summary": "It is done."}), made)

    async def write(self) -> None:
        request = self.machine.request(*_LIVE)
        if request is not None:
            path = f"{ACCESS}/{request.id}/messages"
            made = self._message(request, Actor("client", self.machine.world.client), "vendor")
            await self._command("message", request, lambda: self.call("POST", path, {"text": "As you ask."}), made)

    def _message(self, request: AccessRequest, actor: Actor, side: str) -> list[Event] | Refusal:
        if status_at(request, self.machine.now) not in _LIVE:
            return _LATE
        return [Event("message.sent", request.id, actor, {"from": side}, {"text": ""})]

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
            return _LATE
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
        request, email = self.machine.request(*_LIVE), self.machine.anybody()
        who = None if request is None else await self.who(email)
        if request is None or who is None:
            return
        product = self.machine.model.institution.environments[request.environment].product
        allowed = eligible(self.machine.model.institution, self.ids[email], product)
        made = self._message(request, who.actor, "institution") if allowed else _FORBIDDEN
        given, services = Answer("ask", q="Why?"), self.machine.world.services
        await self._command("ask", request, lambda: drafting.answer(services, who, request.id, given), made)

    async def revoke(self) -> None:
        request, email = self.machine.request(*_LIVE[1:]), self.machine.anybody()
        who = None if request is None else await self.who(email)
        if request is None or who is None:
            return
        product = self.machine.model.institution.environments[request.environment].product
        made: list[Event] | Refusal = revoke(request, who.actor, "approver", "", self.machine.now)
        if not eligible(self.machine.model.institution, self.ids[email], product):
            made = _FORBIDDEN
        services = self.machine.world.services
        await self._command("revoke", request, lambda: decisions.revoke(services, who, request.id, ""), made)

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
            made = _FORBIDDEN
        elif not approval.open_at(self.machine.now):
            made = _LATE
        services = self.machine.world.services
        await self.machine.step("end", lambda: standing.end(services, who, CODE, approval.id), made)

    # Admins.

    async def tighten(self) -> None:
        if self.chosen.random() < 0.5:
            return
        policy = self.machine.model.institution.policy
        tighter = self.chosen.choice(_TIGHTER)(policy, self.machine.now, self.chosen)
        data = {"change": None, "policy": tighter.to_data(), "evidence": []}
        event = Event("policy.set", CODE, Actor("person", self.ids[HEAD]), data)

        async def act() -> None:
            async with write(self.machine.world.services, CODE) as book:
                await change(book, event)

        await self.machine.step("policy", act, self.machine.model.follows(event, self.machine.now))

    async def remove(self) -> None:
        email, model = self.machine.anybody(), self.machine.model
        if email == AUDITOR:  # who takes the bundle home in the end
            return
        who = await self.who(HEAD)
        event = Event("person.removed", self.ids[email], who.actor, {})
        expected: list[Event] | Refusal = [event]
        if model.institution.people[self.ids[email]].removed:
            expected = _GONE
        elif (refusal := judge_removal(model.institution, self.ids[email])) is not None and email == HEAD:
            expected = refusal
        elif self.chosen.random() < 0.5:
            return
        else:
            expected = self._with_ends(event)
        services = self.machine.world.services
        await self.machine.step("remove", lambda: person.remove(services, who, self.ids[email]), expected)

    def _with_ends(self, event: Event) -> list[Event]:
        model = self.machine.model
        changed = evolve(model.institution, placed(event, model.size, self.machine.now))
        return [event, *model.unfit(changed)]

    async def take_role(self) -> None:
        email, model = self.machine.anybody(), self.machine.model
        found = model.institution.people[self.ids[email]]
        if email in {HEAD, AUDITOR} or found.removed or not found.roles or self.chosen.random() < 0.5:
            return
        who = await self.who(HEAD)
        fewer = found.roles[1:]
        assert judge_roles(model.institution, found.id, fewer, found.products) is None
        data = {"change": None, "roles": list(fewer), "products": list(found.products), "source": "roster"}
        event = Event("person.roles_changed", found.id, who.actor, {**data, "evidence": []})
        kept, services = Kept(fewer, found.products, None, None), self.machine.world.services
        act = person.change
        await self.machine.step("role", lambda: act(services, who, found.id, kept), self._with_ends(event))

    async def switch(self) -> None:
        if self.chosen.random() < 0.7:
            return
        world, model = self.machine.world, self.machine.model
        event = Event("environment.switched_to_support", CODE, Actor("client", world.client), {"environment": SANDBOX})
        done = model.institution.environments[SANDBOX].phase == "support"
        expected: list[Event] | Refusal = _LATE if done else model.follows(event, self.machine.now)
        act = environments.switch_to_support
        await self.machine.step("switch", lambda: act(world.services, world.caller, CODE, SANDBOX), expected)

    # The clock.

    async def pass_time(self) -> None:
        minutes = self.chosen.choice((1, 2, 5, 10, 20, 45, 45, 90, 300))
        self.machine.world.skip(timedelta(minutes=minutes))
        await self.machine.step("time", _nothing, [])

    async def sweep(self) -> None:
        async def act() -> None:
            while await clock.sweep(self.machine.world.services):
                pass

        model = self.machine.model
        due = [event for each in model.requests.values() for event in model.due_of(each.id, self.machine.now)]
        await self.machine.step("sweep", act, due)

    async def sweep_standing(self) -> None:
        over = [
            each
            for each in self.machine.model.standing.values()
            if each.ended_because is None and self.machine.now >= each.not_after
        ]
        ends = [Event("standing_approval.ended", each.id, SERVICE, {"because": "elapsed"}) for each in over]
        services = self.machine.world.services
        await self.machine.step("sweep standing", lambda: standing.sweep(services), ends)


async def _nothing() -> None:
    return


def _hours(policy: Policy, _: Any, __: Any) -> Policy:
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return replace(policy, access_hours=policy.access_hours or tuple(Hours(day, 60, 1400) for day in week))


def _blackout(policy: Policy, now: Any, chosen: Any) -> Policy:
    begins = now + timedelta(minutes=chosen.randint(0, 600))
    ends = begins + timedelta(minutes=60)
    closed = Blackout(begins.strftime("%Y-%m-%dT%H:%M"), ends.strftime("%Y-%m-%dT%H:%M"))
    return replace(policy, blackouts=(*policy.blackouts, closed)[:100])


_TIGHTER: tuple[Callable[[Policy, Any, Any], Policy], ...] = (
    lambda policy, _, __: replace(policy, approvals_required=min(3, policy.approvals_required + 1)),
    lambda policy, _, __: replace(policy, max_window_minutes=max(120, policy.max_window_minutes - 60)),
    lambda policy, _, __: replace(policy, second_approval_over_minutes=policy.second_approval_over_minutes or 120),
    lambda policy, _, __: replace(policy, token_ttl_minutes=max(3, policy.token_ttl_minutes - 1)),
    lambda policy, _, chosen: replace(
        policy, standing_approvals_allowed=policy.standing_approvals_allowed and chosen.random() < 0.5
    ),
    _hours,
    _blackout,
)
