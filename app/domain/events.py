"""Events and entries, and the door that lets in only what the catalogue knows (`catalogue.py`, `events.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal, cast

from app.domain.catalogue import CATALOGUE, RULES, VERSION, Rule, Spec
from app.domain.data import exactly, sorted_unique
from app.domain.errors import CatalogueError
from app.domain.ids import is_id
from app.domain.kinds import VENDOR, Check, check_of, is_sha
from app.domain.leaf_form import form, lists
from app.domain.times import parse_stamp

__all__ = ["CATALOGUE", "SERVICE", "WORKER", "Actor", "ActorKind", "Entry", "Event", "Spec", "check", "entry_from"]

ActorKind = Literal["person", "client", "operator", "system"]

_ACTOR_PREFIXES: Mapping[str, str] = {"person": "per", "client": "cli", "operator": "opr"}
_SYSTEM_IDS = frozenset({"service", "worker"})
_FIELDS = frozenset({"actor", "at", "data", "id", "index", "institution", "subject", "type", "v"})
_COMMITTED = _FIELDS | {"private"}
_ACTOR = frozenset({"id", "kind"})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: `per_…`, `cli_…`, `opr_…`, or `service`/`worker` for `system`."""

    kind: ActorKind
    id: str


SERVICE = Actor("system", "service")
WORKER = Actor("system", "worker")


@dataclass(frozen=True, slots=True)
class Event:
    """What an action wants recorded. The log gives it index, id and time.

    It gives the salt of the private part too, but where `salt` is the one under which that part was proposed.
    """

    type: str
    subject: str
    actor: Actor
    data: Mapping[str, Any]
    private: Mapping[str, str | None] | None = None
    salt: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf, read: an event with its place and time. `private` is the commitment, not the private part."""

    index: int
    id: str
    at: datetime
    institution: str
    type: str
    subject: str
    actor: Actor
    data: Mapping[str, Any]
    private: str | None


_Checks = tuple[tuple[str, Check], ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the catalogue, compiled."""

    spec: Spec
    subject: Check
    data: _Checks
    private: _Checks
    rule: Rule | None
    detail: str


@cache
def _row(type_: str) -> _Row:
    spec = CATALOGUE.get(type_)
    if spec is None:
        raise ValueError("type: not of the catalogue")
    subject = check_of("code" if spec.subject == "code" else f"id:{spec.subject}")
    return _Row(spec, subject, _checks(spec.data), _checks(spec.private), *RULES.get(type_, (None, "")))


def _checks(kinds: Mapping[str, str]) -> _Checks:
    return tuple((name, check_of(kind)) for name, kind in kinds.items())


_FRAME = _checks(
    {"at": "ts", "id": "id:evt", "index": "int", "institution": "code", "subject": "str", "type": "str", "v": "int"}
)
_ACTOR_FRAME = _checks({"id": "str", "kind": "str"})


def check(event: Event) -> None:
    """Raise `CatalogueError` unless the event is of the catalogue, its private fields included."""
    try:
        row = _row(event.type)
        _check(row, event.subject, _actor(event.actor.kind, event.actor.id), event.data)
        _check_private(event.private, row)
    except ValueError as error:
        raise CatalogueError(f"{event.type}: {error}") from None


def entry_from(obj: Mapping[str, Any]) -> Entry:
    """The entry of a leaf's object: its ten fields, all of the catalogue. Raises `CatalogueError`, naming the field."""
    try:
        return _entry(obj)
    except ValueError as error:
        raise CatalogueError(f"{obj.get('type')}: {error}") from None


def entry_of_form(obj: Mapping[str, Any], leaf: bytes) -> Entry | None:
    """The entry of a leaf whose bytes match the form of its type; None where only `entry_from` can tell.

    `obj`: what the leaf's bytes hold, as UTF-8. Hot: met for every entry that is verified.
    """
    type_: Any = obj.get("type")
    wanted = form(type_) if type(type_) is str else None
    if wanted is None or wanted.fullmatch(leaf) is None:
        return None
    by, data = obj["actor"], obj["data"]
    for name in lists(type_):
        if not sorted_unique(data[name]):
            return None
    return Entry(
        obj["index"], obj["id"], parse_stamp(obj["at"]), obj["institution"], type_, obj["subject"],
        _actor(by["kind"], by["id"]), data, obj.get("private"),
    )  # fmt: skip


def _entry(obj: Mapping[str, Any]) -> Entry:
    """Hot: met for every entry that is verified."""
    exactly(obj, _COMMITTED if "private" in obj else _FIELDS)
    _apply("", obj, _FRAME)
    actor = exactly(obj["actor"], _ACTOR)
    _apply("actor.", actor, _ACTOR_FRAME)
    type_, subject, institution, private = obj["type"], obj["subject"], obj["institution"], obj.get("private")
    row, by, data = _row(type_), _actor(actor["kind"], actor["id"]), obj["data"]
    _check(row, subject, by, data)
    if obj["v"] != VERSION:
        raise ValueError("v: an unknown version")
    if ("private" in obj) != bool(row.private) or (row.private and not is_sha(private)):
        raise ValueError("private: a commitment exactly where the catalogue lists private fields")
    if row.spec.subject == "code" and subject != institution:
        raise ValueError("subject: the institution's code is wanted")
    if row.spec.vendor and institution != VENDOR:
        raise ValueError("institution: this stands in the vendor's log alone")
    return Entry(obj["index"], obj["id"], parse_stamp(obj["at"]), institution, type_, subject, by, data, private)


@lru_cache(1024)  # the same few do most of what is done
def _actor(kind: str, who: str) -> Actor:
    prefix = _ACTOR_PREFIXES.get(kind)
    if not (who in _SYSTEM_IDS if kind == "system" else prefix is not None and is_id(who, prefix)):
        raise ValueError("actor.id: does not fit its kind")
    return Actor(cast("ActorKind", kind), who)


def _check(row: _Row, subject: str, actor: Actor, data: Mapping[str, Any]) -> None:
    if actor.kind not in row.spec.actors:
        raise ValueError(f"actor.kind: one of {', '.join(sorted(row.spec.actors))} is wanted")
    try:
        row.subject(subject)
    except ValueError as error:
        raise ValueError(f"subject: {error}") from None
    _check_fields("data", data, row.spec.data, row.data)
    if row.rule is not None and not row.rule(actor.kind, data):
        raise ValueError(f"data: {row.detail}")


def _check_private(private: Mapping[str, str | None] | None, row: _Row) -> None:
    if (private is not None) != bool(row.private):
        raise ValueError("private: present exactly where the catalogue lists private fields")
    _check_fields("private", private or {}, row.spec.private, row.private)


def _check_fields(place: str, found: Mapping[str, Any], kinds: Mapping[str, str], checks: _Checks) -> None:
    try:
        exactly(found, kinds.keys())
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    _apply(f"{place}.", found, checks)


def _apply(place: str, found: Mapping[str, Any], checks: _Checks) -> None:
    name = ""
    try:  # one for all of them, since most fields are right
        for name, check_one in checks:
            check_one(found[name])
    except ValueError as error:
        raise ValueError(f"{place}{name}: {error}") from None
