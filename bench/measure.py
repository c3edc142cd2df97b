"""What a benchmark gives, and how it is measured: value and limit in turn, so that both meet the same machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

import orjson

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Result:
    """One line of `make bench`. `ratio` is value to limit, `n` how often each was measured."""

    name: str
    value: float
    unit: str
    limit: float
    limit_name: str
    ratio: float
    n: int

    def line(self) -> str:
        """The result as one line of JSON."""
        rounded = {key: float(f"{each:.4g}") if isinstance(each, float) else each for key, each in asdict(self).items()}
        return orjson.dumps(rounded).decode()


def alternate(
    name: str,
    unit: str,
    value: Callable[[], float],
    limit: Callable[[], float],
    limit_name: str,
    *,
    rounds: int = ROUNDS,
) -> Result:
    """Medians of value and limit, measured alternately; the first of each warms up and is not counted."""
    value()
    limit()
    pairs = [(value(), limit()) for _ in range(rounds)]
    middle, bound = (median(each) for each in zip(*pairs, strict=True))
    return Result(name, middle, unit, bound, limit_name, middle / bound, rounds)
