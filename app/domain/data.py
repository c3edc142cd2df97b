"""Values of the domain as JSON and back: one strict codec, driven by the fields of frozen dataclasses.

`to_data` gives an object with exactly the fields as members: instants as trail stamps, tuples as lists, frozen sets as
sorted lists. `from_data` takes nothing else (no unknown, missing or mistyped member) and raises `ValueError`, whose
text begins with the path of the wrong member.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import pairwise
from operator import attrgetter
from types import UnionType
from typing import Any, Self, TypeVar, cast, get_args, get_origin, get_type_hints

from app.domain.times import parse_stamp, stamp

Reader = Callable[[Any], Any]
T = TypeVar("T")


class Value:
    """The base of dataclasses that stand in state columns and in entries."""

    __slots__ = ()

    def to_data(self) -> dict[str, Any]:
        """This value as JSON."""
        return {name: _dump(getattr(self, name)) for name in _names(cast("Hashable", type(self)))}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """The value of `data`. Raises `ValueError`, naming the member."""
        members = exactly(data, _names(cast("Hashable", cls)))
        return cls(**{name: _member(name, read, members[name]) for name, read in _readers(cast("Hashable", cls))})


def replaced(value: T, changes: Mapping[str, Any]) -> T:
    """The value with some fields changed, as `dataclasses.replace` gives it, at half the cost: replay needs many."""
    read, places = _shape(cast("Hashable", type(value)))
    values = list(read(value))
    for name, new in changes.items():
        values[places[name]] = new
    return type(value)(*values)


@cache
def _shape(cls: Any) -> tuple[Callable[[Any], tuple[Any, ...]], Mapping[str, int]]:
    names = [field.name for field in fields(cls)]
    return attrgetter(*names), {name: place for place, name in enumerate(names)}


def exactly(data: object, names: AbstractSet[str]) -> Mapping[str, Any]:
    """`data` as an object with exactly the members `names`. Raises `ValueError`, naming what is too much."""
    if type(data) is not dict and not isinstance(data, Mapping):  # dict first: asking the abstract class is slow
        raise ValueError("an object is wanted")
    if data.keys() != names:
        wrong = sorted(set(map(str, data)) ^ names)
        raise ValueError(f"{', '.join(wrong)}: unknown or missing")
    return data


def sorted_unique(items: Sequence[Any]) -> bool:
    """Whether each item is greater than the one before it (strings by code point)."""
    return len(items) < 2 or all(a < b for a, b in pairwise(items))


def sorted_tuple(items: Iterable[str]) -> tuple[str, ...]:
    """The canonical form of a list whose order means nothing."""
    return tuple(sorted(set(items)))


def _dump(value: Any) -> Any:
    match value:
        case Value():
            return value.to_data()
        case datetime():
            return stamp(value)
        case StrEnum():
            return value.value
        case frozenset():
            return sorted(value)
        case tuple():
            return [_dump(item) for item in value]
        case Mapping():
            return {key: _dump(item) for key, item in value.items()}
        case _:
            return value


@cache
def _names(cls: Any) -> AbstractSet[str]:
    return dict.fromkeys(field.name for field in fields(cls)).keys()  # in their order


@cache
def _readers(cls: Any) -> tuple[tuple[str, Reader], ...]:
    hints = get_type_hints(cls)
    return tuple((name, _reader(hints[name])) for name in _names(cls))


def _member(name: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


@cache
def _reader(kind: Any) -> Reader:
    origin, args = get_origin(kind), get_args(kind)
    if origin is UnionType:
        inner = _reader(next(arg for arg in args if arg is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        return _list_reader(_reader(args[0]), tuple)
    if origin is frozenset:
        return _list_reader(_reader(args[0]), _frozen)
    if origin is Mapping:
        return _map_reader(_reader(args[1]))
    if kind is datetime:
        return lambda value: parse_stamp(_exact(value, str))
    if issubclass(kind, Value):
        return cast("Reader", kind.from_data)
    if issubclass(kind, StrEnum):
        return lambda value: kind(_exact(value, str))
    return lambda value: _exact(value, kind)


def _exact(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__} is wanted")
    return value


def _frozen(items: Sequence[Any]) -> frozenset[Any]:
    if not sorted_unique(items):
        raise ValueError("must be sorted, each once")
    return frozenset(items)


def _list_reader(read: Reader, make: Callable[[list[Any]], Any]) -> Reader:
    def read_list(value: Any) -> Any:
        return make([_member(str(place), read, item) for place, item in enumerate(_exact(value, list))])

    return read_list


def _map_reader(read: Reader) -> Reader:
    def read_map(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(type(key) is str and key.isascii() for key in value):
            raise ValueError("an object with ASCII keys is wanted")
        return {key: _member(key, read, item) for key, item in value.items()}

    return read_map
