"""A product environment of an institution, with the phase that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.domain.data import Value

PRODUCTS = ("alma", "primo_ve", "leganto", "esploro")
TIERS = ("production", "sandbox")
PHASES = ("implementation", "support")


@dataclass(frozen=True, slots=True)
class Environment(Value):
    """One environment. `implementation_ends` (`YYYY-MM-DD`) is a date in implementation and null in support."""

    environment: str
    product: str
    tier: str
    phase: str
    url: str
    audience: str
    implementation_ends: str | None

    def __post_init__(self) -> None:
        for name, words in (("product", PRODUCTS), ("tier", TIERS), ("phase", PHASES)):
            if getattr(self, name) not in words:
                raise ValueError(f"{name}: one of {', '.join(words)}")
        if (self.phase == "implementation") != (self.implementation_ends is not None):
            raise ValueError("implementation_ends: a date in the implementation phase, null in support")
        if self.implementation_ends is not None and self.last_day.isoformat() != self.implementation_ends:
            raise ValueError("implementation_ends: YYYY-MM-DD is wanted")

    @property
    def last_day(self) -> date:
        """The last day of the implementation phase."""
        return date.fromisoformat(self.implementation_ends or "")
