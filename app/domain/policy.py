"""An institution's policy: the table of `product.md` as a value. Unknown names, wrong kinds and bounds are refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly hours in the institution's zone: `day` is `mon`…`sun`; an instant is inside when `start` <= wall clock < `end`.

    Minutes of the day; `end` may be 1,440 (`24:00`).
    """

    day: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Blackout:
    """A dated range of wall-clock minutes in the institution's zone, `YYYY-MM-DDTHH:MM`, in which no grant may run."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Every field of the table, in its order; defaults as the table has them."""

    approvals_required: int = 1
    second_approval_over_minutes: int | None = None
    working_hours: tuple[Hours, ...] = ()
    access_hours: tuple[Hours, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    max_window_minutes: int = 480
    max_implementation_window_days: int = 30
    decide_within_minutes: int = 4320
    remind_after_minutes: tuple[int, ...] = (240, 1440)
    escalate_after_minutes: int | None = 1440
    sign_in_max_age_s: int = 0
    acr_values: tuple[str, ...] = ()
    standing_approvals_allowed: bool = False
    token_ttl_minutes: int = 15
    recording_required: bool = True
    recording_retention_days: int = 90
    retention_years: int = 7
    vendor_sees_evidence: bool = False
