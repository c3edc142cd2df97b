"""The catalogue of events, as data (`events.md`): closed, versioned, the same for writer, schema and verifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

ActorKind = Literal["person", "client", "operator", "system"]


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
