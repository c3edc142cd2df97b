"""The roster, kept by an admin: taking away works at once, on every replica; what adds waits."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.actions import decisions, doctor, enrolment, grants, people, person, signin
from app.actions.changes import set_at_once
from app.actions.person import Kept, NewPerson
from app.actions.wanted import of_policy
from app.domain.errors import Refused
from app.domain.policy import Policy
from app.storage import entries, requests, roster
from app.storage.leaves import Stored
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, WHERE, Configure, World


@pytest.fixture
def configure() -> Configure:
    """The deputy is an admin too, the librarian answers for two products."""
    return lambda text: text.replace(
        'name = "Deputy Librarian"\nroles = ["approver"]', 'name = "Deputy Librarian"\nroles = ["admin", "approver"]'
    ).replace(
        'name = "Systems Librarian"\nroles = ["approver"]',
        'name = "Systems Librarian"\nroles = ["approver", "auditor"]\nproducts = ["alma", "esploro"]',
    )


@pytest.fixture
async def enrolled(world: World) -> World:
    """Everybody is signed in; the deputy, who is an admin as well, only after the first one confirmed the account."""
    await world.enrol()
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(DEPUTY)
    head = await world.visitor(HEAD)
    await people.confirm_binding(world.services, head, await _id(world, DEPUTY), confirm=True)
    await world.sign_in(DEPUTY)
    return world


async def _events(world: World, type_: str) -> list[Stored]:
    async with world.services.database.read() as tx:
        return await entries.find(tx, CODE, entries.LeafFilter(type=type_), 1000)


async def _fine(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.error, report.findings, report.missing) == (0, None, (), ())
    assert await doctor.examine(world.services) == []


async def _id(world: World, email: str) -> str:
    async with world.services.database.read() as tx:
        found = await roster.of_email(tx, CODE, email)
    assert found is not None
    return found.person


async def _remove(world: World, email: str, by: str = HEAD) -> None:
    await person.remove(world.services, await world.visitor(by), await _id(world, email))


async def _change(world: World, email: str, by: str = HEAD, **changes: Any) -> None:
    who = await world.visitor(by)
    kept = (await person.person(world.services, who, await _id(world, email))).kept
    wanted = {name: getattr(kept, name) for name in ("roles", "products", "away_from", "away_to")} | changes
    await person.change(world.services, who, await _id(world, email), Kept(**wanted))


async def _gone(world: World, email: str) -> bool:
    return await signin.visitor(world.services, world.people[email]) is None


async def test_who_is_removed_is_gone_at_the_next_click_and_stays_out(enrolled: World) -> None:
    world = enrolled
    given = await world.file()
    await world.approve(LIBRARIAN, given.row.id)
    waiting = await world.file()
    await _remove(world, LIBRARIAN)
    assert await _gone(world, LIBRARIAN)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(LIBRARIAN)
    assert not any(each.email == LIBRARIAN for each in (await _listed(world)))
    await grants.mint(world.services, world.caller, given.row.id)
    await world.approve(HEAD, waiting.row.id)
    assert [each.entry.actor.kind for each in await _events(world, "person.removed")] == ["person"]
    await _fine(world)
    after = await world.file()
    told = [each for each in await _events(world, "mail.queued") if each.entry.data["about"] == after.row.id]
    async with world.services.database.read() as tx:
        removed = {row.person for row in await roster.people(tx, CODE) if row.removed}
    assert not any(removed & {*each.entry.data["to"]} for each in told)


async def _listed(world: World) -> tuple[people.ListedPerson, ...]:
    return (await people.people(world.services, await world.visitor(HEAD))).people


async def test_who_is_removed_while_at_the_provider_gives_nothing(enrolled: World) -> None:
    world = enrolled
    filed = await world.file()
    draft = await world.draft(LIBRARIAN, filed.row.id)
    begun = await decisions.confirm(world.services, await world.visitor(LIBRARIAN), filed.row.id, draft, None)
    assert begun is not None
    await _remove(world, LIBRARIAN)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.travel(begun, LIBRARIAN)
    assert await _events(world, "decision.made") == []
    await _fine(world)


async def test_who_left_and_is_listed_anew_comes_back_as_another_person_and_has_one_vote(enrolled: World) -> None:
    world = enrolled
    head = await world.visitor(HEAD)
    two = Policy(approvals_required=2, max_window_minutes=480)
    assert await set_at_once(world.services, head, of_policy(CODE, two)) is None
    filed = await world.file()
    await world.approve(LIBRARIAN, filed.row.id)
    await _remove(world, LIBRARIAN)
    anew = NewPerson(LIBRARIAN, "Systems Librarian", ("approver",), ())
    change = await person.add(world.services, await world.visitor(HEAD), anew)
    assert change is not None
    await world.countersign(DEPUTY, change)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(LIBRARIAN)
    await people.confirm_binding(world.services, await world.visitor(HEAD), await _id(world, LIBRARIAN), confirm=True)
    await world.sign_in(LIBRARIAN)
    await world.approve(LIBRARIAN, filed.row.id)
    assert await _status(world, filed.row.id) == "pending", "one person, one vote"
    await world.approve(HEAD, filed.row.id)
    assert await _status(world, filed.row.id) == "active"
    await _fine(world)


async def test_a_waiting_first_sign_in_goes_with_the_person(world: World) -> None:
    for email in (DEPUTY, AUDITOR, HEAD):
        await world.sign_in(email)
    await _enrol(world)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(LIBRARIAN)
    waiting = (await people.people(world.services, await world.visitor(HEAD))).waiting
    assert [each.email for each in waiting] == [LIBRARIAN]
    await _remove(world, LIBRARIAN)
    assert (await people.people(world.services, await world.visitor(HEAD))).waiting == ()
    with pytest.raises(Refused, match="not-found"):
        await people.confirm_binding(world.services, await world.visitor(HEAD), waiting[0].person, confirm=True)
    await _fine(world)


async def _status(world: World, request: str) -> str:
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    return row.status


async def _enrol(world: World) -> None:
    await enrolment.enrol(world.services, await world.visitor(HEAD), world.codes[CODE], WHERE)


async def test_the_last_admin_stays(enrolled: World) -> None:
    world = enrolled
    await _remove(world, DEPUTY)
    for attempt in (_remove(world, HEAD), _change(world, HEAD, roles=("approver",))):
        with pytest.raises(Refused, match="last-admin"):
            await attempt
    assert not await _gone(world, HEAD)
    await _fine(world)


async def test_of_two_admins_who_remove_each_other_at_once_one_stays(enrolled: World) -> None:
    world = enrolled
    told = await asyncio.gather(
        _remove(world, DEPUTY, by=HEAD), _remove(world, HEAD, by=DEPUTY), return_exceptions=True
    )
    assert sorted(each.refusal.problem for each in told if isinstance(each, Refused)) == ["not-found"]
    assert len(await _events(world, "person.removed")) == 1


async def test_an_admin_may_go_while_another_stays(enrolled: World) -> None:
    await _remove(enrolled, HEAD, by=HEAD)
    assert await _gone(enrolled, HEAD)
    await _fine(enrolled)


async def test_roles_and_products_are_taken_away_at_once(enrolled: World) -> None:
    world = enrolled
    filed = await world.file()
    await _change(world, LIBRARIAN, products=("esploro",), roles=("approver",))
    assert (await world.visitor(LIBRARIAN)).roles == {"approver"}
    with pytest.raises(Refused, match="not-approver"):
        await world.draft(LIBRARIAN, filed.row.id)
    await _change(world, DEPUTY, products=("alma",))
    await world.approve(DEPUTY, filed.row.id)
    await _change(world, DEPUTY, roles=("admin",))
    with pytest.raises(Refused, match="not-approver"):
        await decisions.revoke(world.services, await world.visitor(DEPUTY), filed.row.id, "")
    await grants.mint(world.services, world.caller, filed.row.id)
    assert len(await _events(world, "person.roles_changed")) == 3
    await _fine(world)


@pytest.mark.parametrize(
    "changes",
    [
        {"roles": ("admin", "approver")},
        {"roles": ("backup_approver",)},
        {"roles": ("approver", "auditor", "backup_approver")},
        {"products": ()},
        {"products": ("alma", "esploro", "leganto")},
        {"products": ("leganto",)},
        {"roles": ("admin",), "away_from": date(2026, 12, 1)},
    ],
)
async def test_what_adds_waits_for_a_countersignature(enrolled: World, changes: dict[str, Any]) -> None:
    await _change(enrolled, LIBRARIAN, **changes)
    (waits,) = await _events(enrolled, "change.proposed")
    assert waits.entry.data["type"] == "person.roles_changed"
    assert await _events(enrolled, "person.roles_changed") == []
    assert len(await _events(enrolled, "person.away_set")) == ("away_from" in changes)
    assert (await enrolled.visitor(LIBRARIAN)).roles == {"approver", "auditor"}


async def test_days_away_are_days_of_the_institutions_zone(enrolled: World) -> None:
    world = enrolled
    await _change(world, LIBRARIAN, away_from=date(2027, 3, 27), away_to=date(2027, 3, 28))
    (told,) = await _events(world, "person.away_set")
    assert told.entry.data == {"from": "2027-03-26T23:00:00.000000Z", "to": "2027-03-28T22:00:00.000000Z"}
    await _change(world, LIBRARIAN)
    assert len(await _events(world, "person.away_set")) == 1
    (listed,) = [each for each in await _listed(world) if each.email == LIBRARIAN]
    assert listed.away_to == datetime(2027, 3, 28, 22, tzinfo=UTC) - timedelta(microseconds=1)
    await _change(world, LIBRARIAN, away_to=None)
    await _change(world, LIBRARIAN, away_from=None)
    assert (await _events(world, "person.away_set"))[-1].entry.data == {"from": None, "to": None}
    with pytest.raises(Refused, match="validation"):
        await _change(world, LIBRARIAN, away_from=date(2027, 1, 2), away_to=date(2027, 1, 1))
    await _fine(world)


async def test_who_is_away_is_not_told_of_requests(enrolled: World) -> None:
    world = enrolled
    today = world.now().date()
    await _change(world, LIBRARIAN, away_from=today - timedelta(days=2), away_to=today + timedelta(days=2))
    filed = await world.file()
    told = [each for each in await _events(world, "mail.queued") if each.entry.data["about"] == filed.row.id]
    away = await _id(world, LIBRARIAN)
    assert told
    assert not any(away in each.entry.data["to"] for each in told)


async def test_only_an_admin_keeps_people_and_only_those_that_are_there(enrolled: World) -> None:
    world = enrolled
    for email, by in ((DEPUTY, LIBRARIAN), (LIBRARIAN, LIBRARIAN), (DEPUTY, AUDITOR)):
        for attempt in (_remove(world, email, by), _change(world, email, by)):
            with pytest.raises(Refused, match="not-found"):
                await attempt
    head = await world.visitor(HEAD)
    await _remove(world, LIBRARIAN)
    async with world.services.database.read() as tx:
        gone = [row.person for row in await roster.people(tx, CODE) if row.removed]
    for id_ in (*gone, "per_01kdj4t8xqf5tb7rqk3mw2zn9c", "\0"):
        for call in (person.person(world.services, head, id_), person.remove(world.services, head, id_)):
            with pytest.raises(Refused, match="not-found"):
                await call
