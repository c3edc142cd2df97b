"""Who may not leave the roster: the last admin who can act, for then nobody could change anything any more."""

from __future__ import annotations

from app.domain.errors import Refusal
from app.domain.institution.state import Institution, admins, is_bound
from app.domain.languages import msg

_LAST = Refusal(
    "last-admin",
    msg(
        "Nobody else is an admin who has signed in, and without one nobody could keep people and "
        "settings any more. Let another admin sign in first."
    ),
)


def judge_removal(institution: Institution, person_id: str) -> Refusal | None:
    """Why this person may not be removed from the roster; None when they may."""
    others = [other for other in admins(institution) if other != person_id and is_bound(institution, other)]
    return None if others else _LAST
