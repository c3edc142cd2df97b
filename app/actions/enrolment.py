"""Enrolment: the first admin, signed in but not bound yet, confirms the code that was told by another road.

The code is the hash of entry 0, so whoever confirms it confirms provider, client ids, people and environments. Keys,
binding, sign-in and enrolment become one append that rests on one sign-in; only then does the session count.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime

from app.actions.bindings import Binding, bind, open_binding
from app.actions.journey import Where
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.opening import enrolment_code
from app.actions.services import Services
from app.actions.signin import Visitor, refused_event, seal_session, signed_in_event
from app.actions.soundness import IN_DOUBT
from app.actions.tries import tell_refused
from app.audit.countersignature import Keys, judge_binding
from app.audit.evidence import SignedIn, read_evidence
from app.audit.findings import Fault
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.domain.languages import msg
from app.identity.id_token import VerifiedIdentity
from app.storage import entries, institutions, roster, web_sessions
from app.storage.web_sessions import WebSessionRow
from app.trail import canonical

_WRONG = Refusal(
    "enrolment-code-wrong",
    msg(
        "This is not the enrolment code of this trail. Nothing was confirmed; compare it with what "
        "you were told, and ask whoever told you if it still differs."
    ),
)
_DONE = Refusal(
    "wrong-state",
    msg("This institution is enrolled already. Sign in again to go on; nothing was changed."),
    extra=(("status", "enrolled"),),
)


@dataclass(frozen=True, slots=True)
class EnrolmentView:
    """What the first admin confirms. `people`: names and roles. `code_needed`: nobody has yet, and this visitor may.

    `continues`: the origin of the log that this one succeeded.
    """

    institution: Institution
    name: str
    people: tuple[tuple[str, tuple[str, ...]], ...]
    enrolled_at: datetime | None
    code_needed: bool
    continues: str | None


async def enrolment(services: Services, visitor: Visitor) -> EnrolmentView:
    """The enrolment of the visitor's institution. Raises `Refused` not-found."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, visitor.code)
        names = {each.person: each.name for each in await roster.people(tx, visitor.code)}
        opened = await entries.read_leaves(tx, visitor.code, 0, 1)
    if row is None or row.code == VENDOR:
        raise Refused(NOT_FOUND)
    state = Institution.from_data(row.state)
    return EnrolmentView(
        institution=state,
        name=row.name,
        people=tuple((names[key], person.roles) for key, person in state.people.items() if not person.removed),
        enrolled_at=state.enrolled_at,
        code_needed=visitor.enrolling and state.enrolled_at is None,
        continues=(opened[0].entry.data["continues"] or {"origin": None})["origin"],
    )


async def enrol(services: Services, visitor: Visitor, code: str, where: Where) -> None:
    """Confirm the enrolment code, in any case, with or without spaces and hyphens; the session then is an ordinary one.

    Raises `Refused`: enrolment-code-wrong (an event), wrong-state, records-in-doubt, not-found for a session that is
    not enrolling.
    """
    async with write(services, visitor.code) as book:
        session = await web_sessions.read(book.tx, visitor.session)
        if session is None or "binding" not in session.details:
            raise Refused(NOT_FOUND)
        if not await book.is_sealed():
            raise Refused(IN_DOUBT)
        refusal = await _enrol(book, session, code, where)
        await book.append()
    unwrap(refusal)


async def _enrol(book: Ledger, session: WebSessionRow, code: str, where: Where) -> Refusal | None:
    if book.institution.enrolled_at is not None:
        return _DONE
    first = (await entries.read_leaves(book.tx, book.code, 0, 1))[0]
    wanted = enrolment_code(canonical.sha(first.leaf))
    if not hmac.compare_digest(_plain(code).encode("utf-8", "surrogatepass"), _plain(wanted).encode()):
        await tell_refused(book, refused_event(book.code, _WRONG.problem, where))
        return _WRONG
    binding = open_binding(book.services, session.details["binding"])
    identity = _identity(book, binding)
    if not await bind(book, session.person, identity, binding, confirmed_by=None):
        raise Refused(Refusal("already-bound", msg("This account is bound to somebody else. Nothing was changed.")))
    book.add(
        signed_in_event(session.person, identity, where),
        _enrolled_event(book.code, session.person, wanted, binding),
    )
    kept = {name: value for name, value in session.details.items() if name != "binding"}
    await web_sessions.end(book.tx, session.token)
    await web_sessions.add(book.tx, seal_session(book.services, replace(session, details=kept)))
    return None


def _enrolled_event(code: str, person: str, enrolment: str, binding: Binding) -> Event:
    data = {"enrolment_code": enrolment, "evidence": [binding.digest]}
    return Event("institution.enrolled", code, Actor("person", person), data)


def _identity(book: Ledger, binding: Binding) -> VerifiedIdentity:
    """Who signed in, judged as the offline verifier will. Raises `Refused` where the sign-in no longer holds."""
    signed = read_evidence(binding.blob)
    if not isinstance(signed, SignedIn):  # the session's seal covers it, so nobody else wrote it
        raise TypeError("a session keeps sign-ins alone")
    try:
        return judge_binding(signed, book.now, book.institution.provider, Keys(frozenset(binding.thumbprints), None))
    except Fault as fault:
        raise Refused(Refusal("sign-in-refused", msg("This sign-in no longer counts; sign in again."))) from fault


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper()
