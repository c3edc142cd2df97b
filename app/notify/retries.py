"""When to try a delivery again: by mail or by webhook, for three days."""

from __future__ import annotations

from datetime import datetime, timedelta

LIFE = timedelta(days=3)
_FIRST, _LONGEST = timedelta(seconds=30), timedelta(hours=2)


def delay(attempt: int, jitter: float) -> timedelta:
    """How long to wait after failure number `attempt` (from 1): 30 s, doubling up to 2 h.

    `jitter` in [0, 1) adds up to a fifth, so that what failed together is not tried again together.
    """
    doublings = min(attempt - 1, 16)
    return min(_FIRST * (1 << doublings), _LONGEST) * (1 + jitter / 5)


def next_attempt(queued_at: datetime, now: datetime, attempt: int, jitter: float) -> datetime | None:
    """When to try again after failure number `attempt` at `now`; null when the three days would then be over."""
    at = now + delay(attempt, jitter)
    return at if at - queued_at <= LIFE else None
