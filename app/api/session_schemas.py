"""What gateways send about sessions, and what they get, field by field, as `http-api.md` has it."""

from __future__ import annotations

import json
import unicodedata
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.api.answers import Stamp
from app.api.schemas import Code, Instant, Line, RequestRef, Strict, Text
from app.domain.session import State

MAX_EVENTS = 500
MAX_DETAIL = 8192


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise PydanticCustomError("ip", "This has to be an IPv4 or IPv6 address.") from None


def _clean(text: str) -> str:
    if not text.isprintable() and any(unicodedata.category(char) == "Cc" and char not in "\n\t" for char in text):
        raise PydanticCustomError("control_character", "Take out the control characters.")
    return text


def _detail(value: Any) -> str | None:
    """Its JSON text, as it is kept."""
    if value is None:
        return None
    text = _encode(value)
    if 4 * len(text) > MAX_DETAIL and len(text.encode("utf-8", "surrogatepass")) > MAX_DETAIL:
        raise PydanticCustomError("detail", "As JSON, this is at most {most} bytes.", {"most": MAX_DETAIL})
    return text


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
Address = AfterValidator(_address)
Clean = AfterValidator(_clean)


class SessionClient(Strict):
    """Where the engineer is, as the gateway sees it."""

    ip: Annotated[str, Field(max_length=45), Address]
    user_agent: Annotated[str, Field(max_length=1000), Clean] = ""


class NewSession(Strict):
    """An approval token, and who came with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"token": "eyJ…", "client": {"ip": "198.51.100.24", "user_agent": "Mozilla/5.0"}}]
        }
    )

    token: Annotated[str, Field(min_length=1, max_length=16_384)]
    client: SessionClient


class Activity(Strict):
    """One thing that the engineer did. `detail` is any JSON value."""

    at: Instant
    kind: Annotated[str, Field(min_length=1, max_length=40), Line]
    summary: Annotated[str, Field(max_length=1000), Clean]
    detail: Annotated[Any, AfterValidator(_detail)] = None  # once read, its JSON text


_EVENT: dict[str, Any] = {
    "at": "2026-11-22T10:02:11.5Z",
    "kind": "page",
    "summary": "Opened: Authority control task list",
    "detail": {"method": "GET", "path": "/admin/authority/tasks"},
}


class NewActivity(Strict):
    """What happened since the last report."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [_EVENT]}]})

    events: Annotated[list[Activity], Field(min_length=1, max_length=MAX_EVENTS)]


class SessionEnd(Strict):
    """What was done."""

    summary: Text


class SessionsQuery(BaseModel):
    """Which sessions a list shows."""

    model_config = ConfigDict(extra="forbid")

    institution: Code | None = None
    request: RequestRef | None = None
    state: State | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class Gap(BaseModel):
    """A time of which nothing is recorded."""

    start: Stamp = Field(serialization_alias="from")
    end: Stamp = Field(serialization_alias="to")


class SessionCoverage(BaseModel):
    """How much of the session's time is recorded, in whole seconds, and who supplied the record."""

    seconds: int
    recorded_seconds: int
    supplied_by: str
    gaps: list[Gap]


class Session(BaseModel):
    """A session."""

    id: str
    grant: str
    request: str
    institution: str
    environment: str
    account: str
    engineer: str
    engineer_proved: bool
    state: State
    opened_at: Stamp
    ended_at: Stamp | None
    ended_because: Literal["ended", "approver", "grant-over", "revoked", "completed", "not-recorded", "lost"] | None
    not_after: Stamp
    heartbeat_s: int
    coverage: SessionCoverage


class Sessions(BaseModel):
    """A page of sessions, newest first."""

    items: list[Session]
    next_cursor: str | None


class Part(BaseModel):
    """A part that is kept: the SHA-256 of its bytes in hex, and how many they are."""

    sha256: str
    bytes: int


class Heard(BaseModel):
    """Whether the session goes on. `not_after` stands where it does, `because` where it does not."""

    goes_on: bool = Field(serialization_alias="continue")
    not_after: Stamp | None = None
    because: str | None = None
