"""How long private parts and evidence are kept (`product.md`, *Policy*; `events.md`, *Changes*), and what is never
erased, however old, because the service still needs it.

Needed is what holds now: the bindings, addresses and claim roles of people on the roster; what set the provider, policy
and environments in force, and the institution's name; changes that wait, findings that are open, hooks that are set,
clients that are not revoked, requests that are not over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from app.domain.events import Entry
from app.domain.institution import Institution
from app.domain.kinds import VENDOR

SUPERSEDED = (
    *("institution.changed", "identity_provider.set", "policy.set", "environment.set"),
    *("person.roles_changed", "webhook.set"),
)
"""The types of entries of which the newest about the same thing is in force."""


def kept_until(at: datetime, years: int) -> datetime:
    """The instant from which what was recorded `at` may be erased."""
    leap_day = (at.month, at.day) == (2, 29)
    return at.replace(year=at.year + years, month=3, day=1) if leap_day else at.replace(year=at.year + years)


@dataclass(frozen=True, slots=True)
class InForce:
    """What is needed beside the institution's state. `newest`: of each thing that entries of `SUPERSEDED` set, the
    index of the newest. The others are ids: of findings not closed, hooks that are set, clients not revoked, and
    requests not over.
    """

    institution: Institution
    newest: Mapping[str, int]
    findings: frozenset[str] = frozenset()
    webhooks: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    requests: frozenset[str] = frozenset()

    @classmethod
    def newest_of(cls, entries: Iterable[Entry]) -> Mapping[str, int]:
        """`newest`, of all entries of the types in `SUPERSEDED` by rising index."""
        return {_thing(entry): entry.index for entry in entries}

    def is_needed(self, entry: Entry, request: str | None) -> bool:
        """Whether the private part and the evidence of an entry are still needed. `request`: the one it belongs to."""
        if request in self.requests:
            return True
        if entry.type in SUPERSEDED and self.newest.get(_thing(entry)) != entry.index:
            return False
        rule = _HELD.get(entry.type)
        return entry.type in SUPERSEDED if rule is None else rule(self, entry)

    def on_roster(self, person: str) -> bool:
        """Whether a person is of the roster."""
        found = self.institution.people.get(person)
        return found is not None and not found.removed


def _thing(entry: Entry) -> str:
    """What an entry sets, in words that tell one thing from another."""
    data = entry.data
    match entry.type:
        case "environment.set":
            return f"environment {data['environment']['environment']}"
        case "person.roles_changed":
            return f"roles {entry.subject}"
        case "webhook.set":
            return f"webhook {data['webhook']}"
        case _:
            return entry.type


def _opening(needs: InForce, entry: Entry) -> bool:
    """Entry 0 tells the first people's addresses, and the institution's name until another entry does."""
    first = (person["person"] for person in entry.data["people"])
    return entry.institution == VENDOR or "institution.changed" not in needs.newest or any(map(needs.on_roster, first))


_HELD: Mapping[str, Callable[[InForce, Entry], bool]] = MappingProxyType(
    {
        "trail.opened": _opening,
        "institution.enrolled": lambda needs, entry: needs.on_roster(entry.actor.id),
        "identity_provider.keys_seen": lambda needs, entry: entry.data["issuer"] == needs.institution.provider.issuer,
        "person.added": lambda needs, entry: needs.on_roster(entry.subject),
        "person.bound": lambda needs, entry: needs.on_roster(entry.subject),
        "person.roles_changed": lambda needs, entry: needs.on_roster(entry.subject),
        "change.proposed": lambda needs, entry: entry.subject in needs.institution.changes,
        "finding.opened": lambda needs, entry: entry.subject in needs.findings,
        "finding.explained": lambda needs, entry: entry.subject in needs.findings,
        "request.disputed": lambda needs, entry: entry.data["finding"] in needs.findings,
        "webhook.set": lambda needs, entry: entry.data["webhook"] in needs.webhooks,
        "client.created": lambda needs, entry: entry.subject in needs.clients,
    }
)
