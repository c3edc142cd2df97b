"""Quorum: different people, whatever disguise one of them comes in; own requests, narrowing, people who left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.actions import decisions, grants
from app.actions.journey import arrive
from app.actions.ledger import write
from app.actions.people import confirm_binding
from app.actions.person import NewPerson, add
from app.actions.reviews import review
from app.domain.errors import Refused
from app.domain.events import Actor, Event
from app.domain.times import stamp
from app.storage import requests, roster
from tests.actions.attacks import trail
from tests.actions.worlds import CODE, DEPUTY, HEAD, LIBRARIAN, WHERE, Configure, World

FOURTH, FIFTH, TWIN = (f"{who}@example.edu" for who in ("fourth", "fifth", "twin"))
APPROVERS = (HEAD, LIBRARIAN, DEPUTY, FOURTH, FIFTH)


@pytest.fixture(params=[2])
def quorum(request: pytest.FixtureRequest) -> int:
    """How many have to approve."""
    return int(request.param)


@pytest.fixture
def configure(quorum: int) -> Configure:
    """Six approvers, one of whom will turn out to have the account of another."""
    people = "".join(
        f'\n[[institutions.people]]\nemail = "{each}"\nname = "{each}"\nroles = ["approver"]\n'
        for each in (FOURTH, FIFTH, TWIN)
    )
    return lambda text: text.replace("approvals_required = 1", f"approvals_required = {quorum}") + people


async def enrol(world: World) -> World:
    for email in (FOURTH, FIFTH):
        await world.sign_in(email)
    await world.enrol()
    return world


async def status(world: World, request: str) -> tuple[str, int]:
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    return row.status, len(row.state["votes"])


async def refusal(world: World, email: str, request: str, **answer: object) -> str:
    try:
        await world.approve(email, request, **answer)
    except Refused as refused:
        return refused.refusal.problem
    return "approved"


async def person_of(world: World, email: str) -> str:
    async with world.services.database.read() as tx:
        row = await roster.of_email(tx, CODE, email)
    assert row is not None
    return row.person


@pytest.mark.parametrize(
    "world, quorum",
    [("sqlite", n) for n in (2, 4, 5)] + [pytest.param("postgresql", 3, marks=pytest.mark.postgres)],
    indirect=True,
)
async def test_one_person_in_every_disguise_counts_once(world: World, quorum: int) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    assert await refusal(world, HEAD, request) == "approved"
    # Another session; another browser; another address in the token; the address of another row, whose account is
    # theirs all the same.
    for email, sub in ((HEAD, None), (HEAD.upper(), f"sub-of-{HEAD}"), (TWIN, f"sub-of-{HEAD}")):
        who = await world.sign_in(email, sub=sub)
        assert who.person == await person_of(world, HEAD)
        assert await refusal(world, email, request) == "already-answered"
    # Another account with their address is nobody.
    with pytest.raises((Refused, AssertionError)):
        await world.sign_in(HEAD, sub="another account")
    assert await status(world, request) == ("pending", 1)
    for email in APPROVERS[1 : quorum - 1]:
        assert await refusal(world, email, request) == "approved"
    assert await status(world, request) == ("pending", quorum - 1)
    with pytest.raises(Refused, match="not-approved"):
        await grants.mint(world.services, world.caller, request)
    assert await refusal(world, APPROVERS[quorum - 1], request) == "approved"
    assert await status(world, request) == ("active", quorum)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert [len(grant.approvers) for grant in report.grants] == [quorum]


@pytest.mark.parametrize("world, quorum", [("sqlite", 1)], indirect=True)
async def test_where_one_is_enough_the_same_person_in_disguise_gives_nothing_more(world: World) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    assert await refusal(world, HEAD, request) == "approved"
    for email, sub in ((HEAD, None), (HEAD.upper(), f"sub-of-{HEAD}"), (TWIN, f"sub-of-{HEAD}")):
        await world.sign_in(email, sub=sub)
        assert await refusal(world, email, request) == "wrong-state"
    assert await status(world, request) == ("active", 1)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert [len(grant.approvers) for grant in report.grants] == [1]


async def test_two_tabs_of_one_person_count_once(world: World) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    who, came = await world.visitor(HEAD), []
    for _ in range(2):
        draft = await world.draft(HEAD, request)
        begun = await decisions.confirm(world.services, who, request, draft, None)
        assert begun is not None
        came.append(await arrive(world.services, CODE, await world.visit(begun, HEAD), begun.cookie))
    await decisions.countersigned(world.services, who, CODE, came[0], WHERE)
    with pytest.raises(Refused, match="already-answered"):
        await decisions.countersigned(world.services, who, CODE, came[1], WHERE)
    assert await status(world, request) == ("pending", 1)


@pytest.mark.parametrize("how", ["removed", "role taken"])
async def test_a_vote_whose_giver_has_left_meanwhile_counts_no_more(world: World, how: str) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    await world.approve(LIBRARIAN, request)
    person, admin = await person_of(world, LIBRARIAN), Actor("person", await person_of(world, HEAD))
    async with write(world.services, CODE) as book:
        if how == "removed":
            book.add(Event("person.removed", person, admin, {}))
            await roster.remove(book.tx, CODE, person)
        else:
            data = {"change": None, "roles": ["auditor"], "products": [], "source": "roster", "evidence": []}
            book.add(Event("person.roles_changed", person, admin, data))
        await book.append()
    await world.approve(DEPUTY, request)
    assert await status(world, request) == ("pending", 2)
    await world.approve(HEAD, request)
    assert await status(world, request) == ("active", 3)
    assert (await grants.mint(world.services, world.caller, request)).access_token
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_who_has_left_while_at_the_provider_gives_nothing(world: World) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    draft = await world.draft(LIBRARIAN, request)
    begun = await decisions.confirm(world.services, await world.visitor(LIBRARIAN), request, draft, None)
    assert begun is not None
    person, admin = await person_of(world, LIBRARIAN), Actor("person", await person_of(world, HEAD))
    data = {"change": None, "roles": ["auditor"], "products": [], "source": "roster", "evidence": []}
    async with write(world.services, CODE) as book:
        book.add(Event("person.roles_changed", person, admin, data))
        await book.append()
    with pytest.raises(Refused, match="not-approver"):
        await world.travel(begun, LIBRARIAN)
    assert await status(world, request) == ("pending", 0)
    assert [each.data["problem"] for each in await trail(world) if each.type == "decision.refused"] == ["not-approver"]


async def test_nobody_decides_on_their_own_request(world: World) -> None:
    await enrol(world)
    request = (await world.file(engineer_email="Librarian@Example.edu")).row.id
    assert await refusal(world, LIBRARIAN, request) == "own-request"
    with pytest.raises(Refused, match="own-request"):
        await world.deny(LIBRARIAN, request)
    told = [(each.type, each.data["problem"]) for each in await trail(world) if each.type == "decision.refused"]
    assert told == [("decision.refused", "own-request")] * 2
    assert await status(world, request) == ("pending", 0)


async def test_an_approver_who_approved_may_still_deny(world: World) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    await world.deny(HEAD, request)
    assert await status(world, request) == ("denied", 2)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_what_several_give_is_what_all_of_them_gave(world: World) -> None:
    await enrol(world)
    now = world.now().replace(microsecond=0)
    ends = now + timedelta(hours=2)
    own = {"window": "own", "from_": stamp(now + timedelta(minutes=30)), "to": stamp(ends)}
    request = (await world.file(roles=("Fulfillment", "Catalog", "User"))).row.id
    await world.approve(HEAD, request, roles=("Catalog", "Fulfillment"))
    await world.approve(LIBRARIAN, request, roles=("Fulfillment", "User"), **own)
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    grant = row.state["grant"]
    assert (row.status, grant["roles"]) == ("approved", ["Fulfillment"])
    assert (grant["not_before"], grant["not_after"]) == (own["from_"], own["to"])
    assert await refusal(world, HEAD, (await world.file()).row.id, roles=("Root",)) == "validation"


@pytest.mark.parametrize("disjoint", ["roles", "windows"])
async def test_votes_with_nothing_in_common_deny(world: World, disjoint: str) -> None:
    await enrol(world)
    hours = [stamp((world.now() + timedelta(hours=n)).replace(microsecond=0)) for n in range(5)]
    request = (await world.file(roles=("Fulfillment", "User"))).row.id
    first = {"window": "own", "from_": hours[0], "to": hours[1]} if disjoint == "windows" else {}
    second = {"window": "own", "from_": hours[2], "to": hours[3]} if disjoint == "windows" else {}
    roles = ("Fulfillment",) if disjoint == "windows" else ("User",)
    await world.approve(HEAD, request, roles=("Fulfillment",), **first)
    await world.approve(LIBRARIAN, request, roles=roles, **second)
    assert await status(world, request) == ("denied", 2)
    denied = [each.data["because"] for each in await trail(world) if each.type == "request.denied"]
    assert denied == ["empty-intersection"]
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_who_becomes_an_approver_while_a_request_waits_may_answer_it(world: World) -> None:
    await enrol(world)
    request = (await world.file()).row.id
    assert await refusal(world, HEAD, request) == "approved"
    new = NewPerson("newcomer@example.edu", "Newcomer", ("approver",), ())
    change = await add(world.services, await world.visitor(HEAD), new)
    assert change is not None
    await world.countersign(HEAD, change)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(new.email)
    await confirm_binding(world.services, await world.visitor(HEAD), await person_of(world, new.email), confirm=True)
    await world.sign_in(new.email)
    shown = await review(world.services, await world.visitor(new.email), request)
    assert [(each.name, each.can_answer, each.told_at) for each in shown.people if each.name == "Newcomer"] == [
        ("Newcomer", True, None)
    ]
    assert (shown.required, shown.given) == (2, 1)
    assert await refusal(world, new.email, request) == "approved"
    assert await status(world, request) == ("active", 2)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
