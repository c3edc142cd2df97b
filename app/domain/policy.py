"""An institution's policy: the table of `product.md` as a value. Unknown names, wrong kinds and bounds are refused.

A `Policy` that exists is valid. `policy_digest` is the SHA-256 of the JCS of `to_data()`; callers make it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.domain.data import Value, exactly, sorted_unique

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 1440
MAX_HOURS = 70
MAX_BLACKOUTS = 200
MAX_ACR_VALUES = 10

_BOUNDS: Mapping[str, tuple[int, int]] = {
    "approvals_required": (1, 5),
    "second_approval_over_minutes": (15, 4320),
    "max_window_minutes": (15, 4320),
    "max_implementation_window_days": (0, 90),
    "decide_within_minutes": (60, 20160),
    "escalate_after_minutes": (1, 20160),
    "sign_in_max_age_s": (0, 86400),
    "token_ttl_minutes": (1, 60),
    "recording_retention_days": (1, 3650),
    "retention_years": (1, 25),
}
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_WALL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hours(Value):
    """Weekly hours in the institution's zone; an instant of that `day` is inside when `start` <= wall clock < `end`.

    Minutes of the day; `end` may be 1,440 (`24:00`).
    """

    day: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.day not in DAYS:
            raise ValueError(f"day: one of {', '.join(DAYS)}")
        if not 0 <= self.start < self.end <= DAY_MINUTES:
            raise ValueError("from, to: from must lie before to, within one day")

    def to_data(self) -> dict[str, Any]:
        """`{"day","from","to"}` with `HH:MM`."""
        return {"day": self.day, "from": _clock(self.start), "to": _clock(self.end)}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """The hours of `{"day","from","to"}`. Raises `ValueError`."""
        members = exactly(data, {"day", "from", "to"})
        return cls(members["day"], _minutes("from", members["from"]), _minutes("to", members["to"]))


@dataclass(frozen=True, slots=True)
class Blackout(Value):
    """A dated range of wall-clock minutes in the institution's zone, `YYYY-MM-DDTHH:MM`, in which no grant may run."""

    start: str
    end: str

    def __post_init__(self) -> None:
        for name, text in (("from", self.start), ("to", self.end)):
            if type(text) is not str or not _WALL.fullmatch(text):
                raise ValueError(f"{name}: YYYY-MM-DDTHH:MM is wanted")
            if not 2000 <= datetime.fromisoformat(text).year < 3000:
                raise ValueError(f"{name}: a year from 2000 to 2999")
        if self.start >= self.end:
            raise ValueError("from, to: from must lie before to")

    def to_data(self) -> dict[str, Any]:
        """`{"from","to"}`."""
        return {"from": self.start, "to": self.end}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """The range of `{"from","to"}`. Raises `ValueError`."""
        members = exactly(data, {"from", "to"})
        return cls(members["from"], members["to"])


@dataclass(frozen=True, slots=True)
class Policy(Value):
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

    def __post_init__(self) -> None:
        wrong = [
            f"{name}: from {least} to {most}"
            for name, (least, most) in _BOUNDS.items()
            if (value := getattr(self, name)) is not None and not least <= value <= most
        ]
        wrong += [f"{name}: {detail}" for name, holds, detail in self._lists() if not holds]
        if wrong:
            raise ValueError("; ".join(wrong))

    def _lists(self) -> tuple[tuple[str, bool, str], ...]:
        reminders, acr = self.remind_after_minutes, self.acr_values
        rising = len(reminders) <= 5 and sorted_unique(reminders) and all(1 <= n <= 20160 for n in reminders)
        named = (
            len(acr) <= MAX_ACR_VALUES and len(set(acr)) == len(acr) and all(1 <= len(value) <= 200 for value in acr)
        )
        return (
            ("remind_after_minutes", rising, "up to 5 numbers of minutes from 1 to 20160, rising"),
            ("acr_values", named, f"up to {MAX_ACR_VALUES} different values of 1 to 200 characters"),
            ("working_hours", len(self.working_hours) <= MAX_HOURS, f"at most {MAX_HOURS} entries"),
            ("access_hours", len(self.access_hours) <= MAX_HOURS, f"at most {MAX_HOURS} entries"),
            ("blackouts", len(self.blackouts) <= MAX_BLACKOUTS, f"at most {MAX_BLACKOUTS} entries"),
        )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _minutes(name: str, text: object) -> int:
    if text == "24:00" and name == "to":
        return DAY_MINUTES
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{name}: HH:MM is wanted")
    return int(match[1]) * 60 + int(match[2])


def _same(old: Any, new: Any) -> bool:
    return bool(old == new)


def _not_lower(old: int, new: int) -> bool:
    return new >= old


def _not_higher(old: int, new: int) -> bool:
    return new <= old


def _lower_or_set(old: int | None, new: int | None) -> bool:
    return old == new or (new is not None and (old is None or new < old))


def _not_turned_on(old: bool, new: bool) -> bool:
    return old or not new


def _not_turned_off(old: bool, new: bool) -> bool:
    return new or not old


def _fewer_values(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    return old == new or (bool(new) and (not old or set(new) <= set(old)))


def _fewer_hours(old: tuple[Hours, ...], new: tuple[Hours, ...]) -> bool:
    return old == new or (bool(new) and (not old or _week(new) <= _week(old)))


def _week(hours: tuple[Hours, ...]) -> set[tuple[str, int]]:
    return {(span.day, minute) for span in hours for minute in range(span.start, span.end)}


def _more_blackouts(old: tuple[Blackout, ...], new: tuple[Blackout, ...]) -> bool:
    return all(any(wide.start <= kept.start and kept.end <= wide.end for wide in new) for kept in old)


TIGHTER: Mapping[str, Callable[[Any, Any], bool]] = {
    "approvals_required": _not_lower,
    "second_approval_over_minutes": _lower_or_set,
    "working_hours": _fewer_hours,
    "access_hours": _fewer_hours,
    "blackouts": _more_blackouts,
    "max_window_minutes": _not_higher,
    "max_implementation_window_days": _not_higher,
    "decide_within_minutes": _not_higher,
    "remind_after_minutes": _same,
    "escalate_after_minutes": _same,
    "sign_in_max_age_s": _not_higher,
    "acr_values": _fewer_values,
    "standing_approvals_allowed": _not_turned_on,
    "token_ttl_minutes": _not_higher,
    "recording_required": _not_turned_off,
    "recording_retention_days": _same,
    "retention_years": _same,
    "vendor_sees_evidence": _not_turned_on,
}
"""For each field, whether a step from old to new leaves nothing looser (`http-api.md`, `events.md` *Changes*)."""


def tightens(old: Policy, new: Policy) -> bool:
    """Whether `new` is nowhere looser than `old`. Whatever is not listed as tightening loosens; the same does not."""
    return all(holds(getattr(old, name), getattr(new, name)) for name, holds in TIGHTER.items())
