"""How often a test repeats what chance decides: enough to catch a slip on every run, in full by `make test-long`."""

from __future__ import annotations

import os

LONG = os.environ.get("TESTS") in {"long", "faults"}
FAULTS = os.environ.get("TESTS") == "faults"
"""`make faults`: faults alone, as often as production may bring them in years."""


def times(short: int, full: int, faults: int | None = None) -> int:
    """How often, in this run."""
    if FAULTS and faults is not None:
        return faults
    return full if LONG else short
