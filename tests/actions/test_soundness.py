"""Rows written behind the service's back get nothing appended but a refusal, not even an approval that nobody minted.

The attacker writes every row and lacks the secret key alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import decisions, enrolment, grants, people
from app.actions.doctor import SEAL_BROKEN, examine, seal
from app.actions.ledger import write
from app.domain.errors import Refused
from app.domain.events import Actor, Event
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.domain.policy import Policy
from app.domain.times import stamp
from app.storage import leaves, roster, tables
from tests.actions.attacks import behind, read_row, rewrite, trail
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, WHERE, Configure, World

Change = Callable[[Institution], Institution]


@pytest.fixture
def configure() -> Configure:
    """Two have to approve, each after a strong sign-in."""
    return lambda text: text.replace("approvals_required = 1", 'approvals_required = 2\nacr_values = ["mfa"]')


async def set_state(world: World, change: Change) -> None:
    state = Institution.from_data((await read_row(world, tables.institutions, {"code": CODE}))["state"])
    await rewrite(world, tables.institutions, {"code": CODE}, {"state": change(state).to_data()})


def with_roles(email_role: str, *roles: str) -> Change:
    """Whoever holds a role holds others."""

    def change(state: Institution) -> Institution:
        people = {
            key: replace(each, roles=roles) if each.roles == (email_role,) else each
            for key, each in state.people.items()
        }
        return replace(state, people=people)

    return change


async def person_of(world: World, email: str) -> str:
    async with world.services.database.read() as tx:
        row = await roster.of_email(tx, CODE, email)
    assert row is not None
    return row.person


async def an_approver(world: World, request: str) -> None:
    await set_state(world, with_roles("auditor", "approver", "auditor"))
    await world.approve(AUDITOR, request)


async def an_approver_by_a_change_that_hides_it(world: World, request: str) -> None:
    """An honest entry later changes the institution, and with it the row is written anew."""
    await set_state(world, with_roles("auditor", "approver", "auditor"))
    async with write(world.services, CODE) as book:
        book.add(Event("roster.reviewed", CODE, Actor("person", await person_of(world, HEAD)), {"people": 4}))
        await book.append()
    await world.approve(AUDITOR, request)


async def an_older_row(world: World, request: str) -> None:
    """The row and the seal of before somebody's role was taken away, put back."""
    row = await read_row(world, tables.institutions, {"code": CODE})
    kept = await read_row(world, tables.seals, {"log": CODE})
    person, admin = await person_of(world, DEPUTY), Actor("person", await person_of(world, HEAD))
    data = {"change": None, "roles": ["auditor"], "products": [], "source": "roster", "evidence": []}
    async with write(world.services, CODE) as book:
        book.add(Event("person.roles_changed", person, admin, data))
        await book.append()
    await rewrite(world, tables.institutions, {"code": CODE}, {"state": row["state"]})
    await rewrite(world, tables.seals, {"log": CODE}, {"folded": kept["folded"], "mac": kept["mac"]})
    await world.approve(DEPUTY, request)


async def an_entry_slipped_in(world: World, request: str) -> None:
    """An entry that makes the auditor an approver, in a tree that holds together, and the row that it makes."""
    person = await person_of(world, AUDITOR)
    data = {"change": None, "roles": ["approver"], "products": [], "source": "roster", "evidence": []}
    async with world.services.database.begin() as tx:
        head = await leaves.lock(tx, CODE)
        admin = Actor("person", await person_of(world, HEAD))
        await leaves.append(tx, head, [Event("person.roles_changed", person, admin, data)])
    await set_state(world, with_roles("auditor", "approver"))
    await world.approve(AUDITOR, request)


async def a_looser_policy(world: World, request: str) -> None:
    await set_state(world, lambda state: replace(state, policy=Policy()))
    await world.approve(LIBRARIAN, request)


async def an_account(world: World, request: str) -> None:
    await rewrite(world, tables.roster, {"person": await person_of(world, LIBRARIAN)}, {"sub": "mallory"})
    await world.sign_in("mallory@example.edu", sub="mallory")
    draft = await world.draft("mallory@example.edu", request)
    who = await world.visitor("mallory@example.edu")
    begun = await decisions.confirm(world.services, who, request, draft, None)
    assert begun is not None
    await world.travel(begun, "mallory@example.edu", sub="mallory")


async def another_address(world: World, request: str) -> None:
    """So that nobody sees that the engineer answers their own request."""
    await rewrite(world, tables.roster, {"person": await person_of(world, LIBRARIAN)}, {"email": "l@example.edu"})
    await world.approve(LIBRARIAN, request)


