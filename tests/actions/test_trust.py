"""Rows changed or slipped in behind the service's back open nothing: no token is minted, none is active."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import decisions, grants, introspection
from app.domain.errors import Refused
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.storage import roster, tables
from tests.actions.attacks import behind, read_row, rewrite, trail
from tests.actions.forgery import a_forged_story
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, World
from tests.identity.malicious_provider import MaliciousProvider, key


async def approved(world: World, **asked: Any) -> str:
    request = (await world.file(**asked)).row.id
    await world.approve(HEAD, request)
    return request


async def minted(world: World, request: str) -> str:
    """The audience of a token that could be minted, or the problem."""
    try:
        token = (await grants.mint(world.services, world.caller, request)).access_token
    except Refused as refused:
        return refused.refusal.problem
    claims = await introspection.introspect(world.services, world.caller, token)
    return f"minted: {json.dumps(dict(claims), default=str)}"


async def in_doubt(approval: Awaitable[object]) -> None:
    """The approval is refused, because of rows that are not as the trail tells them."""
    with pytest.raises(Refused, match="records-in-doubt"):
        await approval


async def state_of(world: World, request: str) -> dict[str, Any]:
    return dict((await read_row(world, tables.requests, {"id": request}))["state"])


async def set_state(world: World, request: str, **members: Any) -> None:
    state = await state_of(world, request) | members
    await rewrite(world, tables.requests, {"id": request}, {"state": state})


async def set_institution(world: World, change: Callable[[Institution], Institution]) -> None:
    state = Institution.from_data((await read_row(world, tables.institutions, {"code": CODE}))["state"])
    await rewrite(world, tables.institutions, {"code": CODE}, {"state": change(state).to_data()})


# Each makes of an honest world one in which somebody wrote rows; the request that they would like a token for.


async def a_status(world: World) -> str:
    request = (await world.file()).row.id
    await rewrite(world, tables.requests, {"id": request}, {"status": "active"})
    return request


async def a_grant_of_another_request(world: World) -> str:
    """State and grant of an approved request, copied over to one that waits."""
    donor, request = await approved(world), (await world.file()).row.id
    grant = await read_row(world, tables.grants, {"request": donor})
    given = (await state_of(world, donor))["grant"] | {"id": new_id("grt", world.now())}
    async with behind(world) as connection:
        await connection.execute(sa.insert(tables.grants).values(grant | {"id": given["id"], "request": request}))
    await set_state(world, request, status="active", grant=given)
    return request


async def a_longer_window(world: World) -> str:
    request = await approved(world, minutes=15)
    later = world.now() + timedelta(hours=8)
    grant = await read_row(world, tables.grants, {"request": request})
    await rewrite(world, tables.grants, {"id": grant["id"]}, {"not_after": later})
    given = (await state_of(world, request))["grant"]
    await set_state(world, request, grant=given | {"not_after": later.strftime("%Y-%m-%dT%H:%M:%S.%fZ")})
    return request


async def an_ended_grant_opened_again(world: World) -> str:
    request = await approved(world)
    before = await state_of(world, request)
    grant = await read_row(world, tables.grants, {"request": request})
    await decisions.revoke(world.services, await world.visitor(HEAD), request, "Enough.")
    await set_state(world, request, **before)
    await rewrite(world, tables.grants, {"id": grant["id"]}, grant)
    return request


def other_words(**members: str) -> Callable[[World], Awaitable[str]]:
    async def attack(world: World) -> str:
        request = await approved(world)
        await set_state(world, request, **members)
        columns = {name: value for name, value in members.items() if name in tables.requests.c}
        await rewrite(world, tables.requests, {"id": request}, columns or {"version": 9})
        return request

    return attack


async def another_engineer(world: World) -> str:
    request = await approved(world)
    await rewrite(world, tables.requests, {"id": request}, {"engineer_id": "mallory"})
    return request


async def another_engineer_everywhere(world: World) -> str:
    request = await approved(world)
    await rewrite(world, tables.requests, {"id": request}, {"engineer_id": "mallory"})
    await rewrite(world, tables.grants, {"request": request}, {"engineer_id": "mallory"})
    await set_state(world, request, engineer=world.services.secrets.engineer_id("mallory"))
    return request


async def an_approver(world: World) -> str:
    """The auditor becomes an approver in the row that is the fold of the log, and approves in earnest."""

    def change(state: Institution) -> Institution:
        people = {
            key: replace(each, roles=("approver", "auditor")) if "auditor" in each.roles else each
            for key, each in state.people.items()
        }
        return replace(state, people=people)

    request = (await world.file()).row.id
    await set_institution(world, change)
    await in_doubt(world.approve(AUDITOR, request))
    return request


async def a_provider(world: World) -> str:
    """Another provider, in the row, signs another head in."""
    honest, request = world.provider, (await world.file()).row.id
    with MaliciousProvider(clients=honest.clients, clock=honest.clock, keys=[key("ES256", "evil")]) as evil:
        await set_institution(world, lambda state: replace(state, provider=replace(state.provider, issuer=evil.issuer)))
        world.provider = evil
        try:
            await world.sign_in(LIBRARIAN, sub="mallory")
            await world.approve(LIBRARIAN, request)
        except (Refused, AssertionError):
            pass  # also well: refused before the mint
        finally:
            world.provider = honest
    return request


async def an_account(world: World) -> str:
    """The librarian's row is bound to somebody else's account, who then signs in and approves."""
    request = (await world.file()).row.id
    async with world.services.database.read() as tx:
        row = await roster.of_email(tx, CODE, LIBRARIAN)
    assert row is not None
    await rewrite(world, tables.roster, {"person": row.person}, {"sub": "mallory"})
    await world.sign_in("mallory@example.edu", sub="mallory")
    draft = await world.draft("mallory@example.edu", request)
    who = await world.visitor("mallory@example.edu")
    begun = await decisions.confirm(world.services, who, request, draft, None)
    assert begun is not None
    await in_doubt(world.travel(begun, "mallory@example.edu", sub="mallory"))
    return request


async def evidence_of_another_vote(world: World) -> str:
    first, second = await approved(world), await approved(world)
    votes = {each.subject: each for each in await trail(world) if each.type == "decision.made"}
    mine, other = (votes[each].data["evidence"][0] for each in (first, second))
    blob = (await read_row(world, tables.evidence, {"digest": other}))["blob"]
    await rewrite(world, tables.evidence, {"digest": mine}, {"blob": blob})
    return first


async def evidence_taken_away(world: World) -> str:
    request = await approved(world)
    vote = next(each for each in await trail(world) if (each.type, each.subject) == ("decision.made", request))
    async with behind(world) as connection:
        gone = tables.evidence.c.digest == vote.data["evidence"][0]
        await connection.execute(sa.delete(tables.evidence).where(gone))
    return request


ATTACKS: Mapping[str, Callable[[World], Awaitable[str]]] = {
    "a status": a_status,
    "a grant of another request": a_grant_of_another_request,
    "a longer window": a_longer_window,
    "an ended grant opened again": an_ended_grant_opened_again,
    "another environment": other_words(environment="esploro-sandbox"),
    "another account": other_words(account="exl_support"),
    "another case": other_words(case_number="99999999"),
    "another engineer": another_engineer,
    "another engineer everywhere": another_engineer_everywhere,
    "evidence of another vote": evidence_of_another_vote,
    "evidence taken away": evidence_taken_away,
    "a forged story": a_forged_story,
}


WILD: Mapping[str, Callable[[World], Awaitable[str]]] = {
    "an account": an_account,
    "an approver": an_approver,
    "a provider": a_provider,
}


async def _opens(world: World, attack: Callable[[World], Awaitable[str]]) -> str | None:
    """What an attack opened, or how it was answered other than by one refusal; None if all is well."""
    request = await attack(world)
    size = len(await trail(world))
    problem = await minted(world, request)
    told = [(each.type, each.subject, each.data["problem"]) for each in await trail(world, size)]
    if problem not in {"not-approved", "grant-not-derivable", "grant-ended"}:
        return problem
    return None if told == [("token.refused", request, problem)] else f"the trail tells {told}"


async def test_no_token_is_minted_on_rows_alone(enrolled: World) -> None:
    world = enrolled
    honest = await approved(world)
    opened = {name: what for name, attack in ATTACKS.items() if (what := await _opens(world, attack)) is not None}
    assert opened == {}
    assert (await minted(world, honest)).startswith("minted"), "what was honestly approved still opens"


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", WILD)
async def test_no_token_is_minted_for_somebody_whom_rows_alone_make_an_approver(enrolled: World, name: str) -> None:
    assert await _opens(enrolled, WILD[name]) is None


async def test_a_token_is_for_the_audience_that_the_trail_tells(enrolled: World) -> None:
    world = enrolled
    request = await approved(world)

    def change(state: Institution) -> Institution:
        alma = replace(state.environments["alma-production"], audience="https://gateway.evil.example")
        return replace(state, environments={**state.environments, "alma-production": alma})

    await set_institution(world, change)
    assert await minted(world, request) == "grant-not-derivable"
