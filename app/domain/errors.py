"""Refusals and errors.

"No" is a value, "broken" is an exception:

* `Refusal` is what a rule answers when it says no. It names the problem (the slug of `http-api.md`), says what
  happened and the remedy, and points at the fields that are wrong.
* `Refused` carries a refusal out of an action, after its event has been committed. The edge (api, web, cli) maps it.

    CountersignError
    ├── Refused                a rule said no
    ├── CatalogueError         an entry is not of the catalogue of events
    ├── IllegalTransition      an event does not fit the state it meets
    └── Unavailable            a dependency is in doubt, so the answer is no
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: an RFC 6901 `pointer` into the body, and what to do about it."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no. `problem` is a slug of the wire; `extra` holds members added to the problem document (such as `status`)."""

    problem: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after: int | None = None
    extra: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def of_field(cls, pointer: str, detail: str, problem: str = "validation") -> Refusal:
        """The refusal of one field."""
        return cls(problem, detail, (FieldError(pointer, detail),))


class CountersignError(Exception):
    """Everything this service raises by itself."""


class Refused(CountersignError):
    """An action ended with a no; whatever had to be recorded about it is committed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.problem}: {refusal.detail}")
        self.refusal = refusal


class CatalogueError(CountersignError):
    """An entry's type, actor, subject or fields differ from the catalogue."""


class IllegalTransition(CountersignError):
    """An event met a state in which it cannot happen; nothing was changed."""


def require(holds: bool, detail: str) -> None:
    """Raise `IllegalTransition` unless it holds."""
    if not holds:
        raise IllegalTransition(detail)


class Unavailable(CountersignError):
    """The database, the provider or the clock is in doubt. `problem` is the slug to answer with."""

    def __init__(self, detail: str, problem: str = "unavailable") -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
