"""Who is told of what waits in the settings: admins of the review of people, approvers of a standing approval."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.actions.change_mails import Stand, admin_addresses, facts_of, stand
from app.actions.ledger import Ledger
from app.actions.mail_queue import Place, Readers, enqueue
from app.domain.institution import Institution, admins, told_first
from app.domain.standing import StandingApproval
from app.domain.standing_rules import judge_giver, products_of, wanted
from app.notify.facts import Settings
from app.notify.settings_facts import ReviewDue, StandingOffered

PEOPLE, STANDING = "/settings/people", "/settings/standing-approvals"


async def tell_review_due(book: Ledger, last: datetime, again_at: datetime) -> None:
    """Queue the mails to the admins: nobody has gone through the list of people since `last`."""
    before = await stand(book)
    listed = sum(not person.removed for person in before.institution.people.values())
    notice = ReviewDue(facts_of(book, before, PEOPLE), listed, last, again_at)
    for person in sorted(admins(before.institution)):
        _tell(book, before, notice, person, None)


async def tell_further_givers(book: Ledger, approval: StandingApproval) -> None:
    """Queue the mails to those who are told of requests, and could join in giving it; none where it is given."""
    more = wanted(approval, book.institution) - len(approval.givers)
    if more <= 0:
        return
    before = await stand(book)
    by = before.around.people.get(approval.givers[-1].person, ("",))[0]
    notice = StandingOffered(
        replace(facts_of(book, before, STANDING), reader="giver"),
        by,
        more,
        approval.environment,
        approval.case_number,
        approval.roles,
        approval.max_window_minutes,
        approval.uses,
        approval.not_after,
    )
    for person in _further(approval, before.institution, book.now):
        _tell(book, before, notice, person, approval.id)


def _further(approval: StandingApproval, state: Institution, now: datetime) -> list[str]:
    told = {person for product in products_of(approval, state) for person in told_first(state, product, now)}
    return sorted(person for person in told if judge_giver(approval, state, person, now) is None)


def _tell(book: Ledger, before: Stand, notice: Settings, person: str, about: str | None) -> None:
    known = before.around.people.get(person)
    if known is not None:
        place = Place(about, f"{book.code} settings {book.next_index}", begins=True)
        enqueue(book, notice, Readers((known[1],), (person,)), place, admin_addresses(before))
