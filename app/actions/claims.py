"""Roles from a claim of the ID token, where the institution's provider gives any (`roles_claim`).

They follow every sign-in: what its token shows is what the person holds beside the roles of the roster, until the next
one shows something else. A countersignature has to show the role it rests on in its very token; one that does not takes
the claim roles away. The claim map stands in entry 0, so it counts once its enrolment code is confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.actions.bindings import binding_of, keep_keys
from app.actions.journey import Proof
from app.actions.ledger import Ledger
from app.audit.countersignature import roles_in, shows_role
from app.audit.replay_people import email_digest
from app.domain.events import SERVICE, Event
from app.domain.ids import new_id
from app.domain.institution import Institution, is_vendor_address
from app.domain.people import DECIDING_ROLES
from app.identity.id_token import VerifiedIdentity
from app.storage import objects, roster
from app.storage.objects import EvidenceRow
from app.storage.roster import RosterRow
from app.trail.log import new_salt

_MAX_NAME = 200


def shown(institution: Institution, identity: VerifiedIdentity) -> tuple[str, ...]:
    """The roles that the token's claim gives, sorted; none before the institution is enrolled."""
    if institution.enrolled_at is None:
        return ()
    return tuple(sorted(roles_in(identity.claims, institution.provider)))


def are_the_vendors(institution: Institution, email_domain: str, roles: tuple[str, ...]) -> bool:
    """Whether these roles would make somebody of the vendor an approver."""
    return not DECIDING_ROLES.isdisjoint(roles) and is_vendor_address(email_domain, institution.vendor_domains)


def proves(institution: Institution, person_id: str, identity: VerifiedIdentity, roles: frozenset[str]) -> bool:
    """Whether those of these roles that a claim alone gave the person stand in this very token."""
    person = institution.people.get(person_id)
    return person is None or shows_role(person, identity.claims, institution.provider, roles)


async def newcomer(book: Ledger, identity: VerifiedIdentity, email: str) -> RosterRow | str:
    """A person whom nobody listed and the claim gives a role: added without any. Or the slug of why not.

    Whom an admin removed does not come back this way.
    """
    roles, domain = shown(book.institution, identity), email.lower().rpartition("@")[2]
    if not roles or await roster.was_removed(book.tx, book.code, identity.iss, identity.sub, email):
        return "not-on-roster"
    if are_the_vendors(book.institution, domain, roles):
        return "vendor-person"
    row = RosterRow(book.code, new_id("per", book.now), _name(identity, email), email.lower())
    if not await roster.add(book.tx, row):
        return "not-on-roster"
    book.add(_added(row, domain))
    return row


def _name(identity: VerifiedIdentity, email: str) -> str:
    name = identity.claims.get("name")
    fits = isinstance(name, str) and 0 < len(name.strip()) <= _MAX_NAME and name.isprintable()
    return str(name).strip() if fits else email.lower()


def _added(row: RosterRow, domain: str) -> Event:
    salt = new_salt()
    data: Mapping[str, Any] = {
        "change": None,
        "roles": [],
        "products": [],
        "email_domain": domain,
        "email_digest": email_digest(row.email, salt),
        "evidence": [],
    }
    return Event("person.added", row.person, SERVICE, data, {"email": row.email, "name": row.name, "email_salt": salt})


async def follow(book: Ledger, person_id: str, proof: Proof) -> None:
    """Set the claim roles that this token shows, where they are others than before."""
    known = book.institution.people.get(person_id)
    roles = shown(book.institution, proof.identity)
    if roles == (() if known is None else known.claimed):
        return
    binding = binding_of(proof)
    await keep_keys(book, binding)
    await objects.put(book.tx, EvidenceRow(book.code, binding.digest, binding.blob))
    products = [] if known is None else list(known.products)
    data = {"change": None, "roles": list(roles), "products": products, "source": "claim"}
    book.add(Event("person.roles_changed", person_id, SERVICE, data | {"evidence": [binding.digest]}))
