"""A TOML table read key by key: each key is taken once, of one kind, and what nobody took is unknown.

Problems are gathered, not raised, so that one run of the operator shows them all; a wrong value is replaced by an empty
one of its kind, which nobody sees because a file with problems gives no world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, overload

from app.domain.errors import CountersignError

T = TypeVar("T")
Form = Callable[[str], str]
_NEEDED: Any = object()


class WorldError(CountersignError):
    """The world file cannot be applied. `problems`: one line each, the key path first."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Table:
    """A table at `path`; `problems` is shared by all tables of a file."""

    def __init__(self, path: str, members: object, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        self._members: dict[str, Any] = {}
        if isinstance(members, Mapping):
            self._members = dict(members)
        else:
            self.wrong("", "a table is wanted")

    def wrong(self, key: str, detail: str) -> None:
        """Note a problem of a key."""
        self.problems.append(f"{'.'.join(filter(None, (self.path, key)))}: {detail}")

    def take(self, key: str, default: Any = _NEEDED) -> Any:
        """The raw value of a key; where it is missing the default, or a problem."""
        if key in self._members:
            return self._members.pop(key)
        if default is _NEEDED:
            self.wrong(key, "is missing; give it")
            return None
        return default

    @overload
    def text(self, key: str, default: str = ..., *, form: Form) -> str: ...
    @overload
    def text(self, key: str, default: None, *, form: Form) -> str | None: ...
    def text(self, key: str, default: str | None = _NEEDED, *, form: Form) -> str | None:
        """A string in its form."""
        value = self.take(key, default)
        if value is None or value is default:
            return "" if default is _NEEDED else default
        return self._formed(key, value, form)

    def texts(self, key: str, default: tuple[str, ...] = _NEEDED, *, form: Form) -> tuple[str, ...]:
        """A list of strings, each in its form."""
        value = self.take(key, default)
        if value is None or value is default:
            return () if default is _NEEDED else default
        if not isinstance(value, list):
            self.wrong(key, "a list of strings is wanted")
            return ()
        return tuple(self._formed(f"{key}[{place}]", item, form) for place, item in enumerate(value))

    def boolean(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.take(key, default)
        if type(value) is not bool:
            self.wrong(key, "true or false is wanted, without quotes")
        return bool(value)

    def strings(self, key: str) -> dict[str, str]:
        """A table of strings with ASCII names; none is empty."""
        value = self.take(key, {})
        if not isinstance(value, dict) or not all(name.isascii() and type(text) is str for name, text in value.items()):
            self.wrong(key, "a table of strings is wanted")
            return {}
        return value

    def table(self, key: str, default: Mapping[str, Any] = _NEEDED) -> Table:
        """The table of a key."""
        path = ".".join(filter(None, (self.path, key)))
        value = self.take(key, default)
        return Table(path, {} if value is None else value, self.problems)

    def tables(self, key: str) -> list[Table]:
        """The tables of an array; none where the key is missing."""
        value = self.take(key, [])
        if not isinstance(value, list):
            self.wrong(key, f"tables are wanted, each below [[{key}]]")
            return []
        path = ".".join(filter(None, (self.path, key)))
        return [Table(f"{path}[{place}]", item, self.problems) for place, item in enumerate(value)]

    def made(self, make: Callable[[], T], since: int) -> T:
        """What `make` gives; the `ValueError` of a domain's value becomes a problem of this table.

        `since`: how many problems there were before its members were read; if there are more, they say what is wrong.
        """
        try:
            return make()
        except ValueError as error:
            if len(self.problems) == since:
                self.problems += [f"{self.path}.{each}" for each in str(error).split("; ")]
            return cast("T", None)  # a file with problems gives no world, so nobody looks at it

    def each_once(self, key: str, values: Sequence[str], what: str, *, say: bool = True) -> None:
        """Note values that stand there twice; `say` false for secrets."""
        for twice in sorted({value for value in values if values.count(value) > 1}):
            self.wrong(key, f"two have the same {what}{f' {twice}' if say else ''}; give each its own")

    def done(self) -> None:
        """Every key that is left is unknown."""
        for key in sorted(self._members):
            self.wrong(key, "is not known here; take it out")

    def _formed(self, key: str, value: object, form: Form) -> str:
        if type(value) is not str:
            self.wrong(key, "a string is wanted, in quotes")
            return ""
        try:
            return form(value)
        except ValueError as error:
            self.wrong(key, str(error))
            return ""
