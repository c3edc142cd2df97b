"""Mails about changes of the settings: who is told, of what, and in which thread."""

from __future__ import annotations

from typing import Any

from app.actions import changes, clock, person
from app.actions import wanted as wants
from app.actions.change_mails import tell_gathered
from app.actions.changes import set_at_once
from app.actions.ledger import write
from app.actions.person import NewPerson
from app.actions.proposals import propose
from app.domain.institution import CHANGE_LIFE
from app.domain.proposal import Wanted
from app.storage import outbox
from app.storage.outbox import OutboxRow
from tests.actions.test_changes import LONGER, OPERATOR, SHORTER, fine, told
from tests.actions.worlds import AUDITOR, CODE, HEAD, World

OLD, NEW = "library-systems@example.edu", "it@example.edu"


async def offered(world: World, *wanted: Wanted) -> list[str]:
    async with write(world.services, CODE) as book:
        ids = [await propose(book, OPERATOR, each) for each in wanted]
        await tell_gathered(book)
        await book.append()
    return ids


async def mails(world: World, about: str) -> list[OutboxRow]:
    async with world.services.database.read() as tx:
        return await outbox.about(tx, CODE, about)


def words(row: OutboxRow) -> tuple[str, str, list[str]]:
    """What a mail tells, to whom by its kind of reader, and its addresses."""
    facts: dict[str, Any] = row.payload["facts"]
    return facts["event"], facts["change"]["reader"], list(row.payload["to"])


async def test_admins_hear_of_a_change_when_it_is_proposed_and_when_it_counts_in_one_thread(enrolled: World) -> None:
    (change_id,) = await offered(enrolled, wants.of_policy(CODE, LONGER))
    (first,) = await mails(enrolled, change_id)
    assert words(first) == ("proposed", "admin", [HEAD])
    assert first.payload["facts"]["change"]["link"].endswith(f"/settings/changes/{change_id}")
    assert first.payload["facts"]["loosens"]
    assert first.payload["reply_to"] == [HEAD]
    assert first.payload["facts"]["by"] == "the operator of this service"
    await enrolled.countersign(HEAD, change_id)
    _, applied = sorted(await mails(enrolled, change_id), key=lambda row: row.payload["index"])
    assert words(applied) == ("applied", "admin", [HEAD])
    assert applied.payload["first"] == first.payload["message_id"]
    assert await offered(enrolled, wants.of_policy(CODE, LONGER)) != [change_id]
    await fine(enrolled)


async def test_what_took_effect_at_once_is_told_too(enrolled: World) -> None:
    head = await enrolled.visitor(HEAD)
    assert await set_at_once(enrolled.services, head, wants.of_policy(CODE, SHORTER)) is None
    (queued,) = [each for each in await told(enrolled, "mail.queued") if each["kind"] == "settings-change"]
    assert queued["about"] is None
    assert queued["to"] == [head.person]


async def test_what_is_proposed_together_is_told_in_one_mail_and_lapses_in_one(enrolled: World) -> None:
    newcomer = wants.of_person(enrolled.now(), "new@example.edu", "New", ("approver",), ())
    await offered(enrolled, wants.of_policy(CODE, LONGER), newcomer)
    assert len(await told(enrolled, "mail.queued")) == 1
    assert (await told(enrolled, "mail.queued"))[0]["about"] is None
    enrolled.skip(CHANGE_LIFE)
    assert await clock.lapse_changes(enrolled.services) == 2
    assert len(await told(enrolled, "mail.queued")) == 2
    await fine(enrolled)


async def test_a_rejection_is_told_with_its_reason(enrolled: World) -> None:
    (change_id,) = await offered(enrolled, wants.of_policy(CODE, LONGER))
    await changes.reject(enrolled.services, await enrolled.visitor(HEAD), change_id, "Not this year.")
    rejected = [row for row in await mails(enrolled, change_id) if row.payload["facts"]["event"] == "rejected"]
    assert [row.payload["facts"]["words"] for row in rejected] == ["Not this year."]


async def test_whom_it_concerns_is_told_when_it_counts_and_never_before(enrolled: World) -> None:
    head, auditor = await enrolled.visitor(HEAD), (await enrolled.visitor(AUDITOR)).person
    change_id = await set_at_once(enrolled.services, head, wants.of_roles(auditor, ("approver", "auditor"), ()))
    assert change_id is not None
    assert [words(row)[2] for row in await mails(enrolled, change_id)] == [[HEAD]]
    await enrolled.countersign(HEAD, change_id)
    applied = [row for row in await mails(enrolled, change_id) if row.payload["facts"]["event"] == "applied"]
    assert sorted(words(row)[1:] for row in applied) == [("admin", [HEAD]), ("person", [AUDITOR])]
    reader = NewPerson("reader@example.edu", "Reader", ("auditor",), ())
    assert await person.add(enrolled.services, head, reader) is None
    people = (await enrolled.institution()).people
    await person.remove(enrolled.services, head, next(key for key in people if people[key].roles == ("auditor",)))
    assert len([each for each in await told(enrolled, "mail.queued") if each["about"] is None]) == 4
    await fine(enrolled)


async def test_the_old_address_for_notices_learns_that_it_is_none_any_more(enrolled: World) -> None:
    head = await enrolled.visitor(HEAD)
    other = wants.of_institution(CODE, "Example University Library", (NEW,), "en", "Europe/Vienna")
    change_id = await set_at_once(enrolled.services, head, other)
    assert change_id is not None
    await enrolled.countersign(HEAD, change_id)
    readers = [words(row)[1:] for row in await mails(enrolled, change_id) if words(row)[0] == "applied"]
    assert sorted(readers) == [("address", [NEW]), ("address", [OLD]), ("admin", [HEAD])]
    await fine(enrolled)
