"""Changes that wait: an institution's admins reject, approve or countersign them.

What an admin signs is fixed by the page they read (`change_views`): the same bytes are made again when they press the
button, and again when they are back from their provider. Whatever differs by then is refused, and nothing is recorded
but the refusal.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.actions import claims
from app.actions.bindings import binding_of, keep_keys
from app.actions.change_mails import tell_gathered
from app.actions.change_views import ChangeView, Scene, as_admin, scene, view
from app.actions.changing import carry_out, loosening
from app.actions.drafting import DRAFT_OVER, own_draft, sealed_draft
from app.actions.journey import Arrived, Begun, Plan, Proof, Where, depart
from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.proposals import close, open_secrets, propose, read, waiting
from app.actions.services import Services
from app.actions.signin import Visitor, refused_event, sign_in_refusal
from app.actions.soundness import IN_DOUBT, doubts
from app.audit.evidence import countersignature_blob, nonce_of
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor
from app.domain.ids import new_id
from app.domain.institution import is_lapsed
from app.domain.languages import msg
from app.domain.proposal import Proposal, Wanted
from app.storage import drafts, objects
from app.storage import proposals as rows
from app.storage.drafts import DraftRow
from app.storage.objects import EvidenceRow
from app.trail import canonical

_ADMIN = frozenset({"admin"})
_OUTDATED = Refusal(
    "change-outdated",
    msg("What is in force changed since you read this, so the sentence is another now. Nothing was recorded."),
)
_OWN = Refusal(
    "own-change", msg("You proposed this yourself, or it is about you; another admin has to countersign it.")
)
_UNTESTED = Refusal(
    "sign-in-untested", msg("Test the sign-in first. A provider that nobody can sign in with would shut everybody out.")
)
_LAPSED = Refusal("wrong-state", msg("This change waited for too long and has lapsed. Nothing was changed."))


async def waiting_changes(services: Services, visitor: Visitor) -> tuple[ChangeView, ...]:
    """Every change that waits, oldest first, for admins. Raises `Refused` not-found for anybody else."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        proposals = await waiting(tx, there.institution)
        return tuple([await view(there, visitor, each) for each in proposals.values()])


async def change(services: Services, visitor: Visitor, change_id: str) -> ChangeView:
    """One change that waits, for admins. Raises `Refused`: not-found, records-in-doubt."""
    async with services.database.read() as tx:
        there = await scene(services, tx, visitor)
        return await view(there, visitor, await _held(there, change_id))


async def reject(services: Services, visitor: Visitor, change_id: str, reason: str = "") -> None:
    """Reject a change, or take one's own back; at once. Raises `Refused` not-found."""
    async with write(services, visitor.code) as book:
        as_admin(book.institution, visitor)
        if change_id not in book.institution.changes:
            raise Refused(NOT_FOUND)
        await close(book, change_id, visitor.actor, "admin", reason)
        await tell_gathered(book)
        await book.append()


async def approve(services: Services, visitor: Visitor, change_id: str) -> None:
    """Apply a change that loosens nothing. Raises `Refused`: not-found, countersignature-needed, change-outdated …"""
    async with write(services, visitor.code) as book:
        as_admin(book.institution, visitor)
        proposal = await _held(Scene.of(book), change_id)
        event = proposal.event(visitor.actor)
        if loosening(book, event):
            raise Refused(
                Refusal("countersignature-needed", msg("This makes something easier: it has to be countersigned."))
            )
        await _apply(book, proposal, event.actor.id, ())


async def set_at_once(
    services: Services, visitor: Visitor, wanted: Wanted, secrets: Mapping[str, str] | None = None
) -> str | None:
    """What an admin wants on a page: done at once where it loosens nothing (None), else proposed: the change's id.

    Raises `Refused`: not-found, and whatever `judge` says.
    """
    async with write(services, visitor.code) as book:
        return await settle(book, visitor, wanted, secrets or {})


async def settle(book: Ledger, visitor: Visitor, wanted: Wanted, secrets: Mapping[str, str]) -> str | None:
    """The same under a lock that is held."""
    as_admin(book.institution, visitor)
    event = wanted.event(visitor.actor)
    if not loosening(book, event):
        await carry_out(book, wanted, event, secrets)
        return None
    change_id = await propose(book, visitor.actor, wanted, secrets)
    await tell_gathered(book)
    await book.append()
    return change_id


