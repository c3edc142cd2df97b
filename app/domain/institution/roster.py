"""What an admin may do to the roster at once: take away. Whatever adds is a countersigned change.

Nobody takes away the last admin who can act, for then nobody could change anything any more.
"""

from __future__ import annotations

from collections.abc import Collection

from app.domain.errors import Refusal
from app.domain.institution.state import Institution, admins, is_bound

_LAST = Refusal(
    "last-admin",
    "Nobody else is an admin who has signed in, and without one nobody could keep people and settings any more. "
    "Let another admin sign in first.",
)


def judge_removal(institution: Institution, person_id: str) -> Refusal | None:
    """Why this person may not be removed from the roster; None when they may."""
    others = [other for other in admins(institution) if other != person_id and is_bound(institution, other)]
    return None if others else _LAST


def judge_roles(
    institution: Institution, person_id: str, roles: Collection[str], products: Collection[str]
) -> Refusal | None:
    """Why a person of the roster may not have these roles and products (none: all) at once; None when they may."""
    person = institution.people[person_id]
    added = set(roles).difference(person.roles)
    wider = bool(person.products) and (not products or not set(products) <= set(person.products))
    if added or wider:
        detail = "A role or a product can be taken away here, but not added: that has to be countersigned."
        return Refusal("countersignature-needed", detail)
    if "admin" in person.held and "admin" not in {*roles, *person.claimed}:
        return judge_removal(institution, person_id)
    return None
