"""Decisions: a draft becomes a denial, or an approval that a fresh sign-in countersigns.

When the browser is back, all of `product.md`'s conditions are judged again under the lock of the log; whatever fails is
one event, and nothing else is recorded.
"""

from __future__ import annotations

from dataclasses import replace

from app.actions import claims
from app.actions.bindings import binding_of, keep_keys
from app.actions.drafting import (
    DRAFT_OVER,
    NOT_APPROVER,
    client_gone,
    digest_of,
    is_engineer,
    may_end,
    own_draft,
    refuse,
)
from app.actions.held import Held, hold
from app.actions.journey import Arrived, Begun, Plan, Proof, Where, depart
from app.actions.ledger import NOT_FOUND, Ledger, unwrap, write
from app.actions.mails import Post, post
from app.actions.reviews import review
from app.actions.services import Services
from app.actions.signin import Visitor, refused_event, sign_in_refusal
from app.actions.soundness import doubts, request_doubts
from app.actions.tries import tell_refused
from app.actions.views import RequestView
from app.audit.evidence import countersignature_blob, nonce_of
from app.domain.errors import Refusal, Refused
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.domain.languages import told
from app.domain.people import DECIDING_ROLES
from app.domain.request import AccessRequest, Status, Terms, decide, judge_answer, status_at
from app.domain.request import revoke as revoke_request
from app.notify.facts import Because
from app.storage import drafts, institutions, objects, requests
from app.storage.drafts import DraftRow
from app.storage.objects import EvidenceRow
from app.trail import canonical


async def confirm(
    services: Services, visitor: Visitor, request_id: str, draft_id: str, browser: str | None
) -> Begun | None:
    """Confirm a draft: an approval goes on to the provider, a denial is recorded (None).

    Raises `Refused`: not-found, draft-over, wrong-state and whatever else forbids the answer.
    """
    async with services.database.read() as tx:
        now = await tx.now()
        row = await institutions.read(tx, visitor.code)
        request = await requests.read(tx, request_id, visitor.code)
        kept = own_draft(services, await drafts.read(tx, visitor.code, draft_id), visitor, request_id, now)
    if row is None or request is None or not visitor.roles:
        raise Refused(NOT_FOUND)
    confirmed = unwrap(kept)
    if confirmed.kind == "deny":
        await _deny(services, visitor, request_id, draft_id)
        return None
    institution, status = Institution.from_data(row.state), status_at(AccessRequest.from_data(request.state), now)
    if status is not Status.PENDING:
        raise Refused(_too_late(status))
    plan = Plan(
        "countersign",
        {"draft": draft_id, "request": request_id},
        nonce=nonce_of(confirmed.statement),
        scope="openid",
        max_age=institution.policy.sign_in_max_age_s,
        acr_values=institution.policy.acr_values,
    )
    return await depart(services, row, institution, plan, browser)


async def _deny(services: Services, visitor: Visitor, request_id: str, draft_id: str) -> None:
    async with write(services, visitor.code) as book:
        held = await hold(book, request_id)
        found = await drafts.read(book.tx, book.code, draft_id)
        row = own_draft(services, found, visitor, request_id, book.now)
        outcome: Refusal | None = row if isinstance(row, Refusal) else None
        if isinstance(row, DraftRow) and await drafts.use(book.tx, book.code, row.id, book.now):
            outcome = await _decide(held, visitor, "deny", None, row.details["comment"], ())
        await held.store()
    unwrap(outcome)


async def countersigned(services: Services, visitor: Visitor | None, code: str, arrived: Arrived, where: Where) -> str:
    """A browser is back from a countersignature: decide, or refuse with one event. The request's id.

    Raises `Refused`: sign-in-refused with its reason, draft-over, wrong-state and whatever else forbids the answer; its
    `extra` names the request too.
    """
    request_id = str(arrived.details["request"])
    async with write(services, code) as book:
        held = await hold(book, request_id)
        outcome = await _countersign(held, visitor, arrived, where)
        await held.store()
    if outcome is not None:
        raise Refused(replace(outcome, extra=(*outcome.extra, ("request", request_id))))
    return request_id


