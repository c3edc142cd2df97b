"""The rules of the machine: what vendor systems, people, admins and the clock may do, each by its weight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from app.actions import clock, environments, person, standing
from app.actions.endings import change
from app.actions.ledger import write
from app.actions.person import Kept
from app.domain.errors import Refusal
from app.domain.events import SERVICE, Actor, Event
from app.domain.institution import judge_removal
from app.domain.policy import Blackout, Hours, Policy
from tests.actions.machine_acts import GONE, LATE, SANDBOX, nothing
from tests.actions.machine_changes import ChangeRules
from tests.actions.machine_people import PeopleRules
from tests.actions.machine_vendor import VendorRules
from tests.actions.worlds import AUDITOR, CODE, HEAD


@dataclass
class Rules(VendorRules, PeopleRules, ChangeRules):
    """Everything that can happen next."""

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
            (self.loosen, 2), (self.newcomer, 2), (self.promote, 1), (self.agree, 5), (self.reject, 1), (self.bind, 2),
        ]  # fmt: skip

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
            expected = GONE
        elif email == HEAD:  # who does what admins do; refused while nobody else could
            refusal = judge_removal(model.institution, self.ids[email])
            if refusal is None:
                return
            expected = refusal
        elif self.chosen.random() < 0.5:
            return
        else:
            expected = self.with_ends(event)
        services = self.machine.world.services
        await self.machine.step("remove", lambda: person.remove(services, who, self.ids[email]), expected)

    async def take_role(self) -> None:
        email, model = self.machine.anybody(), self.machine.model
        found = model.institution.people[self.ids[email]]
        if email in {HEAD, AUDITOR} or found.removed or not found.roles or self.chosen.random() < 0.5:
            return
        who = await self.who(HEAD)
        fewer = found.roles[1:]
        data = {"change": None, "roles": list(fewer), "products": list(found.products), "source": "roster"}
        event = Event("person.roles_changed", found.id, who.actor, {**data, "evidence": []})
        kept, services = Kept(fewer, found.products, None, None), self.machine.world.services
        act = person.change
        await self.machine.step("role", lambda: act(services, who, found.id, kept), self.with_ends(event))

    async def switch(self) -> None:
        if self.chosen.random() < 0.7:
            return
        world, model = self.machine.world, self.machine.model
        event = Event("environment.switched_to_support", CODE, Actor("client", world.client), {"environment": SANDBOX})
        done = model.institution.environments[SANDBOX].phase == "support"
        expected: list[Event] | Refusal = LATE if done else model.follows(event, self.machine.now)
        act = environments.switch_to_support
        await self.machine.step("switch", lambda: act(world.services, world.caller, CODE, SANDBOX), expected)

    # The clock.

    async def pass_time(self) -> None:
        minutes = self.chosen.choice((1, 2, 5, 10, 20, 45, 45, 90, 300))
        self.machine.world.skip(timedelta(minutes=minutes))
        await self.machine.step("time", nothing, [])

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
