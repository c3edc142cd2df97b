"""Roles from a claim of the ID token: they follow each sign-in, and a countersignature shows its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.actions import decisions, doctor, grants, people, person, signin
from app.actions.people import ListedPerson
from app.domain.errors import Refused
from app.storage import entries
from app.storage.leaves import Stored
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, Configure, World
from tests.identity.malicious_provider import Evil

NEW = "new@example.edu"
_MAP = """exclusive = true
roles_claim = "groups"
roles = { "alma-approvers" = "approver", "alma-auditors" = "auditor", "alma-admins" = "admin" }"""


@pytest.fixture
def configure() -> Configure:
    """Groups give roles, the deputy is an auditor of the roster, and long windows need two approvals."""
    policy = "approvals_required = 1\nmax_window_minutes = 600\nsecond_approval_over_minutes = 300"
    return lambda text: (
        text.replace("exclusive = true", _MAP)
        .replace("approvals_required = 1", policy)
        .replace('name = "Deputy Librarian"\nroles = ["approver"]', 'name = "Deputy Librarian"\nroles = ["auditor"]')
    )


async def _sign_in(world: World, email: str, *groups: str, **claims: Any) -> None:
    world.provider.extra_claims = {"groups": list(groups), "name": "Somebody New"} | claims
    await world.sign_in(email)


async def _events(world: World, type_: str) -> list[Stored]:
    async with world.services.database.read() as tx:
        return await entries.find(tx, CODE, entries.LeafFilter(type=type_), 1000)


async def _fine(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.error, report.findings, report.missing) == (0, None, (), ())
    assert await doctor.examine(world.services) == []


async def _roles(world: World, email: str) -> frozenset[str]:
    return (await world.visitor(email)).roles


async def _listed(world: World, email: str) -> ListedPerson:
    found = (await people.people(world.services, await world.visitor(HEAD))).people
    return next(each for each in found if each.email == email)


async def test_somebody_whom_nobody_listed_comes_by_the_claim_and_approves(enrolled: World) -> None:
    world = enrolled
    await _sign_in(world, NEW, "alma-approvers", "staff")
    assert await _roles(world, NEW) == {"approver"}
    (added,) = await _events(world, "person.added")
    assert (added.entry.actor.kind, added.entry.data["roles"]) == ("system", [])
    filed = await world.file()
    await world.approve(NEW, filed.row.id)
    await grants.mint(world.services, world.caller, filed.row.id)
    listed = await _listed(world, NEW)
    assert (listed.name, listed.roles, listed.claimed) == ("Somebody New", (), ("approver",))
    await _fine(world)


async def test_a_claim_role_is_gone_at_the_next_sign_in_and_comes_back_with_one(enrolled: World) -> None:
    world = enrolled
    await _sign_in(world, NEW, "alma-approvers")
    await _sign_in(world, NEW, "alma-approvers")
    assert len(await _events(world, "person.roles_changed")) == 1, "the same roles are no event"
    filed = await world.file()
    for groups, roles in (((), set()), (("alma-auditors", "alma-admins"), {"auditor", "admin"})):
        await _sign_in(world, NEW, *groups)
        assert await _roles(world, NEW) == roles
    with pytest.raises(Refused, match="not-approver"):
        await world.draft(NEW, filed.row.id)
    await _sign_in(world, NEW, "alma-approvers")
    await world.approve(NEW, filed.row.id)
    assert [each.entry.data["source"] for each in await _events(world, "person.roles_changed")] == ["claim"] * 4
    await _fine(world)


async def test_roster_roles_and_claim_roles_stand_together(enrolled: World) -> None:
    world = enrolled
    await _sign_in(world, DEPUTY, "alma-approvers")
    assert await _roles(world, DEPUTY) == {"auditor", "approver"}
    listed = await _listed(world, DEPUTY)
    assert (listed.roles, listed.claimed) == (("auditor",), ("approver",))
    await _sign_in(world, DEPUTY)
    assert await _roles(world, DEPUTY) == {"auditor"}
    await _sign_in(world, LIBRARIAN, "alma-auditors")
    head, librarian = await world.visitor(HEAD), await world.visitor(LIBRARIAN)
    wanted = person.Kept((), ("alma",), None, None)
    await person.change(world.services, head, librarian.person, wanted)
    assert await _roles(world, LIBRARIAN) == {"auditor"}, "an admin takes the roster's role, not that of the claim"
    await _fine(world)


async def test_products_of_the_roster_narrow_a_claim_role_too(enrolled: World) -> None:
    world = enrolled
    head, deputy = await world.visitor(HEAD), (await world.visitor(DEPUTY)).person
    await person.change(world.services, head, deputy, person.Kept(("auditor",), ("esploro",), None, None))
    await _sign_in(world, DEPUTY, "alma-approvers")
    with pytest.raises(Refused, match="not-approver"):
        await world.draft(DEPUTY, (await world.file()).row.id)
    await _fine(world)


async def test_a_countersignature_that_does_not_show_the_role_counts_for_nothing_and_takes_it_away(
    enrolled: World,
) -> None:
    world = enrolled
    filed = await world.file()
    tokens: list[dict[str, Any]] = [{"groups": []}, {"groups": ["alma-auditors"]}, {"groups": None}, {}]
    for number, shown in enumerate(tokens, 1):
        await _sign_in(world, NEW, "alma-approvers")
        draft = await world.draft(NEW, filed.row.id)
        begun = await decisions.confirm(world.services, await world.visitor(NEW), filed.row.id, draft, None)
        assert begun is not None
        world.provider.extra_claims = shown
        with pytest.raises(Refused, match="sign-in-refused") as refused:
            await world.travel(begun, NEW)
        assert dict(refused.value.refusal.extra)["reason"] == "role-not-shown"
        assert [each.entry.data["problem"] for each in await _events(world, "decision.refused")] == (
            ["role-not-shown"] * number
        )
        assert "approver" not in await _roles(world, NEW)
    assert await _events(world, "decision.made") == []
    with pytest.raises(Refused, match="not-approver"):
        await world.draft(NEW, filed.row.id)
    await _fine(world)


async def test_an_approver_of_the_roster_needs_no_claim(enrolled: World) -> None:
    world = enrolled
    await _sign_in(world, LIBRARIAN, "alma-approvers")
    world.provider.extra_claims = {}
    await world.approve(LIBRARIAN, (await world.file()).row.id)
    await _fine(world)


async def test_a_vote_of_somebody_whose_claim_role_is_gone_counts_no_more(enrolled: World) -> None:
    world, other = enrolled, "other@example.edu"
    for email in (NEW, other):
        await _sign_in(world, email, "alma-approvers")
    filed = await world.file(minutes=600)
    await world.approve(NEW, filed.row.id)
    await _sign_in(world, NEW)
    world.provider.extra_claims = {"groups": ["alma-approvers"]}
    await world.approve(other, filed.row.id)
    assert await _events(world, "request.approved") == []
    await world.approve(LIBRARIAN, filed.row.id)
    assert len(await _events(world, "request.approved")) == 1
    await _fine(world)


async def test_nobody_comes_by_a_claim_before_the_code_is_confirmed(world: World) -> None:
    world.provider.extra_claims = {"groups": ["alma-admins"]}
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(NEW)
    await world.sign_in(AUDITOR)
    assert await _roles(world, AUDITOR) == {"auditor"}
    assert await _events(world, "person.roles_changed") == []


async def test_whom_an_admin_removed_does_not_come_back_by_the_claim(enrolled: World) -> None:
    world = enrolled
    await _sign_in(world, NEW, "alma-approvers")
    gone = (await world.visitor(NEW)).person
    await person.remove(world.services, await world.visitor(HEAD), gone)
    for email, sub in ((NEW, None), (NEW, "another account"), ("alias@example.edu", f"sub-of-{NEW}")):
        with pytest.raises(Refused) as refused:
            await world.sign_in(email, sub=sub)
        assert dict(refused.value.refusal.extra)["reason"] == "not-on-roster"
    await _fine(world)


async def test_a_claim_that_gives_no_role_lets_nobody_in(enrolled: World) -> None:
    for groups in (["staff"], "staff", [1, None], {"alma-approvers": True}, None):
        enrolled.provider.extra_claims = {"groups": groups}
        with pytest.raises(Refused) as refused:
            await enrolled.sign_in(NEW)
        assert dict(refused.value.refusal.extra)["reason"] == "not-on-roster"
    assert await _events(enrolled, "person.added") == []


async def test_nobody_of_the_vendor_becomes_an_approver_by_a_claim(enrolled: World) -> None:
    email = "friend@sub.vendor.example"
    enrolled.provider.extra_claims = {"groups": ["alma-approvers", "alma-auditors"]}
    with pytest.raises(Refused) as refused:
        await enrolled.sign_in(email)
    assert dict(refused.value.refusal.extra)["reason"] == "vendor-person"
    enrolled.provider.extra_claims = {"groups": ["alma-auditors"]}
    await enrolled.sign_in(email)
    enrolled.provider.extra_claims = {"groups": ["alma-approvers"]}
    with pytest.raises(Refused, match="sign-in-refused"):
        await enrolled.sign_in(email)
    await _fine(enrolled)


async def test_the_role_claim_is_asked_for_as_the_provider_wants_it_asked(enrolled: World) -> None:
    world = enrolled
    for says, scope, claims in (
        ({}, "openid email profile", None),
        ({"scopes_supported": ["openid", "groups"]}, "openid email profile groups", None),
        ({"claims_parameter_supported": True}, "openid email profile", '{"id_token":{"groups":null}}'),
    ):
        world.provider.evil = Evil("", discovery=lambda honest, says=says: honest | says)  # type: ignore[misc]  # bound early
        world.skip(signin.ABSOLUTE)
        asked = parse_qs(urlsplit((await signin.begin(world.services, CODE, "/requests", None)).url).query)
        assert (asked["scope"], asked.get("claims")) == ([scope], None if claims is None else [claims])
