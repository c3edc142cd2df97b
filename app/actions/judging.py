"""Whether something wanted of an institution could be recorded as things are: judged when proposed and when applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from app.actions.opening import notify_text
from app.actions.worldforms import NOT_ALONE, url_key
from app.domain.errors import CatalogueError, IllegalTransition, Refusal
from app.domain.events import Actor, Entry, Event
from app.domain.events import check as check_catalogue
from app.domain.ids import encode
from app.domain.institution import Institution, Provider, foreseen, is_vendor_address, judge_removal, loosens
from app.domain.languages import msg, told
from app.domain.people import DECIDING_ROLES
from app.domain.proposal import Wanted
from app.storage import institutions, roster
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.trail import canonical

MAX_DATA = 50_000
_SOMEBODY, _SOME_CHANGE = Actor("person", encode("per", 1)), encode("chg", 1)
_VENDORS = msg("Nobody with an address of the vendor is ever an approver; take the role out.")
_GONE = Refusal("wrong-state", msg("There is no such person on the list any more. Nothing was changed."))


async def judge(tx: Transaction, institution: Institution, now: datetime, wanted: Wanted) -> Refusal | None:
    """Why it could not be recorded, by field; None when it could. Who may want it is another question."""
    return _fits(institution, now, wanted) or _people(institution, wanted) or await _elsewhere(tx, institution, wanted)


def _fits(institution: Institution, now: datetime, wanted: Wanted) -> Refusal | None:
    """The rules of the domain and of the catalogue, and the room there is in a leaf."""
    event = wanted.event(_SOMEBODY, _SOME_CHANGE)
    entry = Entry(1, "", now, institution.code, event.type, event.subject, event.actor, event.data, None)
    known = institution.people.get(wanted.subject)
    if wanted.type in {"person.removed", "person.roles_changed"} and (known is None or known.removed):
        return _GONE
    try:
        check_catalogue(event)
        foreseen(institution, entry)
        if len(canonical.encode(dict(event.data))) > MAX_DATA:
            return Refusal("too-large", msg("This is more than one entry of the trail can hold; make it shorter."))
    except IllegalTransition as illegal:
        field, _, detail = str(illegal).partition(": ")
        return (
            Refusal.of_field(f"/{field}", told("Not so: %(detail)s.", detail=detail))
            if detail
            else Refusal.of_field("", str(illegal))
        )
    except (CatalogueError, canonical.CanonicalError, ValueError) as error:
        return Refusal.of_field("", str(error))
    return None


def _people(institution: Institution, wanted: Wanted) -> Refusal | None:
    person = institution.people.get(wanted.subject)
    if wanted.type == "person.removed" and person is not None and "admin" in person.held:
        return judge_removal(institution, wanted.subject)
    if wanted.type not in {"person.added", "person.roles_changed"}:
        return None
    domain = person.email_domain if person is not None else wanted.data["email_domain"]
    if DECIDING_ROLES.intersection(wanted.data["roles"]) and is_vendor_address(domain, institution.vendor_domains):
        return Refusal.of_field("/roles", _VENDORS)
    if person is not None and "admin" in person.held and "admin" not in {*wanted.data["roles"], *person.claimed}:
        return judge_removal(institution, person.id)
    return None


async def _elsewhere(tx: Transaction, institution: Institution, wanted: Wanted) -> Refusal | None:
    """What other rows than the institution's own tell."""
    if wanted.type == "identity_provider.set":
        if wanted.data["identity_provider"]["issuer"] in institution.vendor_issuers:
            return Refusal.of_field("/issuer", msg("This is the vendor's provider; give the institution's own."))
        provider, rows = Provider.from_data(wanted.data["identity_provider"]), await institutions.read_all(tx)
        if any(provider.contradicts(each) for each in other_providers(institution.code, rows)):
            return Refusal.of_field("/exclusive", NOT_ALONE)
    elif wanted.type == "person.added":
        email = (wanted.private or {})["email"] or ""
        if await roster.of_email(tx, institution.code, email) is not None:
            return Refusal.of_field("/email", msg("Somebody with this address is on the list already."))
    elif wanted.type == "environment.set":
        key = url_key(wanted.data["environment"]["url"])
        for row in await institutions.read_all(tx):
            there = Institution.from_data(row.state).environments.values() if row.code != institution.code else ()
            if any(url_key(each.url) == key for each in there):
                return Refusal.of_field("/url", msg("This address cannot be used; give the environment's own."))
    return None


def other_providers(code: str, rows: Iterable[InstitutionRow]) -> Iterator[Provider]:
    """The providers in force of all institutions but this one."""
    return (Institution.from_data(row.state).provider for row in rows if row.code != code)


def loosening_of(institution: Institution, row: InstitutionRow, event: Event) -> bool:
    """Whether the event makes anything easier than it is now; the notification addresses stand in the row alone."""
    renotified = event.type == "institution.changed" and (event.private or {})["notify"] != notify_text(row.notify)
    return loosens(institution, event, notify_changed=renotified)
