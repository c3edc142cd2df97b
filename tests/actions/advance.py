"""Standing approvals in tests: offered, given by a countersignature, joined."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.actions import giving, standing
from app.actions.standing import StandingView
from app.domain.standing import StandingApproval
from tests.actions.worlds import World


def offered(world: World, **changes: Any) -> StandingApproval:
    """What is offered: production, one role, two hours, twice, for a week."""
    made: dict[str, Any] = {
        "id": "",
        "case_number": None,
        "environment": "alma-production",
        "roles": ("Fulfillment Administrator",),
        "max_window_minutes": 240,
        "uses": 2,
        "not_after": (world.now() + timedelta(days=7)).replace(microsecond=0),
    }
    return StandingApproval(**(made | changes))


async def give(world: World, email: str, **changes: Any) -> str:
    """Offer one and countersign it; its id."""
    draft = await giving.offer(world.services, await world.visitor(email), offered(world, **changes))
    return await sign(world, email, draft)


async def join(world: World, email: str, standing_id: str) -> str:
    """Give one that somebody else has given."""
    return await sign(world, email, await giving.join(world.services, await world.visitor(email), standing_id))


async def sign(world: World, email: str, draft: str) -> str:
    """Confirm a draft and come back from the provider; the id of what it gives."""
    shown = await giving.draft(world.services, await world.visitor(email), draft)
    begun = await giving.confirm(world.services, await world.visitor(email), draft, None)
    world.people[email] = (await world.travel(begun, email)).cookie or ""
    return shown.approval.id


async def listed(world: World, email: str) -> list[StandingView]:
    """What the page lists, newest first."""
    return list((await standing.overview(world.services, await world.visitor(email))).items)
