"""The vendor's own people: auditors read every trail, operators see which institutions there are, nobody approves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.actions import decisions, derived, doctor, drafting, environments, people, reviews, stop_codes, trail, vendor
from app.actions.answers import Answer
from app.actions.export import Asked, export
from app.actions.ledger import write
from app.actions.operators import operator
from app.actions.trail import Wanted
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.kinds import VENDOR
from app.storage import entries, roster, tables
from tests.actions.attacks import behind, rewrite
from tests.actions.vendors import OPERATOR, VENDOR_AUDITOR, run_vendor_world, vendor_signs_in
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, World
from tests.identity.malicious_provider import MaliciousProvider

Vendor = tuple[World, MaliciousProvider]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def vendors(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Vendor]:
    """An enrolled world whose vendor's people can sign in."""
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if request.param == "postgresql":
        urls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with run_vendor_world(url, owner_url, tmp_path) as (world, provider):
        await world.enrol()
        yield world, provider


async def _types(world: World, log: str) -> list[str]:
    async with world.services.database.read() as tx:
        return [each.entry.type for each in await entries.read_leaves(tx, log, 0, 1 << 31)]


async def test_a_vendor_auditor_takes_every_trail_home_without_what_the_policy_keeps(vendors: Vendor) -> None:
    world, provider = vendors
    auditor = await vendor_signs_in(world, provider, VENDOR_AUDITOR)
    await world.approve(HEAD, (await world.file()).row.id)
    assert [line.code for line in await vendor.listed(world.services, auditor)] == [CODE]
    assert (await vendor.one(world.services, auditor, CODE)).shares is False
    path = world.directory / "vendor.zip"
    taken = await export(world.services, auditor, CODE, None)
    path.write_bytes(b"".join([piece async for piece in taken.pieces]))
    report = await world.verify(path)
    assert (report.exit_code, report.findings) == (3, ()), "fine as far as it can be checked without private parts"
    assert LIBRARIAN.encode() not in path.read_bytes()
    found, _ = await trail.find(world.services, auditor, CODE, Wanted(), 200)
    assert found
    assert all(each.private is None for each in found)
    rows = await derived.take(world.services, auditor, VENDOR, Asked("jsonl"))
    assert b"operator" in b"".join([piece async for piece in rows.pieces])
    whole = await world.verify(await world.bundle())
    assert (whole.exit_code, whole.findings) == (0, ()), "the export of somebody of the vendor is no finding"
    assert await doctor.examine(world.services) == []


async def test_an_operator_sees_which_institutions_there_are_and_no_trail(vendors: Vendor) -> None:
    world, provider = vendors
    who = await vendor_signs_in(world, provider, OPERATOR)
    assert [line.code for line in await vendor.listed(world.services, who)] == [CODE]
    for call in (
        vendor.one(world.services, who, CODE),
        export(world.services, who, CODE, None),
        trail.find(world.services, who, CODE, Wanted(), 1),
    ):
        with pytest.raises(Refused, match="not-found"):
            await call
    with pytest.raises(Refused, match="forbidden"):
        await trail.find(world.services, who, VENDOR, Wanted(), 1)
    assert (await _types(world, VENDOR))[-2:] == ["sign_in.succeeded", "operator.signed_in"]
    assert await doctor.examine(world.services) == []


async def test_only_the_vendors_people_see_the_institutions(vendors: Vendor) -> None:
    world, provider = vendors
    for email in (HEAD, AUDITOR):
        for call in (
            vendor.listed(world.services, await world.visitor(email)),
            vendor.one(world.services, await world.visitor(email), CODE),
        ):
            with pytest.raises(Refused, match="not-found"):
                await call
    auditor = await vendor_signs_in(world, provider, VENDOR_AUDITOR)
    for code in (VENDOR, "01NOBODY", "\0"):
        with pytest.raises(Refused, match="not-found"):
            await vendor.one(world.services, auditor, code)
    with pytest.raises(Refused) as refused:
        await vendor_signs_in(world, provider, "stranger@vendor.example")
    assert dict(refused.value.refusal.extra)["reason"] == "not-on-roster"
    provider.extra_claims = {"email_verified": False}
    with pytest.raises(Refused) as refused:
        await vendor_signs_in(world, provider, OPERATOR)
    assert dict(refused.value.refusal.extra)["reason"] == "email-unverified"


