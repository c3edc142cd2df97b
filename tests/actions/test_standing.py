"""Standing approvals: given by as many countersignatures as the widest request would need, used, and over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.actions import decisions, giving, grants, standing
from app.actions.doctor import examine
from app.actions.endings import change
from app.actions.ledger import write
from app.actions.person import remove
from app.domain.errors import Refused
from app.domain.events import Actor, Event
from app.storage import roster, tables
from tests.actions.advance import give, join, listed, offered
from tests.actions.attacks import behind, read_row, rewrite, trail
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, Configure, World
from tests.identity.lies import said
from tests.identity.malicious_provider import HONEST


@pytest.fixture
def configure() -> Configure:
    """Allowed; windows over an hour need two approvers."""
    more = "approvals_required = 1\nstanding_approvals_allowed = true\nsecond_approval_over_minutes = 60"
    return lambda text: text.replace("approvals_required = 1", more)


async def types(world: World, start: int) -> list[str]:
    return [each.type for each in await trail(world, start) if each.type != "mail.queued"]


async def person_of(world: World, email: str) -> str:
    async with world.services.database.read() as tx:
        row = await roster.of_email(tx, CODE, email)
    assert row is not None
    return row.person


async def test_it_opens_when_enough_gave_it_serves_what_fits_and_is_used_up(enrolled: World) -> None:
    world = enrolled
    size = len(await trail(world))
    given = await give(world, HEAD)
    assert [(each.state, each.wanted) for each in await listed(world, HEAD)] == [("waiting", 2)]
    assert (await world.file()).status == "pending", "not open yet"
    assert await join(world, LIBRARIAN, given) == given
    assert [each.state for each in await listed(world, HEAD)] == ["open"]
    assert (await world.file(roles=("User Manager",))).status == "pending", "another role"
    assert (await world.file(minutes=300)).status == "pending", "too long"
    assert (await world.file(roles=())).status == "pending", "all roles are more than one"
    told = len(await trail(world))
    first = await world.file()
    assert (first.status, first.request.grant.ground if first.request.grant else None) == ("active", "standing")
    assert await types(world, told) == ["request.created", "request.approved", "request.activated"]
    to = {person for each in await trail(world, told) if each.type == "mail.queued" for person in each.data["to"]}
    assert to == {await person_of(world, email) for email in (HEAD, LIBRARIAN, DEPUTY)}, "all approvers are told"
    assert (await grants.mint(world.services, world.caller, first.row.id)).access_token
    await decisions.revoke(world.services, await world.visitor(DEPUTY), first.row.id, "")
    second = await world.file()
    assert second.status == "active"
    assert (await grants.mint(world.services, world.caller, second.row.id)).access_token
    last = [each for each in await trail(world, size) if each.type.startswith("standing")]
    assert [(each.type, each.data.get("because")) for each in last][-1] == ("standing_approval.ended", "used")
    assert [each.state for each in await listed(world, HEAD)] == ["ended"]
    assert (await world.file()).status == "pending"
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert [row.ground for row in report.grants] == ["standing", "standing"]
    alone = await world.verify(await world.bundle(second.row.id))
    assert (alone.exit_code, alone.findings) == (0, ())
    assert await examine(world.services) == []


async def test_every_end_there_is(enrolled: World) -> None:
    world = enrolled
    taken, elapsing, leaving = [await give(world, HEAD, uses=n, max_window_minutes=60) for n in (1, 2, 3)]
    await standing.end(world.services, await world.visitor(DEPUTY), CODE, taken)
    by_client = await give(world, LIBRARIAN, max_window_minutes=60)
    await standing.end(world.services, world.caller, CODE, by_client)
    with pytest.raises(Refused, match="wrong-state"):
        await standing.end(world.services, world.caller, CODE, by_client)
    with pytest.raises(Refused, match="not-approver"):
        await standing.end(world.services, await world.visitor(AUDITOR), CODE, elapsing)
    librarians = await give(world, LIBRARIAN, max_window_minutes=60)
    size = len(await trail(world))
    await remove(world.services, await world.visitor(HEAD), await person_of(world, LIBRARIAN))
    told = [each for each in await trail(world, size) if each.type != "mail.queued"]
    gone = [(each.type, each.subject, each.actor.kind) for each in told]
    assert gone[1:] == [("standing_approval.ended", librarians, "system")]
    assert (await trail(world, size))[0].at == (await trail(world, size))[1].at, "in the append of the change"
    world.skip(timedelta(days=8))
    assert await standing.sweep(world.services) == 2
    assert await standing.sweep(world.services) == 0
    ended = {each.subject: each.data["because"] for each in await trail(world) if each.type.endswith("approval.ended")}
    assert ended == {
        taken: "approver", by_client: "rules", librarians: "rules", elapsing: "elapsed", leaving: "elapsed",
    }  # fmt: skip
    await world.sign_in(HEAD)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_a_tightened_policy_ends_what_it_no_longer_allows(enrolled: World) -> None:
    world = enrolled
    await give(world, HEAD, max_window_minutes=60)
    running = (await world.file(minutes=60)).row.id
    async with write(world.services, CODE) as book:
        policy = replace(book.institution.policy, standing_approvals_allowed=False)
        data: dict[str, Any] = {"change": None, "policy": policy.to_data(), "evidence": []}
        await change(book, Event("policy.set", CODE, Actor("person", await person_of(world, HEAD)), data))
    assert [(each.state, each.ended_because) for each in await listed(world, HEAD)] == [("ended", "rules")]
    with pytest.raises(Refused, match="grant-ended"):
        await grants.mint(world.services, world.caller, running)
    with pytest.raises(Refused, match="standing-not-allowed"):
        await give(world, HEAD)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
async def test_what_may_not_be_given_is_refused_and_nothing_given(enrolled: World) -> None:
    world = enrolled
    soon = world.now() + timedelta(days=1)
    wrong: dict[str, dict[str, Any]] = {
        "/environment": {"environment": "leganto-production"},
        "/case": {"environment": None, "case_number": "c" * 41},
        "/minutes": {"max_window_minutes": 481},
        "/uses": {"uses": 101},
        "/not_after": {"not_after": soon + timedelta(days=31)},
        "/role": {"roles": ("r" * 101,)},
    }
    for pointer, changes in wrong.items():
        with pytest.raises(Refused) as refused:
            await giving.offer(world.services, await world.visitor(HEAD), offered(world, **changes))
        assert [each.pointer for each in refused.value.refusal.errors] == [pointer]
    with pytest.raises(Refused, match="not-approver"):
        await giving.offer(world.services, await world.visitor(AUDITOR), offered(world))
    given = await give(world, HEAD)
    with pytest.raises(Refused, match="already-answered"):
        await join(world, HEAD, given)
    size = len(await trail(world))
    for evil, reason in (
        (said("nonce", nonce="n" * 43), "id-token-nonce"),
        (said("iss", iss="https://evil.example"), "id-token-iss"),
    ):
        draft = await giving.join(world.services, await world.visitor(LIBRARIAN), given)
        begun = await giving.confirm(world.services, await world.visitor(LIBRARIAN), draft, None)
        world.provider.evil = evil
        with pytest.raises(Refused, match="sign-in-refused"):
            await world.travel(begun, LIBRARIAN)
        world.provider.evil = HONEST
        refusals = [(each.type, each.data.get("problem")) for each in await trail(world, size)]
        assert refusals == [("sign_in.refused", reason)]
        size = len(await trail(world))
    draft = await giving.join(world.services, await world.visitor(LIBRARIAN), given)
    begun = await giving.confirm(world.services, await world.visitor(LIBRARIAN), draft, None)
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.travel(begun, LIBRARIAN, sub="another")
    assert [each.state for each in await listed(world, HEAD)] == ["waiting"]


async def test_the_giver_is_not_served_by_their_own_approval(enrolled: World) -> None:
    world = enrolled
    await give(world, HEAD, max_window_minutes=60)
    assert (await world.file(minutes=60, engineer_email="Head@example.edu")).status == "pending"
    assert (await world.file(minutes=60)).status == "active"


async def test_rows_alone_serve_nothing(enrolled: World) -> None:
    """Made up, widened, put back to before its end or its uses: the request waits for approvers."""
    world = enrolled
    given = await give(world, HEAD, uses=1, max_window_minutes=60)
    kept = await read_row(world, tables.standing_approvals, {"id": given})
    wide = kept["state"] | {"uses": 99, "max_window_minutes": 480}
    await rewrite(world, tables.standing_approvals, {"id": given}, {"state": wide})
    assert (await world.file(minutes=60)).status == "pending"
    assert [each.words for each in await examine(world.services)] == [
        f"the row of {given} is not as the trail tells it"
    ]
    async with behind(world) as connection:
        other = {**kept, "id": "sta_" + given[4:][::-1].replace("z", "0"), "state": {**kept["state"]}}
        await connection.execute(sa.insert(tables.standing_approvals).values(other))
    assert (await world.file(minutes=60)).status == "pending"
    await rewrite(world, tables.standing_approvals, {"id": given}, {"state": kept["state"]})
    assert (await world.file(minutes=60)).status == "active"
    await rewrite(world, tables.standing_approvals, {"id": given}, kept)
    assert (await world.file(minutes=60)).status == "pending", "used up, whatever the row says"
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