async def a_vote_in_the_row(world: World, request: str) -> None:
    """The deputy's vote, so that one more is enough."""
    vote = {
        "index": 3, "decision": new_id("dec", world.now()), "person": await person_of(world, DEPUTY),
        "verdict": "approve", "at": stamp(world.now()), "terms": (await state_of(world, request))["asked"],
    }  # fmt: skip
    await rewrite(
        world, tables.requests, {"id": request}, {"state": await state_of(world, request) | {"votes": [vote]}}
    )
    await world.approve(LIBRARIAN, request)


async def a_vote_in_the_trail(world: World, request: str) -> None:
    """The deputy's vote as an entry without a countersignature that holds, in a tree that does, and its row."""
    person, state = await person_of(world, DEPUTY), await state_of(world, request)
    data = {"decision": new_id("dec", world.now()), "verdict": "approve", "terms": state["asked"]}
    async with world.services.database.begin() as tx:
        head = await leaves.lock(tx, CODE)
        made = Event("decision.made", request, Actor("person", person), data | {"evidence": ["sha256:" + "0" * 64]},
                     {"comment": ""})  # fmt: skip
        head, stored = await leaves.append(tx, head, [made])
    entry = stored[0].entry
    vote = {
        "index": entry.index, "decision": data["decision"], "person": person, "verdict": "approve",
        "at": stamp(entry.at), "terms": state["asked"],
    }  # fmt: skip
    changed = state | {"votes": [vote], "updated_at": stamp(entry.at)}
    await rewrite(world, tables.requests, {"id": request}, {"state": changed})
    await world.approve(LIBRARIAN, request)


async def another_account_asked(world: World, request: str) -> None:
    state = await state_of(world, request) | {"asked": (await state_of(world, request))["asked"] | {"minutes": 480}}
    await rewrite(world, tables.requests, {"id": request}, {"state": state})
    await world.approve(LIBRARIAN, request)


async def other_terms_in_the_draft(world: World, request: str) -> None:
    """What the approver saw on the check page is not what the row says when they confirm."""
    draft = await world.draft(LIBRARIAN, request, roles=("Fulfillment Administrator",))
    row = await read_row(world, tables.drafts, {"id": draft})
    wider = row["details"] | {"terms": row["details"]["terms"] | {"minutes": 1}}
    await rewrite(world, tables.drafts, {"id": draft}, {"details": wider})
    await decisions.confirm(world.services, await world.visitor(LIBRARIAN), request, draft, None)


async def a_weaker_sign_in(world: World, request: str) -> None:
    """The journey's row no longer asks for a strong sign-in."""
    draft = await world.draft(LIBRARIAN, request)
    begun = await decisions.confirm(world.services, await world.visitor(LIBRARIAN), request, draft, None)
    assert begun is not None
    async with behind(world) as connection:
        table = tables.sign_in_flows
        newest = (await connection.execute(sa.select(table).order_by(table.c.created_at.desc()))).first()
        assert newest is not None
        weak = {**newest.details, "acr_values": []}
        await connection.execute(sa.update(table).where(table.c.state == newest.state).values(details=weak))
    await world.travel(begun, LIBRARIAN)


async def state_of(world: World, request: str) -> dict[str, Any]:
    return dict((await read_row(world, tables.requests, {"id": request}))["state"])


DOUBT, NOWHERE = "records-in-doubt", "not-found"
ATTACKS: Mapping[str, tuple[Callable[[World, str], Awaitable[None]], str, str]] = {
    each.__name__: (each, problem, refused)
    for each, problem, refused in (
        (an_account, DOUBT, "decision.refused"),
        (another_address, DOUBT, "decision.refused"),
        (a_vote_in_the_row, DOUBT, "decision.refused"),
        (a_vote_in_the_trail, DOUBT, "decision.refused"),
        (another_account_asked, DOUBT, "decision.refused"),
        (other_terms_in_the_draft, NOWHERE, ""),
        (a_weaker_sign_in, "sign-in-astray", ""),
        (a_looser_policy, DOUBT, "decision.refused"),
        (an_approver, DOUBT, "decision.refused"),
        (an_older_row, DOUBT, "decision.refused"),
        (an_entry_slipped_in, DOUBT, "decision.refused"),
        (an_approver_by_a_change_that_hides_it, DOUBT, "decision.refused"),
    )
}
# What the attacks themselves append, by hand or honestly, before the approval is tried.
_OWN = {"sign_in.succeeded", "roster.reviewed", "person.roles_changed"}


