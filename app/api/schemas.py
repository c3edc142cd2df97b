"""What comes in, field by field, as `http-api.md` has it.

It is judged here for its form alone (types, lengths, control characters, unknown fields); whether it may be
asked is the domain's affair. Nothing in a body is coerced: `"240"` is no number.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from app.domain.request import Status
from app.domain.times import parse_wire

_MULTILINE = "\n\t"
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def _line(text: str) -> str:
    return _plain(text, allowed="")


def _prose(text: str) -> str:
    return _plain(text, allowed=_MULTILINE)


def _plain(text: str, *, allowed: str) -> str:
    if text.isascii() and text.isprintable() and text.strip():
        return text  # as nearly all is
    if any(unicodedata.category(char) == "Cc" and char not in allowed for char in text):
        raise PydanticCustomError("control_character", "Take out the control characters.")
    if all(unicodedata.category(char) in _UNSEEN for char in text):
        raise PydanticCustomError("blank", "This has to say something.")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        holds = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
        holds = holds and (parts.port is None or parts.port > 0)
    except ValueError:
        holds = False
    if not holds or any(char.isspace() for char in text):
        raise PydanticCustomError("web_address", "This has to be an address that begins with https:// or http://.")
    return text


def _instant(value: object) -> datetime:
    try:
        return parse_wire(value)  # type: ignore[arg-type] # what is no string raises TypeError
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError(
            "instant", "Give an RFC 3339 time with a zone, such as 2026-11-22T09:00:00Z."
        ) from None


Line = AfterValidator(_line)
Prose = AfterValidator(_prose)

Name = Annotated[str, Field(min_length=1, max_length=200), Line]
Text = Annotated[str, Field(min_length=1, max_length=4000), Prose]
Code = Annotated[str, Field(min_length=1, max_length=40), Line]
RequestRef = Annotated[str, Field(pattern=r"^req_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
ActorRef = Annotated[str, Field(pattern=r"^((per|cli|opr)_[0-7][0-9a-hjkmnp-tv-z]{25}|service|worker)$")]
Email = Annotated[
    str,
    Field(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"),
]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Severity = Literal["low", "medium", "high", "critical"]


class Strict(BaseModel):
    """A body, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Case(Strict):
    """The vendor's support case."""

    number: Annotated[str, Field(min_length=1, max_length=40), Line]
    title: Name
    severity: Severity
    escalated: bool
    url: Annotated[str, Field(max_length=2000), Line, AfterValidator(_web_address)] | None = None


class Engineer(Strict):
    """Who will sign in."""

    id: Name
    name: Name
    email: Email
    works_from: Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")] | None = None


class Endorser(Strict):
    """Who stands behind the engineer, by the vendor's own statement."""

    id: Name
    name: Name


class Window(Strict):
    """The time that is asked; without a start it begins when the request is approved."""

    not_before: Instant | None = None
    minutes: Annotated[int, Field(ge=15, le=129_600)]


ASKED: dict[str, Any] = {
    "institution": "01EXU_INST",
    "environment": "alma-production",
    "account": "exl_impl",
    "case": {
        "number": "06543210",
        "title": "Nightly fulfilment job fails",
        "severity": "high",
        "escalated": True,
        "url": "https://support.vendor.example/cases/06543210",
    },
    "engineer": {
        "id": "e1234",
        "name": "Tier 3 engineer",
        "email": "e1234@vendor.example",
        "works_from": "IE",
    },
    "endorser": {"id": "e1200", "name": "Support lead"},
    "extends": None,
    "reason": "Read the job's configuration and re-run it with tracing.",
    "roles": ["Fulfillment Administrator"],
    "window": {"not_before": None, "minutes": 240},
}


class NewAccessRequest(Strict):
    """What a vendor system asks."""

    model_config = ConfigDict(json_schema_extra={"examples": [ASKED]})

    institution: Code
    environment: Annotated[str, Field(min_length=1, max_length=100), Line]
    account: Code
    case: Case
    engineer: Engineer
    endorser: Endorser | None = None
    extends: RequestRef | None = None
    reason: Annotated[str, Field(min_length=10, max_length=4000), Prose]
    roles: list[Annotated[str, Field(min_length=1, max_length=100), Line]] = Field(
        default_factory=list, max_length=40, description="none: as the account has"
    )
    window: Window


class Withdrawal(Strict):
    """Why a request is taken back."""

    reason: Text


class Completion(Strict):
    """What was done."""

    summary: Text


class NewMessage(Strict):
    """What the engineer writes to the approvers."""

    text: Text


class ListQuery(BaseModel):
    """Which access requests a list shows."""

    model_config = ConfigDict(extra="forbid")

    institution: Code | None = None
    status: Status | None = None
    case: Annotated[str, Field(max_length=40), Line] | None = None
    engineer: Name | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class PageQuery(BaseModel):
    """Which page a list shows."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class EntriesQuery(BaseModel):
    """Which entries a list shows."""

    model_config = ConfigDict(extra="forbid")

    start: Annotated[int, Field(ge=0, lt=1 << 31)] = Field(default=0, alias="from")
    stop: Annotated[int, Field(ge=0, lt=1 << 31)] | None = Field(default=None, alias="to")
    type: Annotated[str, Field(max_length=100)] | None = None
    request: RequestRef | None = None
    actor: ActorRef | None = None
    after: Instant | None = None
    before: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class ExportQuery(BaseModel):
    """What an export holds."""

    model_config = ConfigDict(extra="forbid")

    form: Annotated[str, Field(max_length=20, alias="format", description="bundle, jsonl or csv")]
    request: RequestRef | None = None
    start: Annotated[int, Field(ge=0, lt=1 << 31)] = Field(default=0, alias="from")
    stop: Annotated[int, Field(ge=0, lt=1 << 31)] | None = Field(default=None, alias="to")
