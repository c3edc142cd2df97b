"""Every road by which an operator, a database's admin or a system could replace a provider, an admin, an approver or a
policy: what they do is proposed or refused and never in force, and a bundle with what they slipped in is found out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import administration, changes, grants, people, person
from app.actions import wanted as wants
from app.actions.changes import set_at_once
from app.actions.institutions import apply
from app.actions.ledger import write
from app.actions.operators import operator
from app.actions.person import NewPerson
from app.actions.proposals import propose
from app.actions.provider import of_change
from app.actions.world import read_world
from app.domain.errors import Refused
from app.domain.events import Actor, Event
from app.domain.ids import encode, new_id
from app.domain.institution import Institution
from app.domain.policy import Policy
from app.domain.proposal import Wanted
from app.storage import entries, institutions, leaves, roster, tables
from tests.actions.attacks import read_row, rewrite
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, WORLD, Configure, World

OPERATOR = Actor("operator", encode("opr", 7))
LOOSER = Policy(max_window_minutes=4320)
FRIEND = "friend@example.edu"


@pytest.fixture
def configure() -> Configure:
    """Two admins, so that one of them alone loosens nothing; the console administers."""
    return _configured


def _configured(text: str) -> str:
    text = text.replace('"introspect", "trail:read"]', '"introspect", "trail:read", "admin"]')
    return text.replace(
        'name = "Deputy Librarian"\nroles = ["approver"]', 'name = "Deputy Librarian"\nroles = ["admin", "approver"]'
    )


@pytest.fixture
async def enrolled(world: World) -> World:
    """Everybody signed in, the second admin confirmed by the first."""
    await world.enrol()
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(DEPUTY)
    await people.confirm_binding(world.services, await world.visitor(HEAD), await _id(world, DEPUTY), confirm=True)
    await world.sign_in(DEPUTY)
    return world


async def _id(world: World, email: str) -> str:
    async with world.services.database.read() as tx:
        found = await roster.of_email(tx, CODE, email)
    assert found is not None
    return found.person


async def _size(world: World) -> int:
    async with world.services.database.read() as tx:
        return len(await entries.read_leaves(tx, CODE, 0, 1 << 31))


async def wanted(world: World) -> tuple[Wanted, ...]:
    """Another provider, admin, approver and policy."""
    provider = replace((await world.institution()).provider, issuer="https://evil.example", client_id="evil")
    return (
        wants.of_provider(CODE, provider),
        wants.of_roles(await _id(world, AUDITOR), ("admin", "auditor"), ()),
        wants.of_person(world.now(), FRIEND, "Friend", ("approver",), ()),
        wants.of_policy(CODE, LOOSER),
    )


async def by_a_world_file(world: World) -> None:
    text = (
        _configured(WORLD.read_text()).replace("$ISSUER", "https://evil.example").replace("approvals_required = 1", "")
    )
    text = text.replace("[institutions.policy]", "[institutions.policy]\nmax_window_minutes = 4320")
    text = text.replace('roles = ["auditor"]', 'roles = ["admin", "auditor"]').replace('"$ENDS"', await _ends(world))
    text += f'[[institutions.people]]\nemail = "{FRIEND}"\nroles = ["approver"]\n'
    file = read_world(text.encode(), environ={}, folder=world.directory, allow_http=True)
    assert not (await apply(world.services, file, operator(world.services, "tests"))).refused


async def _ends(world: World) -> str:
    return (await world.institution()).environments["esploro-sandbox"].implementation_ends or ""


async def by_the_api(world: World) -> None:
    caller = replace(world.caller, scopes=frozenset({"admin"}))
    provider = {"issuer": "https://evil.example", "client_id": "evil", "client_secret": "a secret of theirs"}
    friend = {"email": FRIEND, "name": "Friend", "roles": ["approver"]}
    auditor = {"roles": ["admin", "auditor"]}
    await administration.set_provider(world.services, caller, CODE, provider, None)
    await administration.change_person(world.services, caller, CODE, await _id(world, AUDITOR), auditor)
    await administration.add_person(world.services, caller, CODE, friend)
    await administration.set_policy(world.services, caller, CODE, {"max_window_minutes": 4320}, None)


async def by_one_admin_of_two(world: World) -> None:
    for each in await wanted(world):
        assert await set_at_once(world.services, await world.visitor(HEAD), each) is not None


ROADS: Mapping[str, Callable[[World], Awaitable[None]]] = {
    "a world file": by_a_world_file,
    "the API": by_the_api,
    "one admin of two": by_one_admin_of_two,
}


@pytest.mark.parametrize("road", ROADS)
async def test_what_comes_by_these_roads_is_proposed_and_not_in_force(enrolled: World, road: str) -> None:
    before = await enrolled.institution()
    await ROADS[road](enrolled)
    after = await enrolled.institution()
    assert {each.type for each in after.changes.values()} >= {
        "identity_provider.set",
        "person.roles_changed",
        "person.added",
        "policy.set",
    }
    assert replace(after, changes={}) == before
    for change_id in after.changes:
        with pytest.raises(Refused):
            await changes.approve(enrolled.services, await enrolled.visitor(HEAD), change_id)
    with pytest.raises(Refused, match="sign-in-refused"):
        await enrolled.sign_in(FRIEND)
    report = await enrolled.verify(await enrolled.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_whoever_is_no_admin_proposes_nothing_on_pages(enrolled: World) -> None:
    size = await _size(enrolled)
    for email in (LIBRARIAN, AUDITOR):
        who = await enrolled.visitor(email)
        for each in await wanted(enrolled):
            with pytest.raises(Refused, match="not-found"):
                await set_at_once(enrolled.services, who, each)
        with pytest.raises(Refused, match="not-found"):
            await person.add(enrolled.services, who, NewPerson(FRIEND, "Friend", ("approver",), ()))
    assert await _size(enrolled) == size


@asynccontextmanager
async def written(
    world: World, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]
) -> AsyncIterator[None]:
    """A row of the database as somebody else wrote it, for a while."""
    before = await read_row(world, table, key)
    await rewrite(world, table, key, values)
    yield
    await rewrite(world, table, key, {name: before[name] for name in values})


Edit = Callable[[Institution], Institution]


async def test_rows_written_behind_the_back_let_nobody_countersign(enrolled: World) -> None:
    world = enrolled
    auditor, deputy = await _id(world, AUDITOR), await _id(world, DEPUTY)
    async with write(world.services, CODE) as book:
        change_id = await propose(book, OPERATOR, wants.of_policy(CODE, LOOSER))
        await book.append()
    state = await world.institution()
    own = replace(state.changes[change_id], data_digest="sha256:" + "0" * 64)

    def with_person(key: str, **values: Any) -> dict[str, Any]:
        return replace(state, people={**state.people, key: replace(state.people[key], **values)}).to_data()

    async def countersign(email: str) -> str:
        with pytest.raises(Refused) as no:
            await world.countersign(email, change_id)
        return no.value.refusal.problem

    institution, in_doubt = tables.institutions, {"records-in-doubt", "sign-in-refused"}
    for values in (
        {"state": with_person(auditor, roles=("admin", "auditor"))},
        {"state": with_person(deputy, roles=("approver",))},
        {"state": replace(state, policy=replace(state.policy, sign_in_max_age_s=86400)).to_data()},
    ):
        async with written(world, institution, {"code": CODE}, values):
            who = AUDITOR if "admin" in values["state"]["people"][auditor]["roles"] else HEAD
            assert await countersign(who) in in_doubt
    async with written(
        world, institution, {"code": CODE}, {"state": replace(state, changes={change_id: own}).to_data()}
    ):
        assert await countersign(HEAD) == "records-in-doubt"
    async with written(world, tables.roster, {"person": await _id(world, LIBRARIAN)}, {"sub": None, "iss": None}):
        head = await read_row(world, tables.roster, {"person": await _id(world, HEAD)})
        async with written(world, tables.roster, {"person": head["person"]}, {"sub": "mallory"}):
            await world.sign_in("mallory@example.edu", sub="mallory")
            with pytest.raises(Refused) as no:
                await world.countersign("mallory@example.edu", change_id)
            assert no.value.refusal.problem in {"records-in-doubt", "sign-in-refused"}
    first = next(each.entry.index for each in await _proposals(world))
    async with written(world, tables.proposals, {"id": change_id}, {"idx": first - 1}):
        assert await countersign(HEAD) == "records-in-doubt"
    assert (await world.institution()).policy == Policy()
    await world.countersign(HEAD, change_id)
    assert (await world.institution()).policy == LOOSER


async def _proposals(world: World) -> list[leaves.Stored]:
    async with world.services.database.read() as tx:
        return await entries.find(tx, CODE, entries.LeafFilter(type="change.proposed"), 100)


async def test_a_draft_that_was_written_anew_signs_nothing(enrolled: World) -> None:
    world = enrolled
    async with write(world.services, CODE) as book:
        change_id = await propose(book, OPERATOR, wants.of_policy(CODE, LOOSER))
        await book.append()
    head = await world.visitor(HEAD)
    shown = await changes.change(world.services, head, change_id)
    begun = await changes.countersign(world.services, head, change_id, shown.digest, None)
    draft = await read_row(world, tables.drafts, {"subject": change_id})
    await rewrite(world, tables.drafts, {"id": draft["id"]}, {"statement": draft["statement"].replace(b"4,320", b"60")})
    with pytest.raises(Refused, match="draft-over"):
        await world.travel(begun, HEAD)
    assert (await world.institution()).policy == Policy()


async def slip(world: World, *events: Event) -> int:
    """Append entries behind the service's back, in a tree that holds together; the index of the last."""
    async with world.services.database.begin() as tx:
        head = await leaves.lock(tx, CODE)
        _, stored = await leaves.append(tx, head, list(events))
    return stored[-1].entry.index


