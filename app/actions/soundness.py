"""Before anything is given: are the rows that it is judged by those that the trail tells?

Asked at every confirmation, under the lock of the log: the institution's seal, the visitor's account and address
against what the sealed state commits to, and the request against its own entries. Whoever writes rows behind the
service's back gets nothing appended but a refusal.
"""

from __future__ import annotations

from app.actions.held import Held
from app.actions.ledger import Ledger
from app.actions.signin import Visitor
from app.actions.views import private_fields
from app.audit.derive import derive, evidence_named
from app.audit.replay_people import email_digest, subject_digest
from app.domain.errors import Refusal
from app.domain.languages import msg
from app.domain.people import Person
from app.domain.request import AccessRequest, created, evolve
from app.storage import entries, objects
from app.storage.leaves import Stored
from app.trail import canonical

IN_DOUBT = Refusal(
    "records-in-doubt",
    msg("What the database says is not what the trail tells. Nothing is given until that is cleared."),
)


async def doubts(book: Ledger, visitor: Visitor) -> Refusal | None:
    """Why nothing may be given by this visitor: the institution's row, or their own, is not as the trail tells it."""
    person = book.institution.people.get(visitor.person)
    if person is None or not await book.is_sealed() or not await _is_theirs(book, visitor, person):
        return IN_DOUBT
    return None


async def request_doubts(held: Held) -> Refusal | None:
    """Why nothing may be given on this request: its row, or a vote before this one, is not as the trail proves it."""
    kept = AccessRequest.from_data(held.row.state)
    if not kept.votes:
        told = await entries.entries_of(held.book.tx, held.book.code, kept.id)
        return None if _fold(told, kept.id) == kept else IN_DOUBT
    stored = await entries.entries_about(held.book.tx, held.book.code, kept.id)
    blobs = await objects.read_many(held.book.tx, held.book.code, evidence_named(stored))
    derived = derive(stored, blobs, kept.id)
    same = not isinstance(derived, Refusal) and derived.request == kept
    return None if same else IN_DOUBT


def _fold(told: list[Stored], request_id: str) -> AccessRequest | None:
    own = [each for each in told if each.entry.subject == request_id]
    if not own:
        return None
    request = created(own[0].entry, canonical.sha(own[0].leaf))
    for each in own[1:]:
        request = evolve(request, each.entry)
    return request


async def _is_theirs(book: Ledger, visitor: Visitor, person: Person) -> bool:
    """Whether account and address of the visitor's row are those that the person's state commits to."""
    binding = person.bound_at(visitor.iss)
    told = await entries.of_person(book.tx, book.code, person.id)
    bound = [each for each in told if each.entry.type == "person.bound" and each.entry.data["iss"] == visitor.iss]
    if binding is None or not bound:
        return False
    salt = private_fields(bound[-1]).get("sub_salt") or ""
    if subject_digest(visitor.sub, salt) != binding.sub_digest:
        return False
    return email_digest(visitor.email, _email_salt(told, person.id)) == person.email_digest


def _email_salt(told: list[Stored], person: str) -> str:
    added = [each for each in told if each.entry.type == "person.added"]
    if added:
        return private_fields(added[-1]).get("email_salt") or ""
    salts = canonical.decode_object((private_fields(told[0]).get("salts") or "{}").encode())
    return str(salts.get(person, ""))
