"""An institution as its trail tells it: its `state` (provider, environments, people, policy) and its `life`.

A person decides when they hold a deciding role for the product, are bound at the provider now in force, and belong to
the institution and not to the vendor. What loosens has a countersignature (`changes`).
"""

from app.domain.environment import Environment
from app.domain.institution.changes import CHANGE_LIFE, is_lapsed, loosens, waits_for_another
from app.domain.institution.life import CHANGING, evolve, foreseen, opened
from app.domain.institution.roster import judge_removal
from app.domain.institution.state import (
    Change,
    Institution,
    admins,
    eligible,
    holds_role,
    implementation_over,
    implementing,
    is_admin,
    is_bound,
    is_vendor_address,
    needs_confirmation,
)
from app.domain.institution.telling import told_first, told_later
from app.domain.provider import Provider

__all__ = [
    "CHANGE_LIFE",
    "CHANGING",
    "Change",
    "Environment",
    "Institution",
    "Provider",
    "admins",
    "eligible",
    "evolve",
    "foreseen",
    "holds_role",
    "implementation_over",
    "implementing",
    "is_admin",
    "is_bound",
    "is_lapsed",
    "is_vendor_address",
    "judge_removal",
    "loosens",
    "needs_confirmation",
    "opened",
    "told_first",
    "told_later",
    "waits_for_another",
]
