"""What may be asked: the vendor's ask judged against institution and clock, with the problems of `http-api.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.accounts import ACCOUNTS
from app.domain.data import sorted_unique
from app.domain.errors import FieldError, Refusal
from app.domain.institution import Institution, implementation_over, implementing
from app.domain.request.life import asked_terms
from app.domain.terms import HORIZON, Terms, intersect
from app.domain.times import parse_stamp, stamp
from app.domain.window import Span, clip, cut, longest

SEVERITIES = ("low", "medium", "high", "critical")
GRACE = timedelta(seconds=60)
MIN_MINUTES = 15
MAX_MINUTES: Mapping[str, int] = {"support": 4320, "implementation": 129_600}
MAX_ROLES = 40


@dataclass(frozen=True, slots=True)
class Ask:
    """What of a request is not personal: the words of `request.created`. `engineer` is `eng_…`."""

    environment: str
    account: str
    case_number: str
    escalated: bool
    severity: str
    engineer: str
    extends: str | None
    minutes: int
    not_before: datetime | None
    roles: tuple[str, ...]

    @property
    def terms(self) -> Terms:
        """The terms that are asked."""
        return asked_terms(self.not_before, self.minutes, self.roles)

    def to_data(self) -> dict[str, Any]:
        """The fields of `request.created` that the ask gives."""
        return {
            "account": self.account,
            "case": self.case_number,
            "engineer": self.engineer,
            "environment": self.environment,
            "escalated": self.escalated,
            "extends": self.extends,
            "minutes": self.minutes,
            "not_before": None if self.not_before is None else stamp(self.not_before),
            "roles": list(self.roles),
            "severity": self.severity,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Ask:
        """The ask behind a `request.created` entry's data, to judge it again."""
        return cls(
            environment=data["environment"],
            account=data["account"],
            case_number=data["case"],
            escalated=data["escalated"],
            severity=data["severity"],
            engineer=data["engineer"],
            extends=data["extends"],
            minutes=data["minutes"],
            not_before=None if data["not_before"] is None else parse_stamp(data["not_before"]),
            roles=tuple(data["roles"]),
        )


@dataclass(frozen=True, slots=True)
class Permit:
    """It may be asked. `ground` is `implementation` where it is approved at once; `window`: what policy leaves now."""

    decide_by: datetime
    ground: str | None
    window: Span


def judge_ask(ask: Ask, institution: Institution, now: datetime) -> Permit | Refusal:
    """Whether the ask may be made at `now`. Without a start it is judged as if it were approved at once."""
    refusal = _unknown(ask, institution) or _malformed(ask, institution, now) or _unsupported(ask, institution, now)
    if refusal is not None:
        return refusal
    ground = ground_now(institution, ask.environment, now)
    most = longest(institution.policy, implementation=ground is not None)
    if timedelta(minutes=ask.minutes) > most:
        detail = f"The institution gives at most {most // timedelta(minutes=1)} minutes; ask for less."
        return Refusal.of_field("/window/minutes", detail, "window-too-long")
    window = window_now(ask.terms, institution, ask.environment, ground, now)
    if window is None:
        detail = "The institution's hours or closed dates leave nothing of this window; name another start."
        return Refusal.of_field("/window/not_before", detail, "window-closed")
    decide_by = now + timedelta(minutes=institution.policy.decide_within_minutes)
    return Permit(min(decide_by, ask.terms.not_after or decide_by), ground, window)


def ground_now(institution: Institution, environment: str, now: datetime) -> str | None:
    """The ground on which a request is approved at once: `implementation`, or none."""
    at_once = institution.policy.max_implementation_window_days > 0 and implementing(institution, environment, now)
    return "implementation" if at_once else None


def window_now(
    asked: Terms, institution: Institution, environment: str, ground: str | None, now: datetime
) -> Span | None:
    """The window that policy would leave of `asked` if it were approved at `now`; on the ground, within the phase."""
    found = intersect(asked, (), now)
    if found is None:
        return None
    window: Span | None = found[0]
    over = implementation_over(institution, environment) if ground == "implementation" else None
    if over is not None:
        window = clip(found[0].start, over, found[0])
    if window is None:
        return None
    return cut(window, institution.policy, institution.zone, implementation=ground == "implementation")


def _unknown(ask: Ask, institution: Institution) -> Refusal | None:
    if ask.environment not in institution.environments:
        return Refusal.of_field("/environment", "The institution has no such environment.", "environment-unknown")
    account = ACCOUNTS.get(ask.account)
    if account is None:
        return Refusal.of_field("/account", "There is no such vendor account; ask for exl_impl.", "account-unknown")
    if account.problem is not None:
        return Refusal.of_field("/account", f"{account.id} cannot be requested: {account.why}.", account.problem)
    return None


def _malformed(ask: Ask, institution: Institution, now: datetime) -> Refusal | None:
    most = MAX_MINUTES[institution.environments[ask.environment].phase]
    begins = ask.not_before
    checks = (
        (MIN_MINUTES <= ask.minutes <= most, "/window/minutes", f"From {MIN_MINUTES} to {most} minutes."),
        (begins is None or begins >= now - GRACE, "/window/not_before", "The start is past."),
        (begins is None or begins <= now + HORIZON, "/window/not_before", f"At most {HORIZON.days} days ahead."),
        (1 <= len(ask.case_number) <= 40, "/case/number", "From 1 to 40 characters."),
        (ask.severity in SEVERITIES, "/case/severity", f"One of {', '.join(SEVERITIES)}."),
        (len(ask.roles) <= MAX_ROLES, "/roles", f"At most {MAX_ROLES} roles."),
        (all(1 <= len(role) <= 100 for role in ask.roles), "/roles", "Each role has from 1 to 100 characters."),
        (sorted_unique(ask.roles), "/roles", "Each role once."),
    )
    errors = tuple(FieldError(pointer, detail) for holds, pointer, detail in checks if not holds)
    return Refusal("validation", errors[0].detail, errors) if errors else None


def _unsupported(ask: Ask, institution: Institution, now: datetime) -> Refusal | None:
    """What the support phase asks; a phase of implementation whose last day is over is treated as support."""
    if implementing(institution, ask.environment, now):
        return None
    if institution.enrolled_at is None:
        return Refusal("institution-not-enrolled", "The institution has not confirmed its enrolment yet.")
    if not ask.escalated:
        detail = "In support, only escalated cases may be requested; escalate the case first."
        return Refusal.of_field("/case/escalated", detail, "case-not-escalated")
    return None
