"""A change before it is applied: what it would record, fixed to the last byte when it is proposed (`events.md`).

Its id, its data and its private part with its salt are chosen then, so that proposal, countersignature and applied
entry all commit to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.catalogue import CATALOGUE
from app.domain.events import Actor, Event

CHANGEABLE = frozenset(
    {
        "institution.changed",
        "identity_provider.set",
        "environment.set",
        "policy.set",
        "person.added",
        "person.roles_changed",
        "person.removed",
    }
)
"""Types of entries that a change may apply."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to change: `data` without `change` and `evidence`, `private` where the type has some."""

    type: str
    subject: str
    data: Mapping[str, Any]
    private: Mapping[str, str | None] | None = None

    def event(self, actor: Actor, change: str | None = None, evidence: tuple[str, ...] = ()) -> Event:
        """The event that would record it."""
        named = {"change": change, "evidence": list(evidence)}
        fields = CATALOGUE[self.type].data
        data = {**self.data, **{name: value for name, value in named.items() if name in fields}}
        return Event(self.type, self.subject, actor, data, self.private)

    @property
    def essence(self) -> tuple[object, ...]:
        """What makes two of them the same. A new person is who the address says, whatever id and salts were drawn."""
        private = dict(self.private or {})
        if self.type == "person.added":
            return (self.type, self.data["roles"], self.data["products"], private["email"], private["name"])
        return (self.type, self.subject, dict(self.data), private)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed change; `salt` is that of the private part, null where there is none."""

    id: str
    wanted: Wanted
    salt: str | None

    def to_data(self) -> dict[str, Any]:
        """What the private part of `change.proposed` says, type and subject being in its data."""
        part = None if self.wanted.private is None else {"fields": dict(self.wanted.private), "salt": self.salt}
        return {"data": dict(self.wanted.data), "private": part}

    @classmethod
    def from_data(cls, id_: str, type_: str, subject: str, said: Mapping[str, Any]) -> Proposal:
        """The proposal of an entry. Raises `ValueError` for what no service wrote."""
        match said:
            case {"data": dict(data), "private": None, **rest} if type_ in CHANGEABLE and not rest:
                return cls(id_, Wanted(type_, subject, data), None)
            case {"data": dict(data), "private": {"fields": dict(fields), "salt": str(salt)}, **rest} if (
                type_ in CHANGEABLE and not rest
            ):
                return cls(id_, Wanted(type_, subject, data, fields), salt)
        raise ValueError("not a proposal")

    def event(self, actor: Actor, evidence: tuple[str, ...] = ()) -> Event:
        """The entry that applies it, by an admin."""
        made = self.wanted.event(actor, self.id, evidence)
        return Event(made.type, made.subject, actor, made.data, made.private, self.salt)
