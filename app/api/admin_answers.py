"""What administration answers with. No secret is ever among it, nor an address of the institution's people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.actions.administration import Seen, environment_members
from app.actions.change_list import ListedChange
from app.api import answers
from app.api.answers import Stamp
from app.domain.environment import Environment as Found
from app.domain.institution import is_bound

_CHANGE = "chg_01kam52xpce4btw4m0y3q2v8vz"


class Proposed(BaseModel):
    """What was asked waits for an admin of the institution, with a countersignature where it loosens."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"change": _CHANGE}]})

    change: str


class Institution(BaseModel):
    """An institution; `enrolled_at` is null until its first admin has confirmed the enrolment code."""

    code: str
    name: str
    locale: str
    timezone: str
    origin: str
    enrolled_at: Stamp | None
    changes_waiting: int


class NewInstitution(Institution):
    """A new one, with the code that it has to be told by another road than mail from this service."""

    enrolment_code: str


class Institutions(BaseModel):
    """A page of a list, by code."""

    items: list[Institution]
    next_cursor: str | None


class Environments(BaseModel):
    """A page of a list, by name."""

    items: list[answers.Environment]
    next_cursor: str | None


class Person(BaseModel):
    """Somebody of the roster, by display name; `signed_in`: an account at the provider counts as them.

    `claimed` are roles that the provider gave at the last sign-in, beside those of the roster.
    """

    id: str
    name: str
    roles: list[str]
    products: list[str]
    claimed: list[str]
    signed_in: bool


class People(BaseModel):
    """A page of a list, by id."""

    items: list[Person]
    next_cursor: str | None


class IdentityProvider(BaseModel):
    """The provider in force, as the trail pins it."""

    issuer: str
    client_id: str
    approval_client_id: str | None
    exclusive: bool
    required_claims: dict[str, str]
    email_claim: str
    roles_claim: str | None
    roles: dict[str, str]


class Policy(BaseModel):
    """The policy in force; hours and ranges as in what is sent."""

    model_config = ConfigDict(extra="allow")

    approvals_required: int


class Point(BaseModel):
    """One thing that would be other."""

    name: str
    label: str
    now: str
    after: str


class Change(BaseModel):
    """A change. `title`, `loosens` and `points` are those of one that waits, else null and empty.

    `proposed_by` is a display name, or the id of a client or an operator.
    """

    id: str
    type: str
    subject: str
    state: Literal["waiting", "applied", "rejected", "lapsed"]
    proposed_by: str
    proposed_at: Stamp
    lapses_at: Stamp | None
    title: str | None
    loosens: bool | None = Field(description="whether it takes a countersignature")
    points: list[Point]


class Changes(BaseModel):
    """A page of a list, newest first."""

    items: list[Change]
    next_cursor: str | None


def institution(found: Seen) -> Institution:
    """An institution as it is."""
    return Institution(**_institution(found))


def new_institution(found: Seen, code: str) -> NewInstitution:
    """An institution that was opened just now."""
    return NewInstitution(**_institution(found), enrolment_code=code)


def _institution(found: Seen) -> dict[str, Any]:
    state = found.institution
    return {
        "code": state.code,
        "name": found.row.name,
        "locale": state.locale,
        "timezone": state.time_zone,
        "origin": state.origin,
        "enrolled_at": state.enrolled_at,
        "changes_waiting": len(state.changes),
    }


def environment(found: Found) -> answers.Environment:
    """An environment as it is."""
    return answers.Environment(**environment_members(found))


def person(found: Seen, person_id: str) -> Person:
    """A person as they are."""
    row = found.institution.people[person_id]
    return Person(
        id=person_id,
        name=found.people.get(person_id, person_id),
        roles=list(row.roles),
        products=list(row.products),
        claimed=list(row.claimed),
        signed_in=is_bound(found.institution, person_id),
    )


def change(found: ListedChange) -> Change:
    """A change as it stands."""
    return Change(
        id=found.id,
        type=found.type,
        subject=found.subject,
        state=found.state,
        proposed_by=found.by,
        proposed_at=found.at,
        lapses_at=found.lapses_at,
        title=found.title,
        loosens=found.loosens,
        points=[Point(name=each.name, label=each.label, now=each.now, after=each.after) for each in found.points],
    )
