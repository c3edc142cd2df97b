"""People of an institution: who is on the list, and first sign-ins that an admin has yet to confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.actions.bindings import bound_event
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.roster_reviews import REVIEW_EVERY, last_review
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.soundness import doubts
from app.audit.evidence import SignedIn, read_evidence
from app.domain.errors import Refusal, Refused
from app.domain.events import Event
from app.domain.institution import Institution, is_admin, told_first, told_later
from app.domain.languages import msg
from app.storage import entries, institutions, objects, roster
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.storage.objects import EvidenceRow
from app.storage.roster import PendingBinding, RosterRow


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """One person of the list; `bound_at` tells since when an account at the provider counts as them.

    `roles` are of the roster, `claimed` by the claim of their last sign-in. `away_from` and `away_to`
    are the first and the last instant of being away; null where that side is open.
    """

    id: str
    name: str
    email: str
    roles: tuple[str, ...]
    claimed: tuple[str, ...]
    products: tuple[str, ...]
    bound_at: datetime | None
    away_from: datetime | None
    away_to: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingSignIn:
    """A first sign-in that waits for an admin: whose it would be, and the account it came from."""

    person: str
    name: str
    email: str
    iss: str
    sub: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Who would be mailed of a request for a product: names, at once, and when nobody has answered in time."""

    product: str
    first: tuple[str, ...]
    later: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeopleView:
    """The settings page of people. `reviewed_at`: when an admin last went through the list (null: never)."""

    people: tuple[ListedPerson, ...]
    waiting: tuple[WaitingSignIn, ...]
    told: tuple[Told, ...]
    reviewed_at: datetime | None
    review_due: bool


async def people(services: Services, visitor: Visitor) -> PeopleView:
    """The institution's people, for its admins. Raises `Refused` not-found for anybody else."""
    if "admin" not in visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        names = {each.person: each for each in await roster.people(tx, visitor.code)}
        waiting = await roster.pending(tx, visitor.code)
        reviewed_at, last = await _reviewed_at(tx, visitor.code), await last_review(tx, visitor.code)
        now = await tx.now()
    if row is None:
        raise Refused(NOT_FOUND)
    state = Institution.from_data(row.state)
    listed = tuple(listed_person(state, names[key]) for key, person in state.people.items() if not person.removed)
    signs = tuple(
        WaitingSignIn(each.person, names[each.person].name, names[each.person].email, each.iss, each.sub, each.at)
        for each in waiting
    )
    due = last is not None and now - last >= REVIEW_EVERY
    products = sorted({each.product for each in state.environments.values()})
    told = tuple(told_for(state, names, product, now) for product in products)
    return PeopleView(listed, signs, told, reviewed_at, due)


def told_for(state: Institution, names: Mapping[str, RosterRow], product: str, now: datetime) -> Told:
    """Who would be mailed of a request for the product, as things stand in `state`, at `now`."""
    first, later = (
        tuple(names[key].name for key in told(state, product, now) if key in names) for told in (told_first, told_later)
    )
    return Told(product, first, later)


async def _reviewed_at(tx: Transaction, code: str) -> datetime | None:
    found = await entries.find(tx, code, LeafFilter(type="roster.reviewed"), 1 << 31)
    return found[-1].entry.at if found else None


async def review(services: Services, visitor: Visitor) -> None:
    """Record that an admin went through the list of people, as they do once a quarter. Raises `Refused` not-found."""
    async with write(services, visitor.code) as book:
        if not is_admin(book.institution, visitor.person):
            raise Refused(NOT_FOUND)
        listed = sum(not person.removed for person in book.institution.people.values())
        book.add(Event("roster.reviewed", book.code, visitor.actor, {"people": listed}))
        await book.append()


def listed_person(state: Institution, row: RosterRow) -> ListedPerson:
    """A person of the roster as the list shows them."""
    person = state.people[row.person]
    binding = person.bound_at(state.provider.issuer)
    return ListedPerson(
        id=row.person,
        name=row.name,
        email=row.email,
        roles=person.roles,
        claimed=person.claimed,
        products=person.products,
        bound_at=None if binding is None else binding.at,
        away_from=person.away_from,
        away_to=None if person.away_to is None else person.away_to - timedelta(microseconds=1),
    )


async def confirm_binding(services: Services, visitor: Visitor, person: str, *, confirm: bool) -> None:
    """Say whether a waiting first sign-in is that person's.

    Raises `Refused`: not-found, already-bound, records-in-doubt.
    """
    async with write(services, visitor.code) as book:
        if not is_admin(book.institution, visitor.person) or visitor.person == person:
            raise Refused(NOT_FOUND)
        unwrap(await doubts(book, visitor) if confirm else None)
        pending = await roster.take_pending(book.tx, book.code, person)
        if pending is None:
            raise Refused(NOT_FOUND)
        outcome = await _bind(book, visitor, pending) if confirm else None
        await book.append()
    unwrap(outcome)


async def _bind(book: Ledger, visitor: Visitor, pending: PendingBinding) -> Refusal | None:
    signed = read_evidence(pending.blob)
    person = book.institution.people.get(pending.person)
    if not isinstance(signed, SignedIn) or person is None or person.removed:
        return NOT_FOUND
    taken = person.bound_at(pending.iss) is not None or pending.iss != book.institution.provider.issuer
    if taken or not await roster.bind(book.tx, book.code, pending.person, pending.iss, pending.sub):
        return Refusal("already-bound", msg("This account, or this person, is bound already. Nothing was changed."))
    if not await objects.put(book.tx, EvidenceRow(book.code, pending.digest, pending.blob)):
        raise Refused(NOT_FOUND)
    book.add(bound_event(pending.person, pending.iss, pending.sub, pending.digest, visitor.person))
    return None
