"""How often a test repeats what chance decides: enough to catch a slip on every run, in full by `make test-long`."""

from __future__ import annotations

import os

LONG = os.environ.get("TESTS") == "long"


def times(short: int, full: int) -> int:
    """How often, in this run."""
    return full if LONG else short
