"""Changes of an institution: proposed by anybody who may, in force only when its own admins have agreed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.actions import changes, clock, doctor, person
from app.actions import wanted as wants
from app.actions.changes import set_at_once
from app.actions.ledger import write
from app.actions.person import Kept, NewPerson
from app.actions.proposals import propose
from app.domain.errors import Refused
from app.domain.events import Actor
from app.domain.ids import encode
from app.domain.institution import CHANGE_LIFE
from app.domain.policy import Policy
from app.domain.proposal import Wanted
from app.storage import entries, institutions, roster
from tests.actions.worlds import AUDITOR, CODE, DEPUTY, HEAD, LIBRARIAN, World

OPERATOR = Actor("operator", encode("opr", 7))
LONGER, SHORTER = Policy(max_window_minutes=1440), Policy(max_window_minutes=60)
NEWCOMER = NewPerson("new@example.edu", "New Librarian", ("approver",), ("alma",))


async def told(world: World, type_: str) -> list[dict[str, Any]]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(type=type_), 1000)
    return [dict(each.entry.data) for each in found]


async def proposed(world: World, wanted: Wanted, actor: Actor = OPERATOR) -> str:
    async with write(world.services, CODE) as book:
        change_id = await propose(book, actor, wanted)
        await book.append()
    return change_id


async def refused(world: World, email: str, change_id: str) -> str:
    with pytest.raises(Refused) as no:
        await world.countersign(email, change_id)
    return no.value.refusal.problem


async def fine(world: World) -> None:
    """The bundle verifies, and the tables are as the trail tells."""
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    assert await doctor.examine(world.services) == []


async def test_what_tightens_takes_effect_at_once_and_what_loosens_waits(enrolled: World) -> None:
    head = await enrolled.visitor(HEAD)
    assert await set_at_once(enrolled.services, head, wants.of_policy(CODE, SHORTER)) is None
    assert (await enrolled.institution()).policy == SHORTER
    change_id = await set_at_once(enrolled.services, head, wants.of_policy(CODE, LONGER))
    assert change_id is not None
    assert (await enrolled.institution()).policy == SHORTER
    shown = await changes.change(enrolled.services, head, change_id)
    assert (shown.mine, shown.loosens, shown.answerable) == (True, True, True)  # the only admin agrees with themselves
    assert shown.title == "Longest window: 60 minutes to 1,440 minutes"
    assert shown.text == (
        "I agree that the policy at Example University Library (01EXU_INST) changes: "
        "longest window from 60 minutes to 1,440 minutes."
    )
    await enrolled.countersign(HEAD, change_id)
    assert (await enrolled.institution()).policy == LONGER
    assert [(each["change"], len(each["evidence"])) for each in await told(enrolled, "policy.set")] == [
        (None, 0),
        (change_id, 1),
    ]
    await fine(enrolled)


async def test_with_two_admins_another_than_the_proposer_countersigns(enrolled: World) -> None:
    head = await enrolled.visitor(HEAD)
    librarian = (await enrolled.visitor(LIBRARIAN)).person
    admin = await set_at_once(enrolled.services, head, wants.of_roles(librarian, ("admin", "approver"), ()))
    assert admin is not None
    await enrolled.countersign(HEAD, admin)
    assert "admin" in (await enrolled.visitor(LIBRARIAN)).roles
    longer = await set_at_once(enrolled.services, head, wants.of_policy(CODE, LONGER))
    assert longer is not None
    assert await refused(enrolled, HEAD, longer) == "own-change"
    assert not (await changes.change(enrolled.services, head, longer)).answerable
    await enrolled.countersign(LIBRARIAN, longer)
    assert (await enrolled.institution()).policy == LONGER
    await fine(enrolled)


async def second_admin(world: World) -> str:
    """Make the librarian an admin too; their id."""
    head, librarian = await world.visitor(HEAD), (await world.visitor(LIBRARIAN)).person
    change_id = await set_at_once(world.services, head, wants.of_roles(librarian, ("admin", "approver"), ()))
    assert change_id is not None
    await world.countersign(HEAD, change_id)
    return librarian


async def test_with_two_admins_nobody_countersigns_the_role_that_a_change_gives_them(enrolled: World) -> None:
    await second_admin(enrolled)
    auditor = (await enrolled.visitor(AUDITOR)).person
    admin = await proposed(enrolled, wants.of_roles(auditor, ("admin", "auditor"), ()))
    await enrolled.countersign(HEAD, admin)
    change_id = await proposed(enrolled, wants.of_roles(auditor, ("admin", "approver", "auditor"), ()))
    shown = await changes.change(enrolled.services, await enrolled.visitor(AUDITOR), change_id)
    assert (shown.own, shown.mine, shown.answerable) == (True, False, False)
    assert await refused(enrolled, AUDITOR, change_id) == "own-change"
    await enrolled.countersign(HEAD, change_id)
    assert "approver" in (await enrolled.institution()).people[auditor].roles
    await fine(enrolled)


async def test_who_removes_the_other_admin_is_not_alone_with_what_waits(enrolled: World) -> None:
    librarian = await second_admin(enrolled)
    visitor = await enrolled.visitor(HEAD)
    longer = await set_at_once(enrolled.services, visitor, wants.of_policy(CODE, LONGER))
    assert longer is not None
    assert await set_at_once(enrolled.services, visitor, wants.of_removal(librarian)) is None
    assert not (await changes.change(enrolled.services, visitor, longer)).answerable
    assert await refused(enrolled, HEAD, longer) == "own-change"
    await changes.reject(enrolled.services, visitor, longer)
    anew = await set_at_once(enrolled.services, visitor, wants.of_policy(CODE, LONGER))
    assert anew not in {None, longer}
    await enrolled.countersign(HEAD, str(anew))
    assert (await enrolled.institution()).policy == LONGER
    await fine(enrolled)


async def test_whose_account_gets_a_role_is_shown_to_whoever_countersigns_it(enrolled: World) -> None:
    auditor = await enrolled.visitor(AUDITOR)
    change_id = await proposed(enrolled, wants.of_roles(auditor.person, ("approver", "auditor"), ()))
    account = (await changes.change(enrolled.services, await enrolled.visitor(HEAD), change_id)).account
    assert account is not None
    assert (account.email, account.iss, account.sub) == (AUDITOR, auditor.iss, auditor.sub)


async def test_somebody_new_joins_by_a_countersigned_change_as_they_were_proposed(enrolled: World) -> None:
    change_id = await person.add(enrolled.services, await enrolled.visitor(HEAD), NEWCOMER)
    assert change_id is not None
    await enrolled.countersign(HEAD, change_id)
    async with enrolled.services.database.read() as tx:
        row = await roster.of_email(tx, CODE, NEWCOMER.email)
    assert row is not None
    assert (await enrolled.institution()).people[row.person].roles == ("approver",)
    with pytest.raises(Refused) as waits:
        await enrolled.sign_in(NEWCOMER.email)
    assert dict(waits.value.refusal.extra)["reason"] == "binding-waits"
    auditor = NewPerson("reader@example.edu", "Reader", ("auditor",), ())
    assert await person.add(enrolled.services, await enrolled.visitor(HEAD), auditor) is None
    await enrolled.sign_in(auditor.email)
    await fine(enrolled)


async def test_the_days_away_count_at_once_where_a_role_has_to_be_countersigned(enrolled: World) -> None:
    head, auditor = await enrolled.visitor(HEAD), (await enrolled.visitor(AUDITOR)).person
    kept = Kept(("approver", "auditor"), (), enrolled.now().date(), None)
    change_id = await person.change(enrolled.services, head, auditor, kept)
    assert change_id is not None
    found = (await enrolled.institution()).people[auditor]
    assert (found.roles, found.away_from is not None) == (("auditor",), True)
    assert await person.change(enrolled.services, head, auditor, replace(kept, roles=(), away_from=None)) is None
    assert (await enrolled.institution()).people[auditor].roles == ()


async def test_the_same_is_not_proposed_twice_and_a_rejected_change_is_over(enrolled: World) -> None:
    first = await proposed(enrolled, wants.of_policy(CODE, LONGER))
    assert await proposed(enrolled, wants.of_policy(CODE, LONGER)) == first
    person_ = [wants.of_person(enrolled.now(), "new@example.edu", "New", ("approver",), ()) for _ in range(2)]
    assert await proposed(enrolled, person_[0]) == await proposed(enrolled, person_[1])
    head = await enrolled.visitor(HEAD)
    assert {each.id for each in await changes.waiting_changes(enrolled.services, head)} == set(
        (await enrolled.institution()).changes
    )
    await changes.reject(enrolled.services, head, first, "Not this year.")
    assert await refused(enrolled, HEAD, first) == "not-found"
    assert await proposed(enrolled, wants.of_policy(CODE, LONGER)) != first
    assert (await enrolled.institution()).policy == Policy()
    await fine(enrolled)


async def test_a_change_lapses_after_thirty_days_whether_the_worker_ran_or_not(enrolled: World) -> None:
    change_id = await proposed(enrolled, wants.of_policy(CODE, LONGER))
    enrolled.skip(CHANGE_LIFE)
    for email in (HEAD, AUDITOR):
        await enrolled.sign_in(email)
    assert await refused(enrolled, HEAD, change_id) == "wrong-state"
    assert await clock.lapse_changes(enrolled.services) == 1
    assert await clock.lapse_changes(enrolled.services) == 0
    assert (await told(enrolled, "change.rejected")) == [{"because": "lapsed"}]
    await fine(enrolled)


async def test_nobody_but_an_admin_reads_answers_or_makes_changes(enrolled: World) -> None:
    change_id = await proposed(enrolled, wants.of_policy(CODE, LONGER))
    tight = await proposed(enrolled, wants.of_policy(CODE, SHORTER))
    for email in (LIBRARIAN, DEPUTY, AUDITOR):
        who = await enrolled.visitor(email)
        for attempt in (
            changes.waiting_changes(enrolled.services, who),
            changes.change(enrolled.services, who, change_id),
            changes.reject(enrolled.services, who, change_id),
            changes.approve(enrolled.services, who, tight),
            changes.countersign(enrolled.services, who, change_id, "", None),
            set_at_once(enrolled.services, who, wants.of_policy(CODE, SHORTER)),
            person.add(enrolled.services, who, NEWCOMER),
        ):
            with pytest.raises(Refused) as no:
                await attempt
            assert no.value.refusal.problem == "not-found"
    assert (await enrolled.institution()).policy == Policy()


async def test_an_admin_approves_what_tightens_without_a_countersignature(enrolled: World) -> None:
    change_id = await proposed(enrolled, wants.of_policy(CODE, SHORTER))
    looser = await proposed(enrolled, wants.of_policy(CODE, LONGER))
    gone = await proposed(enrolled, wants.of_removal((await enrolled.visitor(DEPUTY)).person))
    head = await enrolled.visitor(HEAD)
    with pytest.raises(Refused) as no:
        await changes.approve(enrolled.services, head, looser)
    assert no.value.refusal.problem == "countersignature-needed"
    await changes.approve(enrolled.services, head, change_id)
    await changes.approve(enrolled.services, head, gone)
    assert (await enrolled.institution()).policy == SHORTER
    assert DEPUTY in enrolled.people
    assert set((await enrolled.institution()).changes) == {looser}
    await fine(enrolled)


async def test_a_grant_that_the_new_policy_would_not_give_ends_with_the_change(enrolled: World) -> None:
    request = (await enrolled.file()).row.id
    await enrolled.approve(HEAD, request)
    await set_at_once(enrolled.services, await enrolled.visitor(HEAD), wants.of_policy(CODE, SHORTER))
    assert [each["because"] for each in await told(enrolled, "request.revoked")] == ["rules"]
    await fine(enrolled)


async def test_what_a_pending_request_needs_is_judged_anew(enrolled: World) -> None:
    filed = await enrolled.file()
    await set_at_once(
        enrolled.services, await enrolled.visitor(HEAD), wants.of_policy(CODE, Policy(approvals_required=2))
    )
    await enrolled.approve(HEAD, filed.row.id)
    await enrolled.approve(LIBRARIAN, filed.row.id)
    assert [len(each["decisions"]) for each in await told(enrolled, "request.approved")] == [2]
    await fine(enrolled)


async def test_a_sentence_that_is_no_longer_true_is_not_signed(enrolled: World) -> None:
    change_id = await proposed(enrolled, wants.of_policy(CODE, LONGER))
    head = await enrolled.visitor(HEAD)
    shown = await changes.change(enrolled.services, head, change_id)
    begun = await changes.countersign(enrolled.services, head, change_id, shown.digest, None)
    await set_at_once(enrolled.services, head, wants.of_policy(CODE, SHORTER))
    with pytest.raises(Refused) as late:
        await enrolled.travel(begun, HEAD)
    assert late.value.refusal.problem == "change-outdated"
    with pytest.raises(Refused) as stale:
        await changes.countersign(enrolled.services, head, change_id, shown.digest, None)
    assert stale.value.refusal.problem == "change-outdated"
    assert (await enrolled.institution()).policy == SHORTER
    await fine(enrolled)


async def test_a_countersignature_of_somebody_else_or_from_another_session_changes_nothing(enrolled: World) -> None:
    change_id = await proposed(enrolled, wants.of_policy(CODE, LONGER))
    head = await enrolled.visitor(HEAD)
    shown = await changes.change(enrolled.services, head, change_id)
    for who, cookie, reason in ((LIBRARIAN, enrolled.people[HEAD], "other-person"), (HEAD, "nobody", "session-over")):
        begun = await changes.countersign(enrolled.services, head, change_id, shown.digest, None)
        with pytest.raises(Refused) as no:
            await enrolled.travel(begun, who, cookie=cookie)
        assert dict(no.value.refusal.extra)["reason"] == reason
    begun = await changes.countersign(enrolled.services, head, change_id, shown.digest, None)
    await enrolled.sign_in(HEAD)
    with pytest.raises(Refused) as over:
        await enrolled.travel(begun, HEAD)
    assert over.value.refusal.problem == "draft-over"
    assert (await enrolled.institution()).policy == Policy()
    assert len(await told(enrolled, "sign_in.refused")) == 3
    await fine(enrolled)


async def test_other_addresses_for_notices_wait_and_then_count(enrolled: World) -> None:
    head = await enrolled.visitor(HEAD)
    named = wants.of_institution(CODE, "Example Library", ("library-systems@example.edu",), "en", "Europe/Vienna")
    assert await set_at_once(enrolled.services, head, named) is None
    other = wants.of_institution(CODE, "Example Library", ("it@example.edu",), "en", "Europe/Vienna")
    change_id = await set_at_once(enrolled.services, head, other)
    assert change_id is not None
    await enrolled.countersign(HEAD, change_id)
    async with enrolled.services.database.read() as tx:
        row = await institutions.read(tx, CODE)
    assert row is not None
    assert (row.name, row.notify) == ("Example Library", ("it@example.edu",))
    await fine(enrolled)


async def test_environments_come_and_change_by_a_countersignature_and_never_go_back(enrolled: World) -> None:
    there = (await enrolled.institution()).environments["alma-production"]
    head = await enrolled.visitor(HEAD)
    new = replace(there, environment="alma-sandbox", tier="sandbox", url="https://exu-sb.alma.vendor.example")
    ends = (enrolled.now() + timedelta(days=100)).date().isoformat()
    new = replace(new, phase="implementation", implementation_ends=ends)
    change_id = await set_at_once(enrolled.services, head, wants.of_environment(CODE, new))
    assert change_id is not None
    await enrolled.countersign(HEAD, change_id)
    assert (await enrolled.file(environment="alma-sandbox")).request.grant is not None
    late = (enrolled.now() + timedelta(days=542)).date().isoformat()
    for wrong, pointer in (
        (replace(new, implementation_ends=late), "/implementation_ends"),
        (replace(new, environment="another"), "/url"),
        (replace(there, phase="implementation", implementation_ends=ends), ""),
    ):
        with pytest.raises(Refused) as no:
            await set_at_once(enrolled.services, head, wants.of_environment(CODE, wrong))
        assert no.value.refusal.errors[0].pointer == pointer
    await fine(enrolled)


async def test_nobody_of_the_vendor_is_proposed_as_an_approver(enrolled: World) -> None:
    for roles in (("approver",), ("backup_approver",)):
        wanted = wants.of_person(enrolled.now(), "someone@support.vendor.example", "Someone", roles, ())
        with pytest.raises(Refused) as no:
            await proposed(enrolled, wanted)
        assert no.value.refusal.errors[0].pointer == "/roles"
