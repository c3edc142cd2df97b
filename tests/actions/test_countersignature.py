"""Each condition of a countersignature broken by itself: refused, one event, nothing else changed, still pending."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.actions import decisions, logout
from app.actions.callback import finish
from app.actions.journey import Begun, arrive
from app.domain.errors import Refused
from app.domain.institution import Institution
from app.storage import institutions, requests, tables
from tests.actions.attacks import Watch, read_row, rewrite, trail
from tests.actions.worlds import CODE, DEPUTY, HEAD, LIBRARIAN, WHERE, Configure, World
from tests.identity.lies import plus, said, unsaid
from tests.identity.malicious_provider import HONEST, Evil

REFUSED = "decision.refused"


@pytest.fixture
def configure() -> Configure:
    """Two have to approve, each after a strong sign-in, so that one approval leaves the request pending."""
    return lambda text: text.replace("approvals_required = 1", 'approvals_required = 2\nacr_values = ["mfa"]')


async def leave(world: World, request: str, email: str = HEAD) -> Begun:
    """Answer, confirm, and go to the provider."""
    draft = await world.draft(email, request)
    begun = await decisions.confirm(world.services, await world.visitor(email), request, draft, None)
    assert begun is not None
    return begun


async def comes_back(world: World, begun: Begun, email: str = HEAD, **travel: str) -> None:
    """Back from the provider; a session that goes on gets the new cookie."""
    finished = await world.travel(begun, email, **travel)
    world.people[email] = finished.cookie or ""


Attack = Callable[[World, str], Awaitable[None]]


def lying(evil: Evil, **travel: str) -> Attack:
    async def attack(world: World, request: str) -> None:
        begun = await leave(world, request)
        world.provider.evil = evil
        await comes_back(world, begun, **travel)

    return attack


def late(before: timedelta, after: timedelta) -> Attack:
    async def attack(world: World, request: str) -> None:
        draft = await world.draft(HEAD, request)
        world.skip(before)
        begun = await decisions.confirm(world.services, await world.visitor(HEAD), request, draft, None)
        assert begun is not None
        world.skip(after)
        await comes_back(world, begun)

    return attack


async def in_another_session(world: World, request: str) -> None:
    begun = await leave(world, request)
    await world.sign_in(HEAD)
    await comes_back(world, begun)


async def in_somebody_elses_session(world: World, request: str) -> None:
    begun = await leave(world, request)
    await world.travel(begun, HEAD, cookie=world.people[LIBRARIAN])


async def as_somebody_else_everywhere(world: World, request: str) -> None:
    begun = await leave(world, request)
    await comes_back(world, begun, LIBRARIAN)


async def without_a_session(world: World, request: str) -> None:
    await world.travel(await leave(world, request), HEAD, cookie="")


async def signed_out_meanwhile(world: World, request: str) -> None:
    begun = await leave(world, request)
    await logout.sign_out(world.services, await world.visitor(HEAD))
    try:
        await comes_back(world, begun)
    finally:
        await world.sign_in(HEAD)


async def in_another_browser(world: World, request: str) -> None:
    begun = await leave(world, request)
    await comes_back(world, replace(begun, cookie="of another browser"))


async def the_same_answer_twice(world: World, request: str) -> None:
    begun = await leave(world, request)
    back = await world.visit(begun, HEAD)
    finished = await finish(world.services, CODE, back, begun.cookie, world.people[HEAD], WHERE)
    world.people[HEAD] = finished.cookie or ""
    await finish(world.services, CODE, back, begun.cookie, world.people[HEAD], WHERE)


async def the_same_draft_twice(world: World, request: str) -> None:
    draft = await world.draft(HEAD, request)
    who = await world.visitor(HEAD)
    begun = [await decisions.confirm(world.services, who, request, draft, None) for _ in range(2)]
    back = [await arrive(world.services, CODE, await world.visit(each, HEAD), each.cookie) for each in begun if each]
    for arrived in back:
        await decisions.countersigned(world.services, who, CODE, arrived, WHERE)


async def the_same_evidence_twice(world: World, request: str) -> None:
    """Draft and request are put back as they were, by the tables' owner: the trail and the evidence remember."""
    begun = await leave(world, request)
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    who = await world.visitor(HEAD)
    arrived = await arrive(world.services, CODE, await world.visit(begun, HEAD), begun.cookie)
    await decisions.countersigned(world.services, who, CODE, arrived, WHERE)
    later = await read_row(world, tables.requests, {"id": request})
    await rewrite(world, tables.requests, {"id": request}, {"state": row.state, "status": row.status})
    await rewrite(world, tables.drafts, {"id": arrived.details["draft"]}, {"used_at": None})
    try:
        await decisions.countersigned(world.services, who, CODE, arrived, WHERE)
    finally:
        await rewrite(world, tables.requests, {"id": request}, {"state": later["state"], "status": later["status"]})


