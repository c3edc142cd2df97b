"""What loosens: proposed by anybody who may, countersigned or rejected by admins, and people who join by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from app.actions import changes, people
from app.actions import wanted as wants
from app.actions.changes import set_at_once
from app.actions.ledger import write
from app.actions.proposals import propose
from app.domain.errors import Refusal, Refused
from app.domain.events import SERVICE, Actor, Event
from app.domain.ids import encode
from app.domain.institution import evolve, is_admin, is_lapsed, loosens, needs_confirmation, waits_for_another
from app.domain.people import DECIDING_ROLES
from app.domain.policy import Policy, tightens
from app.domain.proposal import Wanted
from tests.actions.machine import placed
from tests.actions.machine_acts import GONE, LATE, Acts
from tests.actions.worlds import CODE, HEAD

OPERATOR = Actor("operator", encode("opr", 1))
POLICY = f"/v1/institutions/{CODE}/policy"
OWN, LISTED = Refusal("own-change", ""), Refusal("validation", "")
SIGNED = ("sha256:" + "0" * 64,)
_LOOSER: tuple[Callable[[Policy], Policy], ...] = (
    lambda policy: replace(policy, max_window_minutes=min(4320, policy.max_window_minutes + 60)),
    lambda policy: replace(policy, approvals_required=max(1, policy.approvals_required - 1)),
    lambda policy: replace(policy, second_approval_over_minutes=None),
    lambda policy: replace(policy, token_ttl_minutes=min(60, policy.token_ttl_minutes + 5)),
    lambda policy: replace(policy, standing_approvals_allowed=True),
    lambda policy: replace(policy, access_hours=(), working_hours=()),
    lambda policy: replace(policy, blackouts=()),
)


@dataclass
class ChangeRules(Acts):
    """Proposals, what becomes of them, and first sign-ins. `wanted`: what each change would record."""

    wanted: dict[str, Wanted] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)

    def with_ends(self, event: Event) -> list[Event]:
        """A change of people, and the standing approvals that end with it."""
        model = self.machine.model
        return [event, *model.unfit(evolve(model.institution, placed(event, model.size, self.machine.now)))]

    # What is wanted.

    async def loosen(self) -> None:
        """Another policy, by the operator, an admin's page or the API."""
        policy = self.machine.model.institution.policy
        looser = self.chosen.choice(_LOOSER)(policy)
        if not tightens(policy, looser):
            by_api = self.chosen.random() < 0.3
            await self._want(wants.of_policy(CODE, looser), POLICY if by_api else None)

    async def newcomer(self) -> None:
        """Somebody new."""
        email, role = f"new{self.chosen.randint(1, 6)}@example.edu", self.chosen.choice(("approver", "auditor"))
        products = self.chosen.choice(((), (), ("alma",)))
        await self._want(wants.of_person(self.machine.now, email, email.partition("@")[0], (role,), products))

    async def promote(self) -> None:
        """One role more, that of an admin among them."""
        found = self.machine.model.institution.people[self.ids[self.machine.anybody()]]
        roles = {*found.roles, self.chosen.choice(("approver", "backup_approver", "admin"))}
        if self.chosen.random() < 0.4 and roles != set(found.roles):
            await self._want(wants.of_roles(found.id, sorted(roles), found.products))

    async def _want(self, wanted: Wanted, path: str | None = None) -> None:
        world, model = self.machine.world, self.machine.model
        head, by_page = await self.who(HEAD), path is None and self.chosen.random() < 0.5
        actor = head.actor if by_page else OPERATOR if path is None else Actor("client", world.client)

        async def act() -> None:
            if path is not None:
                await self.call("PUT", path, wanted.data["policy"])
            elif by_page:
                await set_at_once(world.services, head, wanted)
            else:
                async with write(world.services, CODE) as book:
                    await propose(book, actor, wanted)
                    await book.append()

        before = set(model.institution.changes)
        at_once = by_page and not loosens(model.institution, wanted.event(actor))
        await self.machine.step("want", act, self._taken(wanted, actor, at_once=at_once))
        self.wanted |= dict.fromkeys(model.institution.changes.keys() - before, wanted)
        self._list(wanted)

    def _taken(self, wanted: Wanted, actor: Actor, *, at_once: bool) -> list[Event] | Refusal:
        """What becomes of it by the rules: refused, recorded, proposed, or nothing where it waits already."""
        state = self.machine.model.institution
        refusal = self._impossible(wanted)
        if refusal is not None:
            return refusal
        if at_once:
            return self._recorded(wanted.event(actor))
        if any(self.wanted[change].essence == wanted.essence for change in state.changes):
            return []
        data = {"type": wanted.type, "subject": wanted.subject}
        return [Event("change.proposed", "chg_new", actor, data, {"change": ""})]

    def _impossible(self, wanted: Wanted) -> Refusal | None:
        people, listed = (
            self.machine.model.institution.people,
            self.listed.get((wanted.private or {}).get("email") or ""),
        )
        known = people.get(wanted.subject if listed is None else listed)
        there = known is not None and not known.removed
        if wanted.type == "person.roles_changed" and not there:
            return LATE
        return LISTED if wanted.type == "person.added" and there else None

    def _recorded(self, event: Event) -> list[Event]:
        model = self.machine.model
        return model.follows(event, self.machine.now) if event.type == "policy.set" else self.with_ends(event)

    def _list(self, wanted: Wanted) -> None:
        """Whoever is on the list now, by address."""
        email = (wanted.private or {}).get("email")
        if email is not None and wanted.subject in self.machine.model.institution.people:
            self.listed[email] = wanted.subject

    # What becomes of it.

    async def agree(self) -> None:
        """Anybody tries to make a change effective: countersigned where it loosens."""
        if not self.wanted:
            return
        world, state = self.machine.world, self.machine.model.institution
        email = HEAD if self.chosen.random() < 0.6 else self.machine.anybody()
        change, who = self.chosen.choice([*state.changes, *list(self.wanted)[-2:]]), await self.who(email)
        if who is None:
            return
        wanted = self.wanted[change]
        event = wanted.event(who.actor, change, SIGNED)
        loose = loosens(state, event)

        async def act() -> None:
            if loose:
                await world.countersign(email, change)
            else:
                await changes.approve(world.services, await world.visitor(email), change)

        await self.machine.step("agree", act, self._answered(change, who.person, event, loose=loose))
        self._list(wanted)

    def _answered(self, change: str, person: str, event: Event, *, loose: bool) -> list[Event] | Refusal:
        state = self.machine.model.institution
        waits = state.changes.get(change)
        if not is_admin(state, person) or waits is None:
            return GONE
        if is_lapsed(waits, self.machine.now):
            return LATE
        if loose and waits_for_another(state, waits, person):
            return OWN
        return self._impossible(self.wanted[change]) or self._recorded(event)

    async def reject(self) -> None:
        """An admin rejects a change."""
        state, email = self.machine.model.institution, self.machine.anybody()
        who = await self.who(email) if state.changes and self.chosen.random() < 0.5 else None
        if who is None:
            return
        change = self.chosen.choice(list(state.changes))
        told = Event("change.rejected", change, who.actor, {"because": "admin"}, {"reason": ""})
        made: list[Event] | Refusal = [told] if is_admin(state, who.person) else GONE
        services = self.machine.world.services
        await self.machine.step("reject", lambda: changes.reject(services, who, change), made)

    # Who joined.

    async def bind(self) -> None:
        """A first sign-in of somebody new; that of an approver is confirmed by an admin."""
        world, state = self.machine.world, self.machine.model.institution
        here = {email: state.people[person] for email, person in self.listed.items()}
        fresh = [email for email, each in sorted(here.items()) if not (each.removed or each.bindings)]
        head = await self.who(HEAD) if fresh else None
        if head is None:
            return
        email = self.chosen.choice(fresh)
        person = self.listed[email]
        waits = needs_confirmation(state, person)
        assert waits == (not DECIDING_ROLES.isdisjoint(state.people[person].held))

        async def act() -> None:
            if waits:
                await _turned_away(world, email)
                await people.confirm_binding(world.services, head, person, confirm=True)
            await world.sign_in(email)

        data: dict[str, Any] = {"iss": state.provider.issuer, "confirmed_by": head.person if waits else None}
        await self.machine.step("bind", act, [Event("person.bound", person, head.actor if waits else SERVICE, data)])
        self.ids[email] = person


async def _turned_away(world: Any, email: str) -> None:
    try:
        await world.sign_in(email)
    except Refused as refused:
        if refused.refusal.problem == "sign-in-refused":
            return
        raise
    raise AssertionError(f"{email} came in unconfirmed")
