"""Terms: what is asked or given. An approver may narrow, never widen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.data import Value, sorted_unique
from app.domain.errors import FieldError
from app.domain.languages import msg, told
from app.domain.window import Span

HORIZON = timedelta(days=30)
"""How far ahead a window may begin."""


@dataclass(frozen=True, slots=True)
class Terms(Value):
    """A window as far as it is fixed, its length at most, and roles. Asked roles `()` mean "as the account has"."""

    not_before: datetime | None
    not_after: datetime | None
    minutes: int
    roles: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise ValueError("minutes: at least 1")
        if not sorted_unique(self.roles):
            raise ValueError("roles: must be sorted, each once")


def intersect(asked: Terms, given: Iterable[Terms], at: datetime) -> tuple[Span, tuple[str, ...]] | None:
    """What all of them allow when the last approval comes at `at`: window and roles; None when nothing is left."""
    every = (asked, *given)
    start = max([at, *(terms.not_before for terms in every if terms.not_before is not None)])
    length = timedelta(minutes=min(terms.minutes for terms in every))
    end = min([start + length, *(terms.not_after for terms in every if terms.not_after is not None)])
    roles = frozenset(asked.roles).intersection(*(terms.roles for terms in every))
    if start >= end or (asked.roles and not roles):
        return None
    return Span(start, end), tuple(sorted(roles))


def widened(asked: Terms, given: Terms, now: datetime) -> tuple[FieldError, ...]:
    """The fields in which `given` goes beyond `asked` or leaves nothing; none when it is within."""
    start = max(now, given.not_before or now, asked.not_before or now)
    checks = (
        (
            given.minutes <= asked.minutes,
            "minutes",
            told("at most the %(minutes)s minutes asked", minutes=asked.minutes),
        ),
        (
            given.not_before is None or asked.not_before is None or given.not_before >= asked.not_before,
            "not_before",
            msg("not before the start that was asked"),
        ),
        (
            given.not_after is None or asked.not_after is None or given.not_after <= asked.not_after,
            "not_after",
            msg("not after the end that was asked"),
        ),
        (given.not_after is None or given.not_after > start, "not_after", msg("after the start, and not past")),
        (
            given.not_before is None or asked.not_after is None or given.not_before < asked.not_after,
            "not_before",
            msg("before the end that was asked"),
        ),
        (given.not_before is None or given.not_before <= now + HORIZON, "not_before", msg("at most 30 days ahead")),
        (set(given.roles) <= set(asked.roles), "roles", msg("only roles that were asked")),
        (bool(given.roles) or not asked.roles, "roles", msg("at least one of the roles that were asked")),
    )
    return tuple(FieldError(f"/terms/{name}", detail) for holds, name, detail in checks if not holds)