async def _kept(world: World) -> dict[str, list[dict[str, Any]]]:
    """The rows that attacks change, to put them back."""
    async with world.services.database.read() as tx:
        return {
            table.name: [dict(row._mapping) for row in await tx.connection.execute(sa.select(table))]
            for table in (tables.institutions, tables.seals, tables.roster)
        }


async def _put_back(world: World, kept: dict[str, list[dict[str, Any]]]) -> None:
    async with behind(world) as connection:
        for name, rows in kept.items():
            table = tables.metadata.tables[name]
            for row in rows:
                key = sa.and_(*(column == row[column.name] for column in table.primary_key))
                await connection.execute(sa.update(table).where(key).values(row))


async def test_rows_written_behind_the_back_get_nothing_appended(enrolled: World) -> None:
    world, wrong = enrolled, {}
    lasting = {"an_older_row", "an_entry_slipped_in", "an_approver_by_a_change_that_hides_it"}  # they append: last
    for name, (attack, problem, refused) in ATTACKS.items():
        request, kept = (await world.file()).row.id, await _kept(world)
        size = len(await trail(world))
        try:
            await attack(world, request)
            ended = "approved"
        except Refused as no:
            ended = no.refusal.problem
        told = [each.type for each in await trail(world, size) if each.type not in _OWN]
        told = told[1:] if name == "a_vote_in_the_trail" else told
        with pytest.raises(Refused) as minted:
            await grants.mint(world.services, world.caller, request)
        expected = (problem, [refused] if refused else [], "not-approved")
        if (ended, told, minted.value.refusal.problem) != expected:
            wrong[name] = (ended, told, minted.value.refusal.problem)
        if name not in lasting:
            await _put_back(world, kept)
        for email in (HEAD, LIBRARIAN, DEPUTY, AUDITOR):
            await world.sign_in(email)
    assert wrong == {}


async def test_after_rows_were_put_right_the_honest_approve_as_ever(enrolled: World) -> None:
    world = enrolled
    request, kept = (await world.file()).row.id, await _kept(world)
    await set_state(world, lambda state: replace(state, policy=Policy()))
    with pytest.raises(Refused, match="records-in-doubt"):
        await world.approve(LIBRARIAN, request)
    found = {each.words for each in await examine(world.services)}
    assert {SEAL_BROKEN, "the institution's policy is not as the trail tells it"} == found
    assert await seal(world.services) == (), "what differs in more than its seal is not sealed"
    await _put_back(world, kept)
    assert await examine(world.services) == []
    for email in (LIBRARIAN, HEAD):
        await world.approve(email, request)
    assert (await grants.mint(world.services, world.caller, request)).access_token
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_a_row_that_agrees_with_its_trail_may_be_sealed_anew(enrolled: World) -> None:
    world = enrolled
    request = (await world.file()).row.id
    async with behind(world) as connection:
        await connection.execute(sa.delete(tables.seals).where(tables.seals.c.log == CODE))
    with pytest.raises(Refused, match="records-in-doubt"):
        await world.approve(LIBRARIAN, request)
    assert [each.words for each in await examine(world.services)] == [SEAL_BROKEN]
    assert await seal(world.services) == (CODE,)
    assert await examine(world.services) == []
    await world.approve(LIBRARIAN, request)


async def test_an_admin_whom_rows_alone_make_one_confirms_nobody(world: World) -> None:
    """The auditor, made admin in the row, confirms the first sign-in of somebody who waits: nothing is bound."""
    await world.sign_in(AUDITOR)
    await world.sign_in(HEAD)
    await enrolment.enrol(world.services, await world.visitor(HEAD), world.codes[CODE], WHERE)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(LIBRARIAN, sub="mallory")
    await set_state(world, with_roles("auditor", "admin", "auditor"))
    size = len(await trail(world))
    with pytest.raises(Refused, match="records-in-doubt"):
        await people.confirm_binding(
            world.services, await world.visitor(AUDITOR), await person_of(world, LIBRARIAN), confirm=True
        )
    assert await trail(world, size) == []


async def test_rows_alone_give_no_ground_for_an_approval_at_once(enrolled: World) -> None:
    world = enrolled
    phase = {"phase": "implementation", "implementation_ends": "2027-03-01"}

    def change(state: Institution) -> Institution:
        alma = replace(state.environments["alma-production"], **phase)
        return replace(state, environments={**state.environments, "alma-production": alma})

    await set_state(world, change)
    size = len(await trail(world))
    with pytest.raises(Refused, match="records-in-doubt"):
        await world.file()
    assert [each.type for each in await trail(world, size)] == ["request.refused"]
