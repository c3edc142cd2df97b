"""The policy, kept by an admin: what is stricter counts at once, what is looser waits for a countersignature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from app.actions.change_views import scene
from app.actions.changes import settle
from app.actions.ledger import write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.wanted import of_policy
from app.domain.institution import Institution
from app.domain.policy import TIGHTER, Policy


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a policy: whether something counts at once, and the change that waits for the rest, if any."""

    tightened: bool
    change: str | None


async def current(services: Services, visitor: Visitor) -> tuple[Institution, datetime]:
    """The institution as it is, for admins. Raises `Refused` not-found for anybody else."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        return there.institution, there.now


async def save(services: Services, visitor: Visitor, policy: Policy) -> Saved:
    """Make what is stricter count now, and propose the whole where something is looser. Raises `Refused` not-found."""
    async with write(services, visitor.code) as book:
        old = book.institution.policy
        at_once = stricter(old, policy)
        tightened = at_once != old
        if tightened:
            await settle(book, visitor, of_policy(book.code, at_once), {})
        change = None if policy == at_once else await settle(book, visitor, of_policy(book.code, policy), {})
        return Saved(tightened, change)


def stricter(old: Policy, new: Policy) -> Policy:
    """`old` with whatever `new` makes stricter."""
    kept = {
        name: getattr(new, name) for name, holds in TIGHTER.items() if holds(getattr(old, name), getattr(new, name))
    }
    return replace(old, **kept)
