"""Standing approvals: given in advance by approvers for one case or one environment, until used up or over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.data import Value
from app.domain.errors import require
from app.domain.events import Entry
from app.domain.times import parse_stamp, stamp

MAX_AHEAD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Giver(Value):
    """One `standing_approval.given`, by its index."""

    index: int
    person: str


@dataclass(frozen=True, slots=True)
class StandingApproval(Value):
    """What was given, by whom, and what is left. Whether the givers are enough is the policy's word at each use."""

    id: str
    case_number: str | None
    environment: str | None
    roles: tuple[str, ...]
    max_window_minutes: int
    uses: int
    not_after: datetime
    givers: tuple[Giver, ...] = ()
    used: int = 0
    ended_because: str | None = None

    @property
    def terms(self) -> dict[str, Any]:
        """The terms that each giver signs."""
        return {
            "case": self.case_number,
            "environment": self.environment,
            "roles": list(self.roles),
            "max_window_minutes": self.max_window_minutes,
            "uses": self.uses,
            "not_after": stamp(self.not_after),
        }

    def open_at(self, now: datetime) -> bool:
        """Whether it has a use left, has not ended and is not over."""
        return self.ended_because is None and self.used < self.uses and now < self.not_after

    def admits(self, *, case_number: str, environment: str, roles: tuple[str, ...], minutes: int) -> bool:
        """Whether a request with these words fits; no roles here admit any, a request without roles only that."""
        return (
            self.case_number in {None, case_number}
            and self.environment in {None, environment}
            and minutes <= self.max_window_minutes
            and (not self.roles or (bool(roles) and set(roles) <= set(self.roles)))
        )


def given(standing: StandingApproval | None, entry: Entry) -> StandingApproval:
    """The standing approval after a `standing_approval.given`, the first (None) or a further one of the same terms."""
    offered = _offered(entry)
    current = offered if standing is None else standing
    require((current.id, current.terms) == (entry.subject, offered.terms), "the terms differ from the first giver's")
    require(current.open_at(entry.at), "the standing approval is over")
    earlier = [giver.index for giver in current.givers]
    require(entry.data["decisions"] == earlier, "decisions: the events of the earlier givers")
    require(all(giver.person != entry.actor.id for giver in current.givers), "this person has given already")
    require(bool(entry.data["evidence"]), "evidence: a countersignature")
    return replace(current, givers=(*current.givers, Giver(entry.index, entry.actor.id)))


def evolve(standing: StandingApproval, entry: Entry) -> StandingApproval:
    """After a further giver, a use (`request.approved` on it) or its end. Raises `IllegalTransition`."""
    if entry.type == "standing_approval.given":
        return given(standing, entry)
    if entry.type == "request.approved":
        require(entry.data["standing"] == standing.id and standing.open_at(entry.at), "the standing approval is over")
        require(parse_stamp(entry.data["not_after"]) <= standing.not_after, "the grant outlasts its ground")
        return replace(standing, used=standing.used + 1)
    ends = entry.type == "standing_approval.ended" and entry.subject == standing.id
    require(ends and standing.ended_because is None, f"{entry.type} does not fit a standing approval")
    because = entry.data["because"]
    require((because == "approver") == (entry.actor.kind == "person"), "because: does not fit the actor")
    require(because != "elapsed" or entry.at >= standing.not_after, "because: it is not over yet")
    return replace(standing, ended_because=because)


def _offered(entry: Entry) -> StandingApproval:
    require(entry.type == "standing_approval.given", f"{entry.type} gives no standing approval")
    data: Mapping[str, Any] = entry.data
    not_after = parse_stamp(data["not_after"])
    require((data["case"] is None) != (data["environment"] is None), "for one case or one environment")
    require(entry.at < not_after <= entry.at + MAX_AHEAD, f"not_after: at most {MAX_AHEAD.days} days away")
    require(data["uses"] >= 1 and data["max_window_minutes"] >= 1, "uses, max_window_minutes: at least 1")
    return StandingApproval(
        id=entry.subject,
        case_number=data["case"],
        environment=data["environment"],
        roles=tuple(data["roles"]),
        max_window_minutes=data["max_window_minutes"],
        uses=data["uses"],
        not_after=not_after,
    )