async def another_draft_of_theirs(world: World, request: str) -> None:
    """The nonce of one draft, brought back for another with wider terms: the row of the journey is written anew."""
    draft = await world.draft(HEAD, request, window="full")
    begun = await leave(world, request)
    state = world.services.secrets.mac("cookie/state", dict(await world.visit(begun, HEAD))["state"].encode())
    flow = await read_row(world, tables.sign_in_flows, {"state": state})
    details = flow["details"] | {"details": flow["details"]["details"] | {"draft": draft}}
    await rewrite(world, tables.sign_in_flows, {"state": state}, {"details": details})
    await comes_back(world, begun)


async def a_code_of_another_journey(world: World, request: str) -> None:
    other, begun = await leave(world, request), await leave(world, request)
    code = dict(await world.visit(other, HEAD))["code"]
    back = [(name, code if name == "code" else value) for name, value in await world.visit(begun, HEAD)]
    await finish(world.services, CODE, back, begun.cookie, world.people[HEAD], WHERE)


async def denied_meanwhile(world: World, request: str) -> None:
    begun = await leave(world, request)
    await world.deny(DEPUTY, request)
    await comes_back(world, begun)


async def policy_changed_meanwhile(world: World, request: str) -> None:
    """No action changes a policy yet, so the row that is its fold is changed."""
    begun = await leave(world, request)
    async with world.services.database.read() as tx:
        row = await institutions.read(tx, CODE)
    assert row is not None
    state = Institution.from_data(row.state)
    changed = replace(state, policy=replace(state.policy, token_ttl_minutes=14)).to_data()
    await rewrite(world, tables.institutions, {"code": CODE}, {"state": changed})
    try:
        await comes_back(world, begun)
    finally:
        await rewrite(world, tables.institutions, {"code": CODE}, {"state": row.state})


# What is done → the reason answered, and the event's type (none for what belongs to no journey).
ATTACKS: dict[str, tuple[Attack, str, str | None]] = {
    "another nonce": (lying(said("nonce", nonce="n" * 43)), "id-token-nonce", REFUSED),
    "no nonce": (lying(unsaid("nonce", "nonce")), "id-token-nonce", REFUSED),
    "another account": (lying(HONEST, sub="another"), "other-person", REFUSED),
    "another issuer": (lying(said("iss", iss="https://evil.example")), "id-token-iss", REFUSED),
    "an old sign-in": (lying(said("auth-time", auth_time=plus(-180))), "id-token-auth-time", REFUSED),
    "no time of the sign-in": (lying(unsaid("auth_time", "auth-time")), "id-token-auth-time", REFUSED),
    "a weaker sign-in": (lying(said("acr", acr="password")), "id-token-acr", REFUSED),
    "no word of its strength": (lying(unsaid("acr", "acr")), "id-token-acr", REFUSED),
    "a token of the sign-in client": (lying(said("aud", aud="countersign")), "id-token-aud", REFUSED),
    "a token of both clients": (
        lying(said("aud", aud=["countersign-approvals", "countersign"])), "id-token-aud", REFUSED,
    ),
    "the provider says no": (
        lying(Evil("", callback=lambda back: back.update(error="access_denied"))), "provider-access-denied", REFUSED,
    ),
    "a draft older than ten minutes": (late(timedelta(minutes=8), timedelta(minutes=3)), "draft-over", REFUSED),
    "a journey longer than ten minutes": (late(timedelta(), timedelta(minutes=11)), "sign-in-astray", None),
    "another session of theirs": (in_another_session, "not-found", REFUSED),
    "somebody else's session": (in_somebody_elses_session, "not-found", REFUSED),
    "somebody else's session and sign-in": (as_somebody_else_everywhere, "not-found", REFUSED),
    "no session": (without_a_session, "session-over", "sign_in.refused"),
    "a session that ended meanwhile": (signed_out_meanwhile, "session-over", "sign_in.refused"),
    "another browser": (in_another_browser, "sign-in-astray", None),
    "another draft of theirs": (another_draft_of_theirs, "sign-in-astray", None),
    "a code of another journey": (a_code_of_another_journey, "code-refused", REFUSED),
    "a policy that changed meanwhile": (policy_changed_meanwhile, "policy-changed", REFUSED),
}  # fmt: skip


