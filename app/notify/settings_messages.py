"""What waits in the settings for somebody, as mails tell of it. The link leads there; no mail does it."""

from __future__ import annotations

from app.notify.settings_facts import ChangeFacts, ReviewDue, StandingOffered
from app.notify.sheets import Sheet, roles_of
from app.notify.texts import Phrase, Words


def review_sheet(facts: ReviewDue, words: Words) -> Sheet:
    """The layout of a reminder of the review of people."""
    values = _common(facts.change)
    values["counted"] = words.count("review.counted", facts.people, {})
    values["last"] = words.moment(facts.last, facts.change.at)
    values["again_at"] = words.moment(facts.again_at, facts.change.at)
    return Sheet("review", ("last_review",), ("review_cannot",), values, "subject.review", follows=False)


def offered_sheet(facts: StandingOffered, words: Words) -> Sheet:
    """The layout of a call for further givers of a standing approval."""
    values = _common(facts.change)
    about = {"place": facts.place, "case_number": facts.case_number}
    values |= {
        "by": facts.by,
        "wanted": words.count("offered.wanted", facts.more, {}),
        "covers": words.say(f"offered.{'case' if facts.place is None else 'place'}", about),
        "roles": roles_of(facts.roles, words) if facts.roles else words.say("offered.any_roles", {}),
        "longest": words.duration(facts.minutes),
        "often": words.count("offered.uses", facts.uses, {}),
        "not_after": words.moment(facts.not_after, facts.change.at),
    }
    rows = ("given_by", "covers", "given_roles", "given_window", "given_until")
    return Sheet("offered", rows, ("offer_cannot", "offer_doubt"), values, "subject.offered", follows=False)


def _common(change: ChangeFacts) -> dict[str, str | Phrase | None]:
    return {"institution": change.institution, "code": change.code}
