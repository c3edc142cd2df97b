"""What the steps of a walk have in common."""

from __future__ import annotations


class StepFailed(Exception):
    """Something else was seen than should be."""


def expect(holds: bool, seen: object) -> None:
    """Raises `StepFailed` with what was seen, where it is not as it should be."""
    if not holds:
        raise StepFailed(f"{seen}"[:2000])
