"""Environments of an institution, and the switch to support: one way, at once, by an admin or a vendor system.

From then on every use waits for approvers, so what ran on the ground of the implementation phase ends in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.actions.changes import set_at_once
from app.actions.endings import change
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.wanted import of_environment
from app.actions.worldbodies import environment_of
from app.domain.environment import Environment
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.institution import Institution, is_admin
from app.domain.kinds import is_code
from app.domain.languages import msg
from app.storage import institutions
from app.tokens.clients import Caller

SCOPE = "admin"
_IN_SUPPORT = Refusal("wrong-state", msg("The environment is in support already. Nothing was changed."))


async def environments(services: Services, visitor: Visitor) -> tuple[Environment, ...]:
    """The institution's environments by name, for its admins. Raises `Refused` not-found for anybody else."""
    if "admin" not in visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
    if row is None:
        raise Refused(NOT_FOUND)
    return tuple(each for _, each in sorted(Institution.from_data(row.state).environments.items()))


async def environment(services: Services, visitor: Visitor, name: str) -> Environment:
    """One environment, for admins. Raises `Refused` not-found."""
    found = next((each for each in await environments(services, visitor) if each.environment == name), None)
    if found is None:
        raise Refused(NOT_FOUND)
    return found


async def want(services: Services, visitor: Visitor, members: Mapping[str, Any]) -> str | None:
    """Propose an environment as a form says, new or changed: the change. Raises `Refused`: not-found, validation."""
    spec = environment_of(services, members)
    return await set_at_once(services, visitor, of_environment(visitor.code, spec.environment))


async def switch_to_support(services: Services, who: Caller | Visitor, code: str, name: str) -> Environment:
    """End the implementation phase of an environment; the environment as it is now.

    Raises `Refused`: not-found (also for what is not the caller's), insufficient-scope, wrong-state.
    """
    if not is_code(code) or not (who.serves(code) if isinstance(who, Caller) else who.code == code):
        raise Refused(NOT_FOUND)
    async with write(services, code) as book:
        actor = _actor(book, who, name)
        if book.institution.environments[name].phase == "support":
            raise Refused(_IN_SUPPORT)
        await change(book, Event("environment.switched_to_support", code, actor, {"environment": name}))
        return book.institution.environments[name]


def _actor(book: Ledger, who: Caller | Visitor, name: str) -> Actor:
    """Who switches, if they may: first whether there is anything, then whether it is theirs to do. Raises `Refused`."""
    if name not in book.institution.environments:
        raise Refused(NOT_FOUND)
    if isinstance(who, Visitor):
        unwrap(None if is_admin(book.institution, who.person) else NOT_FOUND)
        return who.actor
    if SCOPE not in who.scopes:
        detail = f"This needs the scope {SCOPE}."
        raise Refused(Refusal("insufficient-scope", detail, extra=(("scope", SCOPE),)))
    return Actor("client", who.cli)