async def _countersign(held: Held, visitor: Visitor | None, arrived: Arrived, where: Where) -> Refusal | None:
    book = held.book
    if visitor is None or visitor.code != book.code:
        await tell_refused(book, refused_event(book.code, "session-over", where))
        return sign_in_refusal("session-over")
    found = await drafts.read(book.tx, book.code, str(arrived.details["draft"]))
    row = own_draft(book.services, found, visitor, held.request.id, book.now)
    problem = arrived.outcome if isinstance(arrived.outcome, str) else None
    if isinstance(arrived.outcome, Proof) and isinstance(row, DraftRow):
        problem = mismatch(book, visitor, row, arrived.outcome)
    if problem is not None:
        await refuse(held, visitor, "approve", problem, counted=False)
        if problem == "role-not-shown" and isinstance(arrived.outcome, Proof):
            await claims.follow(book, visitor.person, arrived.outcome)
        return sign_in_refusal(problem)
    if isinstance(row, Refusal):
        await refuse(held, visitor, "approve", "draft-over", counted=False)
        return row
    if not isinstance(arrived.outcome, Proof):
        raise TypeError("an outcome is a proof or a problem")
    return await _approve(held, visitor, row, arrived.outcome)


def mismatch(book: Ledger, visitor: Visitor, row: DraftRow, proof: Proof) -> str | None:
    """What does not fit between the person, the draft and the token; the token itself was judged before."""
    statement = canonical.decode_object(row.statement)
    if (proof.identity.iss, proof.identity.sub) != (visitor.iss, visitor.sub):
        return "other-person"
    if proof.identity.claims.get("nonce") != nonce_of(row.statement):
        return "id-token-nonce"
    if statement["policy_digest"] != digest_of(book.institution.policy.to_data()):
        return "policy-changed"
    if not claims.proves(book.institution, visitor.person, proof.identity, DECIDING_ROLES):
        return "role-not-shown"
    return None


async def _approve(held: Held, visitor: Visitor, row: DraftRow, proof: Proof) -> Refusal | None:
    book = held.book
    book.trust_clock()
    doubt = await doubts(book, visitor) or await request_doubts(held)
    if doubt is not None:
        await refuse(held, visitor, "approve", doubt.problem)
        return doubt
    if not await drafts.use(book.tx, book.code, row.id, book.now):
        return DRAFT_OVER
    statement = canonical.decode_object(row.statement)
    blob = countersignature_blob(statement, proof.id_token, proof.identity.jwk)
    evidence = EvidenceRow(book.code, canonical.sha(blob), blob)
    terms = Terms.from_data(row.details["terms"])
    refusal = judge_answer(
        held.request,
        book.institution,
        visitor.person,
        "approve",
        terms,
        book.now,
        own_request=is_engineer(visitor, await held.asked()),
    )
    refusal = refusal or await client_gone(held)
    if refusal is None and not await objects.put(book.tx, evidence):
        refusal = DRAFT_OVER
    if refusal is not None:
        await refuse(held, visitor, "approve", refusal.problem)
        return refusal
    await keep_keys(book, binding_of(proof))
    return await _decide(held, visitor, "approve", terms, row.details["comment"], (evidence.digest,))


async def _decide(
    held: Held, visitor: Visitor, verdict: str, terms: Terms | None, comment: str, evidence: tuple[str, ...]
) -> Refusal | None:
    book = held.book
    outcome = decide(
        held.request,
        book.institution,
        visitor.person,
        verdict,
        terms,
        now=book.now,
        index=book.next_index,
        grant_id=new_id("grt", book.now),
        decision_id=new_id("dec", book.now),
        evidence=evidence,
        comment=comment,
        own_request=is_engineer(visitor, await held.asked()),
    )
    if isinstance(outcome, Refusal):
        await refuse(held, visitor, verdict, outcome.problem)
        return outcome
    held.tell(*outcome)
    _tell_outcome(held, await post(held), visitor, comment)
    return None


def _tell_outcome(held: Held, mails: Post, visitor: Visitor, comment: str) -> None:
    request = held.request
    if request.status is Status.PENDING:
        mails.needed("reminder", mails.waited_for())
    elif request.status is Status.DENIED:
        because: Because = "empty-intersection" if request.denied_because == "empty-intersection" else "decision"
        mails.outcome("denied", by=visitor.name, because=because, words=comment)
    else:
        mails.outcome("approved", by=visitor.name, because=None, words=comment)


async def revoke(services: Services, visitor: Visitor, request_id: str, reason: str) -> RequestView:
    """Take access back, in one press. Raises `Refused`: not-found, not-approver, wrong-state."""
    async with write(services, visitor.code) as book:
        held = await hold(book, request_id)
        events = revoke_request(held.request, visitor.actor, "approver", reason, book.now)
        outcome: Refusal | None = events if isinstance(events, Refusal) else None
        if not may_end(held, visitor):
            outcome = NOT_APPROVER
        elif not isinstance(events, Refusal):
            held.tell(*events)
            mails = await post(held)
            mails.outcome("revoked", by=visitor.name, because="approver", words=reason)
        await held.store()
    unwrap(outcome)
    return await review(services, visitor, request_id)


def _too_late(status: Status) -> Refusal:
    return Refusal("wrong-state", told("The request is %(status)s.", status=status), extra=(("status", status.value),))
