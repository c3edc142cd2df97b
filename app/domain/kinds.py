"""The kinds of data fields (`events.md`): words such as `ts`, `id:req?`, `[sha]`, compiled once into checks.

A check returns nothing and raises `ValueError`. Lists are sorted and unique, except lists of objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from app.domain.data import Value, exactly, sorted_unique
from app.domain.environment import Environment
from app.domain.ids import form_of
from app.domain.policy import Policy
from app.domain.provider import Provider
from app.domain.terms import Terms
from app.domain.times import parse_stamp

Check = Callable[[Any], None]

MAX_INT = 2**53 - 1
VENDOR = "VENDOR"
CODE = re.compile(r"[0-9A-Z][0-9A-Z_]{0,39}", re.ASCII)
SHA = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)

_VALUES: Mapping[str, type[Value]] = {
    "policy": Policy,
    "provider": Provider,
    "environment": Environment,
    "terms": Terms,
}
_RECORDS: Mapping[str, Mapping[str, str]] = {
    "person": {"person": "id:per", "roles": "[str]", "products": "[str]", "email_domain": "str", "email_digest": "sha"},
    "continues": {"origin": "str", "size": "int", "root": "sha"},
}


def is_code(text: object) -> bool:
    """Whether `text` has the form of an institution's code: capitals, digits and underscores, at most 40."""
    return isinstance(text, str) and CODE.fullmatch(text) is not None


def is_sha(text: object) -> bool:
    """Whether `text` has the form `sha256:<64 lower hex>`."""
    return isinstance(text, str) and SHA.fullmatch(text) is not None


@cache
def check_of(kind: str) -> Check:
    """The check of a kind. Raises `ValueError` for a kind that does not exist."""
    if kind.endswith("?"):
        return _nullable(check_of(kind[:-1]))
    if kind.startswith("["):
        return _list(kind[1:-1])
    name, _, detail = kind.partition(":")
    if name == "id":
        return _matches(f"an id {detail}_…", form_of(detail))
    if name == "enum":
        return _one_of(detail)
    if kind in _VALUES:
        return _parses(_VALUES[kind].from_data)
    if kind in _RECORDS:
        return _record(_RECORDS[kind])
    return _SIMPLE[kind]


def _matches(wanted: str, form: re.Pattern[str]) -> Check:
    matches = form.fullmatch

    def check(value: Any) -> None:
        if type(value) is not str or matches(value) is None:
            raise ValueError(f"{wanted} is wanted")

    return check


def _one_of(words: str) -> Check:
    allowed = frozenset(words.split("|"))

    def check(value: Any) -> None:
        if type(value) is not str or value not in allowed:
            raise ValueError(f"one of {words} is wanted")

    return check


def _parses(parse: Callable[[Any], object]) -> Check:
    def check(value: Any) -> None:
        parse(value)

    return check


def _nullable(inner: Check) -> Check:
    def check(value: Any) -> None:
        if value is not None:
            inner(value)

    return check


def _record(members: Mapping[str, str]) -> Check:
    def check(value: Any) -> None:
        found = exactly(value, members.keys())
        for name, kind in members.items():
            try:
                check_of(kind)(found[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None

    return check


def _list(kind: str) -> Check:
    inner, ordered = check_of(kind), kind in _VALUES or kind in _RECORDS

    def check(value: Any) -> None:
        if type(value) is not list:
            raise ValueError("a list is wanted")
        if kind == "code" and value == ["*"]:
            return
        for item in value:
            inner(item)
        if not ordered and not sorted_unique(value):
            raise ValueError("a list sorted, each item once, is wanted")

    return check


def _stamp(value: Any) -> None:
    if type(value) is not str:
        raise ValueError("a timestamp is wanted")
    parse_stamp(value)


def _text(value: Any) -> None:
    if type(value) is not str:
        raise ValueError("a string is wanted")


def _boolean(value: Any) -> None:
    if type(value) is not bool:
        raise ValueError("true or false is wanted")


def _integer(value: Any) -> None:
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise ValueError("an integer from 0 below 2^53 is wanted")


_SIMPLE: Mapping[str, Check] = {
    "ts": _stamp,
    "sha": _matches("sha256:<64 lower hex>", SHA),
    "code": _matches("an institution's code", CODE),
    "str": _text,
    "bool": _boolean,
    "int": _integer,
}
