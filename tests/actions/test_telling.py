"""Who is told of a request: seen before, and mailed the same; and the quarterly review of the list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.actions import clock, people, person
from app.actions.people import Told
from app.actions.person import Kept
from app.actions.roster_reviews import REVIEW_EVERY
from app.domain.errors import Refused
from app.storage import entries
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, Configure, World

BACKUP = "Deputy Librarian"


@pytest.fixture
def configure() -> Configure:
    """The deputy is a backup approver."""
    return lambda text: text.replace(
        f'name = "{BACKUP}"\nroles = ["approver"]', f'name = "{BACKUP}"\nroles = ["backup_approver"]'
    )


async def _told(world: World) -> dict[str, Told]:
    view = await people.people(world.services, await world.visitor(HEAD))
    return {each.product: each for each in view.told}


async def _mailed(world: World, request: str, kind: str) -> set[str]:
    """The names of those who were mailed of a request."""
    view = await people.people(world.services, await world.visitor(HEAD))
    names = {each.id: each.name for each in view.people}
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(type="mail.queued"), 1000)
    chosen = [each.entry.data for each in found if each.entry.data["about"] == request]
    return {names[key] for data in chosen if data["kind"] == kind for key in data["to"]}


async def test_who_is_mailed_is_who_was_foretold(enrolled: World) -> None:
    world = enrolled
    assert await _told(world) == {
        product: Told(product, ("Head of Systems", "Systems Librarian"), (BACKUP,)) for product in ("alma", "esploro")
    }
    filed = (await world.file()).row.id
    assert await _mailed(world, filed, "request") == {"Head of Systems", "Systems Librarian"}
    world.skip(timedelta(days=1, seconds=1))
    await clock.sweep(world.services)
    await world.sign_in(HEAD)
    assert await _mailed(world, filed, "escalation") == {BACKUP}


async def test_while_an_approver_is_away_the_backups_are_mailed_in_their_stead(enrolled: World) -> None:
    world, today = enrolled, enrolled.now().date()
    head, librarian = await world.visitor(HEAD), (await world.visitor(LIBRARIAN)).person
    away = (today - timedelta(days=2), today + timedelta(days=2))
    await person.change(world.services, head, librarian, Kept(("approver",), (), *away))
    foretold = (await _told(world))["alma"]
    assert foretold == Told("alma", ("Head of Systems", BACKUP), (BACKUP,))
    filed = (await world.file()).row.id
    assert await _mailed(world, filed, "request") == set(foretold.first)
    await person.change(world.services, head, librarian, Kept(("approver",), ("esploro",), None, None))
    assert (await _told(world))["alma"].first == ("Head of Systems",), "of no product of theirs"
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_the_list_is_gone_through_once_a_quarter(enrolled: World) -> None:
    world = enrolled
    view = await people.people(world.services, await world.visitor(HEAD))
    assert (view.reviewed_at, view.review_due) == (None, False)
    for days, due in ((REVIEW_EVERY, True), (timedelta(), False), (REVIEW_EVERY - timedelta(hours=1), False)):
        world.skip(days)
        await world.sign_in(HEAD)
        if not days:
            await people.review(world.services, await world.visitor(HEAD))
        view = await people.people(world.services, await world.visitor(HEAD))
        assert view.review_due == due
    async with world.services.database.read() as tx:
        (told,) = await entries.find(tx, CODE, entries.LeafFilter(type="roster.reviewed"), 10)
    assert (told.entry.data, view.reviewed_at) == ({"people": 4}, told.entry.at)
    for email in (LIBRARIAN, AUDITOR):
        await world.sign_in(email)
        with pytest.raises(Refused, match="not-found"):
            await people.review(world.services, await world.visitor(email))
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