async def test_an_answer_opened_in_another_browser_first_is_still_its_own_browsers(enrolled: World) -> None:
    world = enrolled
    begun = await leave(world, (await world.file()).row.id)
    back = await world.visit(begun, HEAD)
    size = len(await trail(world))
    for foreign in (None, "of another browser"):
        with pytest.raises(Refused, match="sign-in-astray"):
            await finish(world.services, CODE, back, foreign, world.people[HEAD], WHERE)
    assert len(await trail(world)) == size
    await finish(world.services, CODE, back, begun.cookie, world.people[HEAD], WHERE)
    assert [each.type for each in await trail(world, size)].count("decision.made") == 1


async def _refused(attack: Attack, world: World, request: str) -> str:
    try:
        await attack(world, request)
    except Refused as refused:
        return dict(refused.refusal.extra).get("reason", refused.refusal.problem)
    finally:
        world.provider.evil = HONEST
    return "nothing was refused"


async def _events(told: Watch) -> list[str]:
    """What the trail tells since, sign-ins and sign-outs that the attack itself made left out."""
    return [each.type for each in await told.told() if each.type not in {"sign_in.succeeded", "sign_out.done"}]


async def test_no_broken_condition_counts(enrolled: World) -> None:
    world, wrong = enrolled, {}
    request = (await world.file()).row.id
    for name, (attack, reason, event) in ATTACKS.items():
        for email in (HEAD, LIBRARIAN, DEPUTY):
            await world.sign_in(email)
        watch = await Watch.begin(world)
        ended = await _refused(attack, world, request)
        told = await _events(watch)
        if (ended, told) != (reason, [event] if event else []):
            wrong[name] = (ended, told)
    assert wrong == {}
    for email in (HEAD, LIBRARIAN):
        await world.approve(email, request)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert [grant.request for grant in report.grants] == [request]


@pytest.mark.parametrize("again", [the_same_answer_twice, the_same_draft_twice, the_same_evidence_twice])
async def test_what_counted_once_counts_no_second_time(enrolled: World, again: Attack) -> None:
    world = enrolled
    request = (await world.file()).row.id
    size = len(await trail(world))
    ended = await _refused(again, world, request)
    others = {"the_same_answer_twice": "sign-in-astray", "the_same_evidence_twice": "records-in-doubt"}
    assert ended == others.get(again.__name__, "draft-over")
    told = [each.type for each in await trail(world, size) if each.type != "mail.queued"]
    assert told.count("decision.made") == 1
    assert told.count(REFUSED) == (ended != "sign-in-astray")
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
        kept = (await tx.connection.execute(sa.select(sa.func.count()).select_from(tables.evidence))).scalar_one()
    assert row is not None
    assert (row.status, len(row.state["votes"])) == ("pending", 1)
    assert kept == 1 + len(world.people) + 1, "the keys, a sign-in each, one countersignature"
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_an_answer_that_comes_after_a_denial_changes_nothing(enrolled: World) -> None:
    world = enrolled
    request = (await world.file()).row.id
    size = len(await trail(world))
    assert await _refused(denied_meanwhile, world, request) == "wrong-state"
    told = [each.type for each in await trail(world, size) if each.type != "mail.queued"]
    assert told == ["decision.made", "request.denied", REFUSED]
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    assert (row.status, [vote["verdict"] for vote in row.state["votes"]]) == ("denied", ["deny"])