async def countersign(services: Services, visitor: Visitor, change_id: str, digest: str, browser: str | None) -> Begun:
    """Go to the provider with the statement that the page showed (`digest`: of its bytes).

    Raises `Refused`: not-found, own-change, change-outdated, sign-in-untested; `Unavailable`.
    """
    async with write(services, visitor.code) as book:
        as_admin(book.institution, visitor)
        shown = await view(Scene.of(book), visitor, await _held(Scene.of(book), change_id))
        if not shown.answerable:
            raise Refused(_OWN)
        if canonical.sha(shown.statement.encode()) != digest:
            raise Refused(_OUTDATED)
        if shown.wants_test:
            raise Refused(_UNTESTED)
        draft = DraftRow(
            log=book.code,
            id=new_id("dft", book.now),
            kind="change",
            subject=change_id,
            person=visitor.person,
            session=visitor.session,
            statement=shown.statement.encode(),
            details={},
            created_at=book.now,
        )
        await drafts.add(book.tx, sealed_draft(book.services, draft))
        row, institution = book.row, book.institution
    plan = Plan(
        "change",
        {"draft": draft.id, "change": change_id},
        nonce=nonce_of(draft.statement),
        scope="openid",
        max_age=institution.policy.sign_in_max_age_s,
        acr_values=institution.policy.acr_values,
    )
    return await depart(services, row, institution, plan, browser)


async def countersigned(services: Services, visitor: Visitor | None, code: str, arrived: Arrived, where: Where) -> str:
    """A browser is back from countersigning a change: apply it, or refuse with one event. The change's id.

    Raises `Refused`: sign-in-refused with its reason, draft-over, and whatever else forbids the change by now.
    """
    change_id = str(arrived.details["change"])
    async with write(services, code) as book:
        problem = await _problem(book, visitor, arrived, change_id)
        if problem is None and visitor is not None and isinstance(arrived.outcome, Proof):
            await _countersign(book, visitor, change_id, str(arrived.details["draft"]), arrived.outcome)
        elif problem is not None:
            book.add(refused_event(code, problem, where))
            await book.append()
    if problem is not None:
        known = {each.problem: each for each in (DRAFT_OVER, IN_DOUBT)}
        raise Refused(known.get(problem) or sign_in_refusal(problem))
    return change_id


async def _problem(book: Ledger, visitor: Visitor | None, arrived: Arrived, change_id: str) -> str | None:
    """What does not fit between person, draft and token; the token itself was judged before."""
    if visitor is None or visitor.code != book.code:
        return "session-over"
    found = await drafts.read(book.tx, book.code, str(arrived.details["draft"]))
    row = own_draft(book.services, found, visitor, change_id, book.now)
    if isinstance(arrived.outcome, str):
        return arrived.outcome
    if isinstance(row, Refusal):
        return DRAFT_OVER.problem
    identity = arrived.outcome.identity
    if (identity.iss, identity.sub) != (visitor.iss, visitor.sub):
        return "other-person"
    if identity.claims.get("nonce") != nonce_of(row.statement):
        return "id-token-nonce"
    if not claims.proves(book.institution, visitor.person, identity, _ADMIN):
        return "role-not-shown"
    doubt = await doubts(book, visitor)
    return None if doubt is None else doubt.problem


async def _countersign(book: Ledger, visitor: Visitor, change_id: str, draft_id: str, proof: Proof) -> None:
    book.trust_clock()
    as_admin(book.institution, visitor)
    proposal = await _held(Scene.of(book), change_id)
    shown = await view(Scene.of(book), visitor, proposal)
    row = await drafts.read(book.tx, book.code, draft_id)
    if not shown.answerable:
        raise Refused(_OWN)
    if row is None or shown.statement.encode() != row.statement:
        raise Refused(_OUTDATED)
    blob = countersignature_blob(canonical.decode_object(row.statement), proof.id_token, proof.identity.jwk)
    evidence = EvidenceRow(book.code, canonical.sha(blob), blob)
    used = await drafts.use(book.tx, book.code, row.id, book.now) and await objects.put(book.tx, evidence)
    if not used:
        raise Refused(DRAFT_OVER)
    await keep_keys(book, binding_of(proof))
    await book.append()
    await _apply(book, proposal, visitor.person, (evidence.digest,))


async def _apply(book: Ledger, proposal: Proposal, person: str, evidence: tuple[str, ...]) -> None:
    row = await rows.read(book.tx, book.code, proposal.id)
    if row is None:
        raise Refused(NOT_FOUND)
    await rows.end(book.tx, book.code, proposal.id, "applied")
    await carry_out(
        book,
        proposal.wanted,
        proposal.event(Actor("person", person), evidence),
        open_secrets(book.services.secrets, row),
    )


async def _held(there: Scene, change_id: str) -> Proposal:
    """A change that waits still. Raises `Refused`: not-found, wrong-state for one that has lapsed, records-in-doubt."""
    waits = there.institution.changes.get(change_id)
    row = await rows.read(there.tx, there.institution.code, change_id)
    if waits is None or row is None:
        raise Refused(NOT_FOUND)
    if is_lapsed(waits, there.now):
        raise Refused(_LAPSED)
    return await read(there.tx, there.institution, row)
