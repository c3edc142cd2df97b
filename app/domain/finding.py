"""Findings: something wrong that a scan, a reconciliation, a dispute or the clock found; their life is one table.

A scan's finding is closed by a later scan that no longer sees it, and by nothing else. What no scan can see again is
closed by somebody of the institution, once it was explained.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from app.domain.errors import IllegalTransition
from app.domain.events import Entry

FoundBy = Literal["scan", "sign-ins", "dispute", "clock"]

UNINTENDED, SUPPORT_ACTIVE, API_STAFF = "unintended-user", "support-account-active", "api-account-staff"
IMPL_CHANGED, UNMATCHED = "impl-account-changed", "sign-in-unmatched"
DISPUTED, NOT_RECONCILED = "work-disputed", "day-not-reconciled"

SCANNED = (UNINTENDED, SUPPORT_ACTIVE, API_STAFF, IMPL_CHANGED)
"""The kinds that a scan opens."""
KINDS: Mapping[str, frozenset[FoundBy]] = MappingProxyType(
    {
        UNINTENDED: frozenset({"scan"}),
        SUPPORT_ACTIVE: frozenset({"scan"}),
        API_STAFF: frozenset({"scan", "sign-ins"}),
        IMPL_CHANGED: frozenset({"scan"}),
        UNMATCHED: frozenset({"sign-ins"}),
        DISPUTED: frozenset({"dispute"}),
        NOT_RECONCILED: frozenset({"clock", "sign-ins"}),
    }
)
"""Kind → what may find it."""
CLOSERS = frozenset({"approver", "backup_approver", "admin"})
"""The roles of those who close what no scan can see again."""


class State(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    EXPLAINED = "explained"
    CLOSED = "closed"


TRANSITIONS: Mapping[tuple[State, str], State] = MappingProxyType(
    {
        (State.OPEN, "finding.explained"): State.EXPLAINED,
        (State.EXPLAINED, "finding.explained"): State.EXPLAINED,
        (State.OPEN, "finding.closed"): State.CLOSED,
        (State.EXPLAINED, "finding.closed"): State.CLOSED,
    }
)
"""State and event → state; a pair that is not here is illegal, and closed is the end."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as its entries tell it."""

    id: str
    kind: str
    environment: str | None
    found_by: FoundBy
    state: State = State.OPEN


def evolve(finding: Finding, entry: Entry) -> Finding:
    """The finding after an entry about it. Raises `IllegalTransition`."""
    after = TRANSITIONS.get((finding.state, entry.type))
    if after is None:
        raise IllegalTransition(f"{entry.type} cannot follow on a finding that is {finding.state}")
    return replace(finding, state=after)


def may_be_closed(found_by: str, kind: str, state: str) -> bool:
    """Whether somebody of the institution may close it: explained, and nothing that is read again would."""
    return found_by in {"sign-ins", "dispute"} and kind != NOT_RECONCILED and state == State.EXPLAINED


def closes(roles: Collection[str]) -> bool:
    """Whether somebody of these roles may close such findings."""
    return not CLOSERS.isdisjoint(roles)
