"""Mails about what waits in the settings: the quarterly review of people, further givers of a standing approval."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.actions import people, standing
from app.actions.roster_reviews import AGAIN, REVIEW_EVERY, remind
from app.storage import outbox
from tests.actions.advance import give, join
from tests.actions.attacks import trail
from tests.actions.worlds import CODE, DEPUTY, HEAD, LIBRARIAN, Configure, World


@pytest.fixture
def configure() -> Configure:
    """Standing approvals are allowed; windows over an hour need two approvers."""
    more = "approvals_required = 1\nstanding_approvals_allowed = true\nsecond_approval_over_minutes = 60"
    return lambda text: text.replace("approvals_required = 1", more)


async def mailed(world: World, kind: str) -> list[dict[str, Any]]:
    """The mails of a kind, as their entries tell of them."""
    return [dict(each.data) for each in await trail(world) if each.type == "mail.queued" and each.data["kind"] == kind]


async def test_admins_are_reminded_of_the_review_once_it_is_due_and_again_until_somebody_does_it(
    enrolled: World,
) -> None:
    world, head = enrolled, (await enrolled.visitor(HEAD)).person
    assert await remind(world.services) == 0
    world.skip(REVIEW_EVERY)
    assert sum(await asyncio.gather(*(remind(world.services) for _ in range(3)))) == 1
    assert [each["to"] for each in await mailed(world, "review-due")] == [[head]]
    assert await remind(world.services) == 0
    world.skip(AGAIN)
    assert (await remind(world.services), await remind(world.services)) == (1, 0)
    await world.sign_in(HEAD)
    await people.review(world.services, await world.visitor(HEAD))
    world.skip(REVIEW_EVERY - AGAIN)
    assert await remind(world.services) == 0
    world.skip(AGAIN)
    assert await remind(world.services) == 1
    assert len(await mailed(world, "review-due")) == 3
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_nobody_is_reminded_before_the_enrolment(world: World) -> None:
    world.skip(REVIEW_EVERY * 2)
    assert await remind(world.services) == 0


async def test_those_who_could_join_hear_of_a_standing_approval_until_enough_gave_it(enrolled: World) -> None:
    world = enrolled
    given = await give(world, HEAD)
    others = sorted([(await world.visitor(email)).person for email in (LIBRARIAN, DEPUTY)])
    told = await mailed(world, "standing-offered")
    assert sorted(person for each in told for person in each["to"]) == others
    assert {each["about"] for each in told} == {given}
    async with world.services.database.read() as tx:
        facts = [row.payload["facts"] for row in await outbox.about(tx, CODE, given)]
    assert {(each["by"], each["more"], each["change"]["reader"]) for each in facts} == {("Head of Systems", 1, "giver")}
    await join(world, LIBRARIAN, given)
    assert len(await mailed(world, "standing-offered")) == len(others)
    await standing.end(world.services, await world.visitor(HEAD), CODE, given)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
