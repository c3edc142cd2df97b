"""Who is told of changes of the settings: proposed, applied, rejected, lapsed.

All admins, the proposer among them: so nobody proposes with an admin's session unseen. Of what took effect the person
too whom it concerns, and both the addresses for notices that were and those that are. What one append proposed or
rejected is told in one mail. Nothing is told of an institution that is not enrolled yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from app.actions.judging import loosening_of
from app.actions.ledger import Ledger
from app.actions.mail_queue import Place, Readers, enqueue
from app.actions.opening import notify_text
from app.actions.proposals import Waiting, proposed_in, waiting
from app.actions.views import private_fields
from app.domain import change_text
from app.domain.change_text import Around
from app.domain.events import WORKER, Event
from app.domain.institution import CHANGE_LIFE, Institution, admins
from app.domain.kinds import VENDOR
from app.domain.languages import language_of
from app.domain.proposal import Proposal, Wanted
from app.domain.times import stamp
from app.notify.settings_facts import ChangeFacts, ChangeNotice, Turn
from app.storage import clients, roster
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.leaves import Stored

MOST = 12
LONGEST = 300
_PEOPLE = frozenset({"person.added", "person.roles_changed", "person.removed"})


@dataclass(frozen=True, slots=True)
class Stand:
    """An institution before a change: who is told, and what the words need."""

    institution: Institution
    row: InstitutionRow
    around: Around

    @property
    def language(self) -> str:
        """The language that its people are spoken to in."""
        return language_of(self.institution.locale)


async def around(tx: Transaction, row: InstitutionRow) -> Around:
    """What the words of a change need beside the state."""
    people = {each.person: (each.name, each.email) for each in await roster.people(tx, row.code)}
    return Around(row.name, notify_text(row.notify), people)


async def actor_name(tx: Transaction, actor: str, known: Around) -> str:
    """What whoever did something is called."""
    if actor in known.people:
        return known.people[actor][0]
    client = await clients.read(tx, actor)
    return "the operator of this service" if client is None else f"the vendor’s system {client.name}"


async def stand(book: Ledger) -> Stand:
    """The institution as it is now."""
    return Stand(book.institution, book.row, await around(book.tx, book.row))


async def tell_gathered(book: Ledger) -> None:
    """Queue the mails of all proposals and rejections that are gathered and not appended yet."""
    proposed = proposed_in(book)
    closed = [each for each in book.gathered if each.entry.type == "change.rejected"]
    if not (proposed or closed) or not _tells(book):
        return
    before = await stand(book)
    if proposed:
        await _tell_proposed(book, before, proposed)
    if closed:
        await _tell_closed(book, before, closed)


async def tell_applied(book: Ledger, wanted: Wanted, event: Event, before: Stand) -> None:
    """Queue the mails of a change that took effect: to those who were admins, and to whom it concerns."""
    if not _tells(book):
        return
    change_id = event.data.get("change")
    waited = None if change_id is None else before.institution.changes.get(change_id)
    notice = ChangeNotice(
        "applied",
        facts_of(book, before, "/settings"),
        (change_text.title(before.institution, wanted, before.around, language=before.language),),
        _turns(before, wanted),
        by=await actor_name(book.tx, event.actor.id, before.around),
        follows=waited is not None,
    )
    _to_admins(book, before, notice, change_id, _own_thread(book) if waited is None else _thread(book, waited.at))
    notice, link = replace(notice, follows=False), f"/sign-in/{book.code}"
    for reader, to in _concerned(book, before, wanted):
        concerned = replace(notice, change=replace(facts_of(book, before, link), reader=reader))
        enqueue(book, concerned, to, Place(change_id, _own_thread(book), begins=True), admin_addresses(before))


def _tells(book: Ledger) -> bool:
    return book.code != VENDOR and book.institution.enrolled_at is not None


async def _tell_proposed(book: Ledger, before: Stand, proposed: Sequence[tuple[Proposal, str]]) -> None:
    wanted = [proposal.wanted for proposal, _ in proposed]
    several = len(proposed) > 1
    notice = ChangeNotice(
        "proposed",
        facts_of(book, before, "/settings" if several else f"/settings/changes/{proposed[0][0].id}"),
        _titles(before, wanted),
        () if several else _turns(before, wanted[0]),
        by=await actor_name(book.tx, proposed[0][1], before.around),
        loosens=any(loosening_of(before.institution, before.row, each.event(WORKER)) for each, _ in proposed),
        lapses_at=book.now + CHANGE_LIFE,
    )
    about = None if several else proposed[0][0].id
    _to_admins(book, before, notice, about, _thread(book, book.now))


async def _tell_closed(book: Ledger, before: Stand, closed: Sequence[Stored]) -> None:
    """One mail of each rejection; those that lapsed together in one."""
    known, changes = await waiting(book.tx, before.institution), before.institution.changes
    lapsed = [each for each in closed if each.entry.data["because"] == "lapsed"]
    for group in ([each] for each in closed if each not in lapsed):
        entry = group[0].entry
        notice = ChangeNotice("rejected", facts_of(book, before, "/settings"), (), follows=True)
        by, words = await actor_name(book.tx, entry.actor.id, before.around), private_fields(group[0]).get("reason")
        notice = replace(notice, by=by, words=words or "", titles=_titles(before, _wanted(known, group)))
        _to_admins(book, before, notice, entry.subject, _thread(book, changes[entry.subject].at))
    if lapsed:
        first = min(changes[each.entry.subject].at for each in lapsed)
        titles = _titles(before, _wanted(known, lapsed))
        notice = ChangeNotice("lapsed", facts_of(book, before, "/settings"), titles, follows=True)
        about = lapsed[0].entry.subject if len(lapsed) == 1 else None
        _to_admins(book, before, notice, about, _thread(book, first))


def _wanted(known: Waiting, closed: Sequence[Stored]) -> list[Wanted]:
    """What they said; of one whose private part is gone nothing is known any more."""
    return [known[each.entry.subject].wanted for each in closed if each.entry.subject in known]


def _to_admins(book: Ledger, before: Stand, notice: ChangeNotice, about: str | None, thread: str) -> None:
    for person in admins(before.institution):
        if person in before.around.people:
            readers = Readers((before.around.people[person][1],), (person,))
            enqueue(book, notice, readers, Place(about, thread, begins=not notice.follows), admin_addresses(before))


def _concerned(book: Ledger, before: Stand, wanted: Wanted) -> Iterator[tuple[Literal["person", "address"], Readers]]:
    """Whom it concerns and who is told nothing of it as an admin."""
    if wanted.type in _PEOPLE and wanted.subject not in admins(before.institution):
        private = wanted.private or {}
        known = before.around.people.get(wanted.subject, ("", private.get("email") or ""))
        yield "person", Readers((known[1],), (wanted.subject,))
    if wanted.type == "institution.changed" and book.row.notify != before.row.notify:
        for address in sorted({*before.row.notify, *book.row.notify}):
            yield "address", Readers((address,))


def admin_addresses(before: Stand) -> list[str]:
    """Where answers to these mails go."""
    people = before.around.people
    return sorted(people[person][1] for person in admins(before.institution) if person in people)


def _thread(book: Ledger, proposed_at: datetime) -> str:
    """What was proposed together shares its thread; what follows finds it by the instant of the proposal."""
    return f"{book.code} settings {stamp(proposed_at)}"


def _own_thread(book: Ledger) -> str:
    """That of a mail which nothing came before."""
    return f"{book.code} settings {book.next_index}"


def facts_of(book: Ledger, before: Stand, path: str) -> ChangeFacts:
    """Whose mail it is; its reader is an admin. `path`: where its link leads."""
    state, link = before.institution, book.services.page(path)
    return ChangeFacts("admin", book.now, before.row.name, book.code, state.locale, state.time_zone, link)


def _titles(before: Stand, wanted: Sequence[Wanted]) -> tuple[str, ...]:
    titles = [
        _cut(change_text.title(before.institution, each, before.around, language=before.language)) for each in wanted
    ]
    return (*titles[:MOST], *(["…"] if len(titles) > MOST else []))


def _turns(before: Stand, wanted: Wanted) -> tuple[Turn, ...]:
    """The first points, cut; the page of the change has them whole."""
    points = change_text.points(before.institution, wanted, before.around, language=before.language)
    return tuple(Turn(each.label, _cut(each.now), _cut(each.after)) for each in points[:MOST])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
