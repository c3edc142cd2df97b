"""What the vendor's own log says that an institution's trail relies on: clients, keys, people, the registration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.errors import IllegalTransition
from app.domain.events import Entry
from app.domain.institution import Institution, evolve, opened
from app.trail.checkpoint import Checkpoint

# What was authorised just before a client was revoked may be recorded just after it.
IN_FLIGHT = timedelta(seconds=60)
_BEFORE = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Client:
    """A client by its `client.created`; `revoked_at` by its `client.revoked`."""

    created_at: datetime
    institutions: frozenset[str]
    scopes: frozenset[str]
    audiences: frozenset[str]
    revoked_at: datetime | None = None

    def is_institutions(self, code: str) -> bool:
        """Whether it is the institution's own: held to it alone, and to reading its trail."""
        return self.institutions == {code} and self.scopes == {"trail:read"} and not self.audiences

    def serves(self, code: str) -> bool:
        """Whether it may act for the institution."""
        return code in self.institutions or "*" in self.institutions


@dataclass(frozen=True, slots=True)
class Observed:
    """A tree of another log, as entry `index` of the vendor's tells of it: its `size` and its root (`sha256:…`)."""

    index: int
    origin: str
    size: int
    root: str


@dataclass(slots=True)
class VendorFacts:
    """The facts. `trail_keys`: verifier keys of logs, as `public` of `key.added`.

    `registered`: entries 0 of each institution's logs, each continuing the one before. `carried_at`: when the vendor's
    own log was opened to continue another, whose clients the same append tells again.
    `observed`: trees of other logs. `head`: the vendor's own checkpoint, where it holds. `anchored`: the verifier has
    a key of the vendor's log, and it holds. `problems`: `(index, words)` of entries that cannot be of such a log.
    """

    vendor: Institution | None = None
    clients: dict[str, Client] = field(default_factory=dict)
    trail_keys: list[str] = field(default_factory=list)
    registered: dict[str, list[str]] = field(default_factory=dict)
    carried_at: datetime | None = None
    observed: list[Observed] = field(default_factory=list)
    head: Checkpoint | None = None
    anchored: bool = False
    problems: list[tuple[int, str]] = field(default_factory=list)

    def learn(self, entries: Iterable[Entry]) -> None:
        """Read entries of the vendor's log, by rising index."""
        for entry in entries:
            problem = self._learn(entry, entry.data)
            if problem is not None:
                self.problems.append((entry.index, problem))

    def _learn(self, entry: Entry, data: Mapping[str, Any]) -> str | None:
        match entry.type:
            case "trail.opened":
                return self._open(entry)
            case "client.created" if entry.subject in self.clients:
                return "a client is created twice"
            case "client.created":
                institutions, scopes, audiences = (
                    frozenset(data[name]) for name in ("institutions", "scopes", "audiences")
                )
                since = _BEFORE if entry.at == self.carried_at else entry.at
                self.clients[entry.subject] = Client(since, institutions, scopes, audiences)
            case "client.revoked" if entry.subject not in self.clients:
                return "a client is revoked that was never created"
            case "client.revoked":
                self.clients[entry.subject].revoked_at = entry.at
            case "key.added" if data["use"] == "trail":
                self.trail_keys.append(data["public"])
            case "log.observed":
                self.observed.append(Observed(entry.index, data["origin"], data["size"], data["root"]))
            case "institution.registered":
                return self._register(data["code"], data["opened"])
            case _ if self.vendor is not None:
                return self._evolve(self.vendor, entry)
        return None

    def _register(self, code: str, opened: str) -> str | None:
        """An institution has one log, or successors, each with a key of its own name that was told of before."""
        known = self.registered.setdefault(code, [])
        known.append(opened)
        if len(known) > 1 and (opened in known[:-1] or len(self._names(code)) < len(known)):
            return "an institution is registered twice"
        return None

    def _names(self, code: str) -> set[str]:
        """The names of an institution's logs by their keys: `…/CODE`, `…/CODE/2`."""
        ours = re.compile(rf".*/{re.escape(code)}(/[1-9][0-9]*)?")
        return {name for key in self.trail_keys if ours.fullmatch(name := key.partition("+")[0])}

    def _evolve(self, vendor: Institution, entry: Entry) -> str | None:
        """The vendor's own people, where the log is read whole."""
        try:
            self.vendor = evolve(vendor, entry)
        except (IllegalTransition, ValueError, KeyError) as error:
            return f"{entry.type} could not happen here: {error}"
        return None

    def _open(self, entry: Entry) -> str | None:
        try:
            self.vendor = opened(entry)
            if entry.data["continues"] is not None:
                self.carried_at = entry.at
        except (IllegalTransition, ValueError) as error:
            return str(error)
        return None
