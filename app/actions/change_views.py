"""A change that waits, as an admin reads it: what is now and what would be, and the statement that they would sign.

The statement follows from the change, from what is in force and from the reader's session alone, so that page, press
and return make the same bytes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime

from app.actions.change_mails import actor_name, around
from app.actions.judging import loosening_of
from app.actions.ledger import NOT_FOUND, Ledger
from app.actions.proposals import data_digest, open_secrets
from app.actions.provider_tests import TestResult, opened_result, provider_digest
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain import change_text
from app.domain.change_text import Point
from app.domain.errors import Refused
from app.domain.institution import CHANGE_LIFE, Institution, Provider, is_admin, waits_for_another
from app.domain.languages import language_of
from app.domain.proposal import Proposal, Wanted
from app.domain.statement import change_statement
from app.storage import institutions, roster
from app.storage import proposals as rows
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.trail import canonical


@dataclass(frozen=True, slots=True)
class Scene:
    """An institution as one transaction sees it."""

    services: Services
    tx: Transaction
    row: InstitutionRow
    institution: Institution
    now: datetime

    @classmethod
    def of(cls, book: Ledger) -> Scene:
        """What a locked log sees."""
        return cls(book.services, book.tx, book.row, book.institution, book.now)


@dataclass(frozen=True, slots=True)
class Account:
    """Who somebody on the list is: their address, and the account at the provider that counts as them; null: none."""

    email: str
    iss: str | None
    sub: str | None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change that waits. `by`: a display name, or what a client or an operator is called; `mine`: the reader's own.

    `loosens`: it takes a countersignature; `answerable`: this reader may give it. `statement` is what they would sign.
    `own`: it is about the reader. `account`: of a role that has to be countersigned, who would have it now.
    `wants_test`: it sets another provider that nobody has signed in with yet; `tested`: how the last test went.
    """

    id: str
    type: str
    title: str
    points: tuple[Point, ...]
    by: str
    mine: bool
    own: bool
    at: datetime
    lapses_at: datetime
    loosens: bool
    answerable: bool
    text: str
    statement: str
    account: Account | None
    wants_test: bool
    tested: TestResult | None

    @property
    def digest(self) -> str:
        """By which the form names the statement that was shown."""
        return canonical.sha(self.statement.encode())


def as_admin(institution: Institution, visitor: Visitor) -> None:
    """Raise `Refused` not-found for whoever is no admin as things are."""
    if not is_admin(institution, visitor.person):
        raise Refused(NOT_FOUND)


async def scene(services: Services, tx: Transaction, visitor: Visitor) -> Scene:
    """The visitor's institution, for its admins. Raises `Refused` not-found."""
    row = await institutions.read(tx, visitor.code)
    if row is None:
        raise Refused(NOT_FOUND)
    institution = Institution.from_data(row.state)
    as_admin(institution, visitor)
    return Scene(services, tx, row, institution, await tx.now())


async def view(there: Scene, visitor: Visitor, proposal: Proposal) -> ChangeView:
    """A change that waits, for this admin."""
    institution, wanted = there.institution, proposal.wanted
    change, known = institution.changes[proposal.id], await around(there.tx, there.row)
    loosens = loosening_of(institution, there.row, proposal.event(visitor.actor))
    row = await rows.read(there.tx, institution.code, proposal.id)
    secrets = {} if row is None else open_secrets(there.services.secrets, row)
    language = language_of(institution.locale)
    text = change_text.change_text(institution, wanted, known, language, secrets)
    tested = None if row is None else opened_result(there.services.secrets, row.tested)
    if wanted.type == "identity_provider.set":
        digest = provider_digest(Provider.from_data(wanted.data["identity_provider"]))
        tested = tested if tested is not None and tested.of == digest else None
    return ChangeView(
        id=proposal.id,
        type=wanted.type,
        title=change_text.title(institution, wanted, known, language=language),
        points=change_text.points(institution, wanted, known, secrets, language),
        by=await actor_name(there.tx, change.proposer, known),
        mine=change.proposer == visitor.person,
        own=change.subject == visitor.person,
        at=change.at,
        lapses_at=change.at + CHANGE_LIFE,
        loosens=loosens,
        answerable=not (loosens and waits_for_another(institution, change, visitor.person)),
        text=text if loosens else "",
        statement=_statement(there, visitor, proposal, text) if loosens else "",
        account=await _account(there, wanted) if loosens else None,
        wants_test=wanted.type == "identity_provider.set" and not (tested is not None and tested.worked),
        tested=tested,
    )


async def _account(there: Scene, wanted: Wanted) -> Account | None:
    """Whom a role goes to: who bound that account may have needed nobody's word then, so it is read with the role."""
    row = await roster.read(there.tx, there.institution.code, wanted.subject)
    if wanted.type != "person.roles_changed" or row is None:
        return None
    return Account(row.email, row.iss, row.sub)


def _statement(there: Scene, visitor: Visitor, proposal: Proposal, text: str) -> str:
    """The exact text. Its salt is drawn from a key of ours, the session and the change: random to everybody else."""
    salt = there.services.secrets.mac("statement/change", visitor.session, proposal.id)[:16]
    statement = change_statement(
        origin=there.institution.origin,
        institution=there.institution.code,
        change=proposal.id,
        type_=proposal.wanted.type,
        subject=proposal.wanted.subject,
        data_digest=data_digest(proposal),
        text=text,
        iss=visitor.iss,
        sub=visitor.sub,
        salt=urlsafe_b64encode(salt).rstrip(b"=").decode(),
    )
    return canonical.encode(statement).decode()
