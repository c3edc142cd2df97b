"""One person of the roster, kept by an admin: what takes away takes effect at once, on every replica.

A person removed is gone at the next click: their sessions end in the same transaction, and every page reads the roster
anew. What adds is a countersigned change and is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.people import ListedPerson, listed_person
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.domain.events import Event
from app.domain.institution import Institution, is_admin, judge_removal, judge_roles
from app.domain.people import Person
from app.domain.times import stamp
from app.domain.window import day_over
from app.storage import institutions, roster, web_sessions

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the form of a person keeps; the days are the first and the last one away, in the institution's zone."""

    roles: tuple[str, ...]
    products: tuple[str, ...]
    away_from: date | None
    away_to: date | None


@dataclass(frozen=True, slots=True)
class PersonView:
    """The settings page of a person."""

    person: ListedPerson
    kept: Kept


async def person(services: Services, visitor: Visitor, person_id: str) -> PersonView:
    """A person of the roster, for admins. Raises `Refused` not-found."""
    if "admin" not in visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        state = None if row is None else Institution.from_data(row.state)
        found = None if state is None else _listed(state, person_id)
        known = None if found is None else await roster.read(tx, visitor.code, person_id)
    if state is None or found is None or known is None:
        raise Refused(NOT_FOUND)
    return PersonView(listed_person(state, known), _kept(found, state.zone))


async def remove(services: Services, visitor: Visitor, person_id: str) -> None:
    """Remove a person; their sessions end. Raises `Refused`: not-found, last-admin."""
    async with write(services, visitor.code) as book:
        _held(book, visitor, person_id)
        unwrap(judge_removal(book.institution, person_id))
        await roster.take_pending(book.tx, book.code, person_id)
        await roster.remove(book.tx, book.code, person_id)
        await web_sessions.end_of_person(book.tx, book.code, person_id)
        book.add(Event("person.removed", person_id, visitor.actor, {}))
        await book.append()


async def change(services: Services, visitor: Visitor, person_id: str, wanted: Kept) -> None:
    """Take roles or products away, and set the days away; nothing is changed where anything is refused.

    Raises `Refused`: not-found, countersignature-needed, last-admin, validation.
    """
    async with write(services, visitor.code) as book:
        before = _kept(_held(book, visitor, person_id), book.institution.zone)
        unwrap(judge_roles(book.institution, person_id, wanted.roles, wanted.products))
        unwrap(_judge_days(wanted))
        if (wanted.roles, wanted.products) != (before.roles, before.products):
            roles = {"roles": list(wanted.roles), "products": list(wanted.products), "source": "roster"}
            data = {"change": None, **roles, "evidence": []}
            book.add(Event("person.roles_changed", person_id, visitor.actor, data))
        if (wanted.away_from, wanted.away_to) != (before.away_from, before.away_to):
            begins, ends = away_span(wanted, book.institution.zone)
            data = {"from": None if begins is None else stamp(begins), "to": None if ends is None else stamp(ends)}
            book.add(Event("person.away_set", person_id, visitor.actor, data))
        await book.append()


def _held(book: Ledger, visitor: Visitor, person_id: str) -> Person:
    """The person, where the visitor is an admin under the lock too. Raises `Refused` not-found."""
    found = _listed(book.institution, person_id)
    if found is None or not is_admin(book.institution, visitor.person):
        raise Refused(NOT_FOUND)
    return found


def _listed(state: Institution, person_id: str) -> Person | None:
    found = state.people.get(person_id)
    return None if found is None or found.removed else found


def _kept(found: Person, zone: ZoneInfo) -> Kept:
    last = None if found.away_to is None else found.away_to - timedelta(microseconds=1)
    return Kept(found.roles, found.products, _day(found.away_from, zone), _day(last, zone))


def _day(at: datetime | None, zone: ZoneInfo) -> date | None:
    return None if at is None else at.astimezone(zone).date()


def _judge_days(wanted: Kept) -> Refusal | None:
    if wanted.away_from is not None and wanted.away_to is not None and wanted.away_to < wanted.away_from:
        return Refusal.of_field("/away_to", "The last day away comes before the first.")
    return None


def away_span(kept: Kept, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The instants at which the first day begins and the last one is over, in the institution's zone."""
    begins = None if kept.away_from is None else day_over(kept.away_from - _DAY, zone)
    return begins, None if kept.away_to is None else day_over(kept.away_to, zone)