async def test_a_bundle_that_holds_what_was_slipped_in_fails_at_those_entries(enrolled: World) -> None:
    world = enrolled
    admin, other = [Actor("person", await _id(world, email)) for email in (HEAD, DEPUTY)]
    provider, admin_role, approver, looser = await wanted(world)
    swap = wants.of_policy(CODE, Policy(token_ttl_minutes=60))
    async with write(world.services, CODE) as book:
        honest = await propose(book, OPERATOR, swap)
        own = await propose(book, admin, approver)
        unsigned = await propose(book, OPERATOR, looser)
        foreign = await propose(book, OPERATOR, admin_role)
        theirs = await propose(book, OPERATOR, provider)
        await book.append()
    await world.countersign(HEAD, honest)
    async with world.services.database.read() as tx:
        applied = (await entries.find(tx, CODE, entries.LeafFilter(type="policy.set"), 10))[-1].entry
    evidence = tuple(applied.data["evidence"])
    back = wants.of_provider(CODE, (await world.institution()).provider)
    indexes = [
        await slip(world, looser.event(admin)),
        await slip(world, looser.event(admin, unsigned)),
        await slip(world, looser.event(other, unsigned, evidence)),
        await slip(world, approver.event(admin, own, evidence)),
        await slip(world, admin_role.event(other, foreign, evidence)),
        await slip(world, wants.of_policy(CODE, Policy(max_window_minutes=600)).event(other, unsigned)),
        await slip(world, Event("person.removed", await _id(world, LIBRARIAN), OPERATOR, {})),
        await slip(world, provider.event(other, theirs)),
        await slip(world, back.event(other, theirs)),
    ]
    report = await world.verify(await world.bundle())
    assert report.exit_code == 1
    assert set(indexes) <= {finding.index for finding in report.findings}


