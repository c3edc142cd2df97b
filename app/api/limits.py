"""How often one client may call, in each process: fairness among clients, not a guard of anything.

What guards something is counted in the database (`actions/tries.py`, `filing.py`); here every process counts alone, so
that a call costs no write, and a service of n processes admits up to n times as many. Told in each answer as
draft-ietf-httpapi-ratelimit-headers-10 has it. Hot routes are not counted: their cost is what they are made for.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from app.domain.errors import Refusal

WINDOW_S = 60
CLIENTS = 4096
"""How many clients are counted at once; the one not seen the longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What is left to a client of `most` calls in a window that ends in `ends_s` seconds."""

    most: int
    left: int
    ends_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit-Policy` and `RateLimit`, as they are sent."""
        policy, now = f'"client";q={self.most};w={WINDOW_S}', f'"client";r={max(0, self.left)};t={self.ends_s}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())]

    def refusal(self) -> Refusal | None:
        """The refusal of a call that is one too many."""
        if self.left >= 0:
            return None
        detail = f"At most {self.most} calls of one client in {WINDOW_S} seconds."
        return Refusal("too-many-requests", detail, retry_after=self.ends_s)


class Limits:
    """Windows of a minute for each client, beginning with its first call."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, client: str, now: float) -> Rate:
        """Count a call at `now` (monotonic seconds); `left` is negative where it is one too many."""
        began, calls = self._windows.get(client, (now, 0))
        if not 0 <= now - began < WINDOW_S:
            began, calls = now, 0
        self._windows[client] = (began, calls + 1)
        self._windows.move_to_end(client)
        if len(self._windows) > CLIENTS:
            self._windows.popitem(last=False)
        return Rate(self._most, max(-1, self._most - calls - 1), max(1, math.ceil(began + WINDOW_S - now)))
