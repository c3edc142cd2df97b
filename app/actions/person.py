"""One person of the roster, kept by an admin: what takes away takes effect at once, on every replica.

A person removed is gone at the next click: their sessions end in the same transaction, and every page reads the roster
anew. What makes somebody approver or admin, or an approver for more products, waits for a countersignature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.actions.changes import settle
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.people import ListedPerson, listed_person
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.wanted import of_person, of_removal, of_roles
from app.domain.errors import Refusal, Refused
from app.domain.events import Event
from app.domain.institution import Institution, is_admin
from app.domain.languages import msg
from app.domain.people import Person
from app.domain.times import stamp
from app.domain.window import day_over
from app.storage import institutions, roster

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the form of a person keeps; the days are the first and the last one away, in the institution's zone."""

    roles: tuple[str, ...]
    products: tuple[str, ...]
    away_from: date | None
    away_to: date | None


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What the form of a new person says; `email` in lower case."""

    email: str
    name: str
    roles: tuple[str, ...]
    products: tuple[str, ...]


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


async def add(services: Services, visitor: Visitor, new: NewPerson) -> str | None:
    """Add a person: at once (None), or proposed where they would answer requests or keep settings: the change's id.

    Raises `Refused`: not-found, validation.
    """
    async with write(services, visitor.code) as book:
        wanted = of_person(book.now, new.email, new.name, new.roles, new.products)
        return await settle(book, visitor, wanted, {})


async def remove(services: Services, visitor: Visitor, person_id: str) -> None:
    """Remove a person; their sessions end. Raises `Refused`: not-found, last-admin."""
    async with write(services, visitor.code) as book:
        _held(book, visitor, person_id)
        await settle(book, visitor, of_removal(person_id), {})


async def change(services: Services, visitor: Visitor, person_id: str, wanted: Kept) -> str | None:
    """Set roles, products and the days away; nothing is changed where anything is refused.

    The id of the change that waits, where roles or products have to be countersigned; the days count at once.
    Raises `Refused`: not-found, last-admin, validation.
    """
    async with write(services, visitor.code) as book:
        before = _kept(_held(book, visitor, person_id), book.institution.zone)
        unwrap(_judge_days(wanted))
        if (wanted.away_from, wanted.away_to) != (before.away_from, before.away_to):
            begins, ends = away_span(wanted, book.institution.zone)
            data = {"from": None if begins is None else stamp(begins), "to": None if ends is None else stamp(ends)}
            book.add(Event("person.away_set", person_id, visitor.actor, data))
        if (wanted.roles, wanted.products) == (before.roles, before.products):
            await book.append()
            return None
        return await settle(book, visitor, of_roles(person_id, wanted.roles, wanted.products), {})


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
        return Refusal.of_field("/away_to", msg("The last day away comes before the first."))
    return None


def away_span(kept: Kept, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """The instants at which the first day begins and the last one is over, in the institution's zone."""
    begins = None if kept.away_from is None else day_over(kept.away_from - _DAY, zone)
    return begins, None if kept.away_to is None else day_over(kept.away_to, zone)