async def test_nobody_of_the_vendor_does_what_an_institutions_people_do(vendors: Vendor) -> None:
    """By the actions below every transport: with the session of a vendor's person, whatever the request."""
    world, provider = vendors
    filed = (await world.file()).row.id
    opened = (await world.file()).row.id
    await world.approve(HEAD, opened)
    draft = await world.draft(LIBRARIAN, filed)
    for email in (VENDOR_AUDITOR, OPERATOR):
        who = await vendor_signs_in(world, provider, email)
        for call in (
            drafting.answer(world.services, who, filed, Answer("approve", window="full")),
            drafting.answer(world.services, who, filed, Answer("deny", why="No.")),
            drafting.answer(world.services, who, filed, Answer("ask", q="Why?")),
            decisions.confirm(world.services, who, filed, draft, None),
            decisions.revoke(world.services, who, opened, ""),
            reviews.review(world.services, who, filed),
            people.people(world.services, who),
            people.confirm_binding(world.services, who, who.person, confirm=True),
            stop_codes.make(world.services, who),
            environments.switch_to_support(world.services, who, CODE, "esploro-sandbox"),
        ):
            with pytest.raises(Refused, match=r"not-found|forbidden"):
                await call
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_a_provider_that_became_the_vendors_signs_nobody_in(vendors: Vendor) -> None:
    """Whom it signed in before answers nothing any more."""
    world, _ = vendors
    filed = (await world.file()).row.id
    async with write(world.services, CODE) as book:
        issuers = sorted([*book.institution.vendor_issuers, world.provider.issuer])
        data = {"vendor_domains": list(book.institution.vendor_domains), "vendor_issuers": issuers}
        book.add(Event("vendor.changed", CODE, operator(world.services, "tests"), data))
        await book.append()
    with pytest.raises(Refused, match="not-approver"):
        await world.draft(HEAD, filed)
    with pytest.raises(Refused) as refused:
        await world.sign_in(LIBRARIAN)
    assert dict(refused.value.refusal.extra)["reason"] == "vendor-provider"


async def test_an_approver_whose_domain_became_the_vendors_answers_nothing(vendors: Vendor) -> None:
    world, _ = vendors
    filed = (await world.file()).row.id
    async with write(world.services, CODE) as book:
        data = {
            "vendor_domains": ["example.edu", *book.institution.vendor_domains],
            "vendor_issuers": list(book.institution.vendor_issuers),
        }
        book.add(Event("vendor.changed", CODE, operator(world.services, "tests"), data))
        await book.append()
    with pytest.raises(Refused, match="not-approver"):
        await world.draft(HEAD, filed)


async def test_rows_alone_make_no_approver_of_somebody_of_the_vendor(vendors: Vendor) -> None:
    """A session row moved over, a roster row bound to the vendor's account: neither is anybody."""
    world, provider = vendors
    auditor = await vendor_signs_in(world, provider, VENDOR_AUDITOR)
    librarian = await world.visitor(LIBRARIAN)
    moved = {"log": CODE, "person": librarian.person}
    await rewrite(world, tables.web_sessions, {"token": auditor.session}, moved)
    with pytest.raises(AssertionError):
        await world.visitor(VENDOR_AUDITOR)
    async with behind(world) as connection:
        await connection.execute(
            tables.roster.update()
            .where(tables.roster.c.person == librarian.person)
            .values(iss=auditor.iss, sub=auditor.sub, email=VENDOR_AUDITOR)
        )
    with pytest.raises(AssertionError):
        await world.visitor(LIBRARIAN)
    async with world.services.database.read() as tx:
        assert await roster.of_account(tx, CODE, auditor.iss, auditor.sub) is not None
    filed = await world.file()
    with pytest.raises(Refused, match="sign-in-refused"):
        await world.sign_in(LIBRARIAN)
    assert filed.status == "pending"
    assert {each.person for each in await doctor_names(world)} == {librarian.person}


async def doctor_names(world: World) -> list[roster.RosterRow]:
    """The rows of the roster that the doctor names."""
    told = " ".join(each.words for each in await doctor.examine(world.services))
    async with world.services.database.read() as tx:
        return [row for row in await roster.people(tx, CODE) if row.person in told]
