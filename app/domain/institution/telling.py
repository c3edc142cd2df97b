"""Who is mailed when a request for a product comes in, and when nobody has answered in time.

Approvers who are not away; backup approvers too while an approver is away, or where nobody else is left.
"""

from __future__ import annotations

from datetime import datetime

from app.domain.institution.state import Institution
from app.domain.people import Person


def is_away(person: Person, now: datetime) -> bool:
    """Whether `now` lies in a person's away dates; an open end is open."""
    begins, ends = person.away_from, person.away_to
    if begins is None and ends is None:
        return False
    return (begins is None or begins <= now) and (ends is None or now < ends)


def told_first(institution: Institution, product: str, now: datetime) -> tuple[str, ...]:
    """Who is mailed at once."""
    deciding = [person for person in institution.people.values() if person.decides_for(product)]
    there = [person for person in deciding if not is_away(person, now)]
    first = [person for person in there if "approver" in person.held]
    short = not first or any("approver" in person.held for person in deciding if person not in there)
    return tuple(person.id for person in (*first, *(each for each in there if short and each not in first)))


def told_later(institution: Institution, product: str, now: datetime) -> tuple[str, ...]:
    """Who is mailed at the escalation: the backup approvers who are not away, or all of them where everyone is."""
    backups = [
        person
        for person in institution.people.values()
        if person.decides_for(product) and "backup_approver" in person.held
    ]
    there = [person for person in backups if not is_away(person, now)]
    return tuple(person.id for person in there or backups)
