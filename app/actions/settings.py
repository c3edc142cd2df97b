"""The overview of an institution's settings: what waits for its admins, and what is in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.actions.change_views import ChangeView, scene, view
from app.actions.ledger import NOT_FOUND
from app.actions.opening import enrolment_code
from app.actions.proposals import waiting
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.errors import Refused
from app.domain.institution import Institution, admins, implementing
from app.storage import entries, roster, stop_codes
from app.trail import canonical


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the settings' first page. `unread`: changes whose private part is gone; they lapse.

    `roles`: how many hold each role; `confirmations`: first sign-ins that wait; `in_implementation`: its environments.
    """

    now: datetime
    waiting: tuple[ChangeView, ...]
    unread: int
    institution: Institution
    notify: tuple[str, ...]
    admins: tuple[str, ...]
    roles: dict[str, int]
    confirmations: int
    in_implementation: tuple[str, ...]
    codes_left: int
    codes_made: int
    enrolment_code: str


async def overview(services: Services, visitor: Visitor) -> Overview:
    """The overview, for admins. Raises `Refused` not-found for anybody else."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        state, proposals = there.institution, await waiting(tx, there.institution)
        names = {each.person: each.name for each in await roster.people(tx, visitor.code)}
        codes = await stop_codes.read_all(tx, visitor.code)
        first = await entries.read_leaves(tx, visitor.code, 0, 1)
        if not first:
            raise Refused(NOT_FOUND)
        held = [role for person in state.people.values() if not person.removed for role in person.roles]
        return Overview(
            now=there.now,
            waiting=tuple([await view(there, visitor, each) for each in proposals.values()]),
            unread=len(state.changes) - len(proposals),
            institution=state,
            notify=there.row.notify,
            admins=tuple(names[key] for key in admins(state)),
            roles={role: held.count(role) for role in dict.fromkeys(sorted(held))},
            confirmations=len(await roster.pending(tx, visitor.code)),
            in_implementation=tuple(name for name in state.environments if implementing(state, name, there.now)),
            codes_left=sum(row.used_at is None for row in codes),
            codes_made=len(codes),
            enrolment_code=enrolment_code(canonical.sha(first[0].leaf)),
        )
