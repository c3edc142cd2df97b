"""The first admin confirms the enrolment code; nothing counts before, and everything rests on one sign-in."""

from __future__ import annotations

import pytest

from app.actions import enrolment, signin
from app.domain.errors import Refused
from app.storage import entries
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, WHERE, World


async def types(world: World) -> list[str]:
    async with world.services.database.read() as tx:
        return [each.entry.type for each in await entries.read_leaves(tx, CODE, 0, 100)]


async def test_an_admins_first_sign_in_shows_what_is_to_be_confirmed_and_binds_nobody(world: World) -> None:
    head = await world.sign_in(HEAD)
    view = await enrolment.enrolment(world.services, head)
    assert (head.enrolling, head.roles) == (True, frozenset())
    assert (view.code_needed, view.enrolled_at, view.name) == (True, None, "Example University Library")
    assert ("Head of Systems", ("admin", "approver")) in view.people
    assert await types(world) == ["trail.opened"]


@pytest.mark.parametrize(
    "spelt", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:4]} {code[5:]}\n"]
)
async def test_the_right_code_in_any_spelling_enrols_in_one_append(world: World, spelt: type[str]) -> None:
    head = await world.sign_in(HEAD)
    await enrolment.enrol(world.services, head, spelt(world.codes[CODE]), WHERE)
    async with world.services.database.read() as tx:
        stored = await entries.read_leaves(tx, CODE, 1, 100)
    told = [each.entry for each in stored]
    assert [entry.type for entry in told] == [
        "identity_provider.keys_seen",
        "person.bound",
        "sign_in.succeeded",
        "institution.enrolled",
    ]
    assert len({entry.at for entry in told}) == 1
    assert told[3].data == {"enrolment_code": world.codes[CODE], "evidence": told[1].data["evidence"]}
    after = await world.visitor(HEAD)
    assert (after.enrolling, after.roles) == (False, frozenset({"admin", "approver"}))
    assert not (await enrolment.enrolment(world.services, after)).code_needed
    with pytest.raises(Refused) as refused:
        await enrolment.enrol(world.services, after, world.codes[CODE], WHERE)
    assert refused.value.refusal.problem == "not-found"


@pytest.mark.parametrize("wrong", ["", "AAAA-AAAA-AAAA-AAAA", "\ud800", "ı" * 16, "A" * 100_000])
async def test_a_wrong_code_enrols_nobody_and_is_recorded(world: World, wrong: str) -> None:
    head = await world.sign_in(HEAD)
    with pytest.raises(Refused) as refused:
        await enrolment.enrol(world.services, head, wrong, WHERE)
    assert refused.value.refusal.problem == "enrolment-code-wrong"
    assert await types(world) == ["trail.opened", "sign_in.refused"]
    assert (await world.visitor(HEAD)).enrolling
    await enrolment.enrol(world.services, head, world.codes[CODE], WHERE)
    assert not (await world.visitor(HEAD)).enrolling


async def test_whoever_is_no_admin_confirms_nothing(world: World) -> None:
    librarian = await world.sign_in(LIBRARIAN)
    assert not librarian.enrolling
    with pytest.raises(Refused) as refused:
        await enrolment.enrol(world.services, librarian, world.codes[CODE], WHERE)
    assert refused.value.refusal.problem == "not-found"


async def test_of_two_sessions_that_would_enrol_the_second_comes_too_late(world: World) -> None:
    first = await world.sign_in(HEAD)
    second = await world.travel(await signin.begin(world.services, CODE, "/requests", None), HEAD, cookie="")
    late = await signin.visitor(world.services, second.cookie)
    assert late is not None
    await enrolment.enrol(world.services, first, world.codes[CODE], WHERE)
    before = await types(world)
    with pytest.raises(Refused) as refused:
        await enrolment.enrol(world.services, late, world.codes[CODE], WHERE)
    assert refused.value.refusal.problem == "wrong-state"
    assert await types(world) == before