async def test_nothing_is_minted_on_what_was_slipped_in(enrolled: World) -> None:
    world = enrolled
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    await grants.mint(world.services, world.caller, request)
    friend = wants.of_person(world.now(), FRIEND, "Friend", ("approver",), ())
    await slip(world, friend.event(Actor("person", await _id(world, DEPUTY)), new_id("chg", world.now())))
    with pytest.raises(Refused, match="grant-not-derivable"):
        await grants.mint(world.services, world.caller, request)
    filed = (await world.file()).row.id
    with pytest.raises(Refused, match="records-in-doubt"):
        await world.approve(HEAD, filed)
    async with write(world.services, CODE) as book:
        change_id = await propose(book, OPERATOR, wants.of_policy(CODE, LOOSER))
        await book.append()
    with pytest.raises(Refused, match="records-in-doubt"):
        await world.countersign(HEAD, change_id)


async def test_secrets_that_came_with_a_change_open_for_that_change_alone(enrolled: World) -> None:
    world = enrolled
    first = replace((await world.institution()).provider, issuer="https://evil.example", client_id="evil")
    both = [wants.of_provider(CODE, each) for each in (first, replace(first, client_id="another"))]
    async with write(world.services, CODE) as book:
        ids = [await propose(book, OPERATOR, each, {"client_secret": "a secret of theirs"}) for each in both]
        await book.append()
    rows = [await read_row(world, tables.proposals, {"id": each}) for each in ids]
    assert all(b"a secret of theirs" not in row["secrets"] for row in rows)
    async with written(world, tables.proposals, {"id": ids[0]}, {"secrets": rows[1]["secrets"]}):
        with pytest.raises(Refused, match="records-in-doubt"):
            await of_change(world.services, await world.visitor(HEAD), ids[0])
    async with world.services.database.read() as tx:
        told = await entries.read_leaves(tx, CODE, 0, 1 << 31)
        assert (await institutions.read(tx, CODE)) is not None
    assert not any(b"a secret of theirs" in each.leaf + (each.private or b"") for each in told)
