"""Events and entries, and the door that lets in only what the catalogue knows (`catalogue.py`, `events.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from app.domain.catalogue import CATALOGUE, RULES, VERSION, Spec
from app.domain.data import exactly
from app.domain.errors import CatalogueError
from app.domain.ids import is_id
from app.domain.kinds import MAX_INT, VENDOR, check_of, is_code, is_sha
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
    """What an action wants recorded. The log gives it index, id, time and the salt of its private part."""

    type: str
    subject: str
    actor: Actor
    data: Mapping[str, Any]
    private: Mapping[str, str | None] | None = None


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


def check(event: Event) -> None:
    """Raise `CatalogueError` unless the event is of the catalogue, its private fields included."""
    try:
        spec = _check(event.type, event.subject, event.actor, event.data)
        _check_private(event.private, spec)
    except ValueError as error:
        raise CatalogueError(f"{event.type}: {error}") from None


def entry_from(obj: Mapping[str, Any]) -> Entry:
    """The entry of a leaf's object: its ten fields, all of the catalogue. Raises `CatalogueError`, naming the field."""
    try:
        return _entry(obj)
    except ValueError as error:
        raise CatalogueError(f"{obj.get('type')}: {error}") from None


def _entry(obj: Mapping[str, Any]) -> Entry:
    _members(obj, _COMMITTED if "private" in obj else _FIELDS)
    actor = _members(obj["actor"], _ACTOR)
    at, type_, subject, id_ = obj["at"], obj["type"], obj["subject"], obj["id"]
    kind, who = actor["kind"], actor["id"]
    if not (type(at) is type(type_) is type(subject) is type(id_) is type(kind) is type(who) is str):
        raise ValueError("at, type, subject, id, actor.kind, actor.id: strings are wanted")
    entry = Entry(
        index=obj["index"],
        id=id_,
        at=parse_stamp(at),
        institution=obj["institution"],
        type=type_,
        subject=subject,
        actor=Actor(cast("ActorKind", kind), who),
        data=obj["data"],
        private=obj.get("private"),
    )
    if type(obj["v"]) is not int or obj["v"] != VERSION:
        raise ValueError("v: an unknown version")
    if type(entry.index) is not int or not 0 <= entry.index <= MAX_INT:
        raise ValueError("index: an integer from 0 is wanted")
    if not is_id(id_, "evt"):
        raise ValueError("id: evt_… is wanted")
    if not is_code(entry.institution):
        raise ValueError("institution: a code is wanted")
    _check_place(entry, _check(entry.type, entry.subject, entry.actor, entry.data), committed="private" in obj)
    return entry


def _check_private(private: Mapping[str, str | None] | None, spec: Spec) -> None:
    if (private is not None) != bool(spec.private):
        raise ValueError("private: present exactly where the catalogue lists private fields")
    _check_fields("private", private or {}, spec.private)


def _check_place(entry: Entry, spec: Spec, *, committed: bool) -> None:
    if committed != bool(spec.private) or (committed and not is_sha(entry.private)):
        raise ValueError("private: a commitment exactly where the catalogue lists private fields")
    if spec.subject == "code" and entry.subject != entry.institution:
        raise ValueError("subject: the institution's code is wanted")
    if spec.vendor and entry.institution != VENDOR:
        raise ValueError("institution: this stands in the vendor's log alone")


def _members(found: Any, names: AbstractSet[str]) -> Mapping[str, Any]:
    """As `exactly`, and quick where all is well."""
    return found if type(found) is dict and found.keys() == names else exactly(found, names)


def _check(type_: str, subject: str, actor: Actor, data: Mapping[str, Any]) -> Spec:
    spec = CATALOGUE.get(type_)
    if spec is None:
        raise ValueError("type: not of the catalogue")
    if not (is_code(subject) if spec.subject == "code" else is_id(subject, spec.subject)):
        raise ValueError(f"subject: {spec.subject} is wanted")
    if actor.kind not in spec.actors:
        raise ValueError(f"actor.kind: one of {', '.join(sorted(spec.actors))} is wanted")
    if not (actor.id in _SYSTEM_IDS if actor.kind == "system" else is_id(actor.id, _ACTOR_PREFIXES[actor.kind])):
        raise ValueError("actor.id: does not fit its kind")
    _check_fields("data", data, spec.data)
    holds, detail = RULES.get(type_, (None, ""))
    if holds is not None and not holds(actor.kind, data):
        raise ValueError(f"data: {detail}")
    return spec


def _check_fields(place: str, found: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
    try:
        _members(found, kinds.keys())
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    name = ""
    try:  # one for all of them, since most fields are right: this is met for every entry that is verified
        for name, kind in kinds.items():
            check_of(kind)(found[name])
    except ValueError as error:
        raise ValueError(f"{place}.{name}: {error}") from None
