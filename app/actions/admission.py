"""Letting somebody in after their sign-in: which person of the roster it is, bound if need be, with the claim's roles.

A person is bound at the first sign-in, by the roster's address, to exactly one account `(iss, sub)`; from then on that
account alone counts. The first admin of an institution that is not enrolled yet is bound when they confirm the
enrolment code, not before: until then their session can do nothing else (`enrolment.py`). Whoever is refused leaves one
event and no session; the session that the browser had before is over either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.actions import claims
from app.actions.bindings import Binding, bind, binding_of, keep_binding, keep_keys
from app.actions.farewell import keep_farewell
from app.actions.journey import Proof, Where
from app.actions.ledger import Ledger, write
from app.actions.operators import operator
from app.actions.services import Services
from app.actions.signin import (
    ABSOLUTE,
    refused_event,
    seal_session,
    session_hash,
    sign_in_refusal,
    signed_in_event,
)
from app.actions.tries import tell_refused
from app.domain.errors import Refused
from app.domain.events import Event
from app.domain.institution import Institution, is_vendor_address, needs_confirmation
from app.domain.kinds import VENDOR
from app.identity import browser as browsers
from app.identity.id_token import VerifiedIdentity
from app.storage import roster, web_sessions
from app.storage.roster import PendingBinding, RosterRow
from app.storage.web_sessions import WebSessionRow


async def admit(services: Services, code: str, proof: Proof, where: Where, old_cookie: str | None) -> tuple[str, bool]:
    """Sign the person of a proof in: the new cookie, and whether they have to confirm the enrolment first.

    Raises `Refused` sign-in-refused, whose event is recorded; the session of `old_cookie` ends either way.
    """
    cookie = browsers.new_secret()
    async with write(services, code) as book:
        if old_cookie is not None:
            await web_sessions.end(book.tx, session_hash(services, old_cookie))
        outcome = await _admit(book, proof, where)
        if isinstance(outcome, str):
            await tell_refused(book, refused_event(code, outcome, where))
        else:
            session = _session(services, book, cookie, proof, outcome)
            await web_sessions.add(book.tx, seal_session(services, session))
        await book.append()
    if isinstance(outcome, str):
        raise Refused(sign_in_refusal(outcome))
    return cookie, "binding" in outcome.details


@dataclass(frozen=True, slots=True)
class _Admitted:
    person: str
    details: dict[str, Any]


async def _admit(book: Ledger, proof: Proof, where: Where) -> _Admitted | str:
    """The person of a proof, bound if need be; or the slug of what is wrong."""
    identity, institution = proof.identity, book.institution
    if identity.iss in institution.vendor_issuers and book.code != VENDOR:
        return "vendor-provider"
    bound = await roster.of_account(book.tx, book.code, identity.iss, identity.sub)
    found = bound if bound is not None else await _first(book, proof)
    if not isinstance(found, RosterRow):
        return found
    if bound is not None and _vendors(institution, bound, identity):
        return "vendor-person"
    await claims.follow(book, found.person, proof)
    book.add(*_welcome(book, found, identity, where))
    return _Admitted(found.person, {})


def _welcome(book: Ledger, found: RosterRow, identity: VerifiedIdentity, where: Where) -> list[Event]:
    told = [signed_in_event(found.person, identity, where)]
    if book.code == VENDOR and "operator" in book.institution.people[found.person].roles:
        actor = operator(book.services, found.person)
        told.append(Event("operator.signed_in", actor.id, actor, {}, {"ip": where.ip}))
    return told


async def _first(book: Ledger, proof: Proof) -> RosterRow | _Admitted | str:
    """The person of an account that nobody is bound to: bound now, about to enrol, or the slug of why not."""
    identity, institution = proof.identity, book.institution
    email = _vouched(institution, identity)
    if "@" not in email:
        return email
    row: RosterRow | str | None = await roster.of_email(book.tx, book.code, email)
    row = row or await claims.newcomer(book, identity, email)
    if isinstance(row, str):
        return row
    problem = _may_bind(institution, row, identity)
    if problem is not None:
        return problem
    binding = binding_of(proof)
    listed = institution.people.get(row.person)
    if listed is not None and institution.enrolled_at is None and "admin" in listed.roles:
        return _Admitted(row.person, {"binding": keep_binding(book.services, binding)})
    if listed is not None and needs_confirmation(institution, row.person):
        await _wait(book, row, identity, binding)
        return "binding-waits"
    if await bind(book, row.person, identity, binding, confirmed_by=None):
        return row
    if listed is None:  # nobody is added without being bound, so nothing of it is kept
        raise Refused(sign_in_refusal("already-bound"))
    return "already-bound"


def _vouched(institution: Institution, identity: VerifiedIdentity) -> str:
    """The address the token carries, where the provider's word for it counts; else the slug of what is missing."""
    email = identity.claims.get(institution.provider.email_claim)
    if not isinstance(email, str) or "@" not in email:
        return "email-missing"
    if not institution.provider.exclusive and identity.claims.get("email_verified") is not True:
        return "email-unverified"
    return email


def _vendors(institution: Institution, row: RosterRow, identity: VerifiedIdentity) -> bool:
    """Whether the claim would make an approver of somebody of the vendor."""
    return claims.are_the_vendors(institution, row.email.rpartition("@")[2], claims.shown(institution, identity))


def _may_bind(institution: Institution, row: RosterRow, identity: VerifiedIdentity) -> str | None:
    person = institution.people.get(row.person)
    if _vendors(institution, row, identity):
        return "vendor-person"
    if person is None:
        return None  # whom the claim brings is added in this very append
    if person.removed:
        return "not-on-roster"
    if person.bound_at(identity.iss) is not None:
        return "already-bound"
    if person.deciding_roles and is_vendor_address(person.email_domain, institution.vendor_domains):
        return "vendor-person"
    return None


async def _wait(book: Ledger, row: RosterRow, identity: VerifiedIdentity, binding: Binding) -> None:
    await keep_keys(book, binding)
    pending = PendingBinding(
        book.code, row.person, identity.iss, identity.sub, row.email, binding.digest, binding.blob, book.now
    )
    await roster.set_pending(book.tx, pending)


def _session(services: Services, book: Ledger, cookie: str, proof: Proof, admitted: _Admitted) -> WebSessionRow:
    identity = proof.identity
    sid = identity.claims.get("sid")
    return WebSessionRow(
        token=session_hash(services, cookie),
        log=book.code,
        person=admitted.person,
        iss=identity.iss,
        sub=identity.sub,
        sid=sid if isinstance(sid, str) else None,
        details=admitted.details | keep_farewell(services, admitted.person, book.institution.provider.client_id, proof),
        created_at=book.now,
        seen_at=book.now,
        expires_at=book.now + ABSOLUTE,
    )
