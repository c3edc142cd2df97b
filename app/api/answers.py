"""What goes out, field by field, as `http-api.md` has it. Times are in UTC with `Z`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from app.api.schemas import ASKED
from app.domain.request import Status
from app.domain.times import wire

Stamp = Annotated[
    datetime,
    PlainSerializer(wire, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


class SentCase(BaseModel):
    """The case, as it was sent. What has been erased since is null."""

    number: str
    title: str | None
    severity: str
    escalated: bool
    url: str | None


class SentEngineer(BaseModel):
    """The engineer, as sent."""

    id: str
    name: str | None
    email: str | None
    works_from: str | None


class SentEndorser(BaseModel):
    """The endorser, as sent."""

    id: str
    name: str | None


class SentWindow(BaseModel):
    """The window, as sent."""

    not_before: Stamp | None
    minutes: int


class Terms(BaseModel):
    """What an approver gave."""

    not_before: Stamp | None
    not_after: Stamp | None
    minutes: int
    roles: list[str]


class Decision(BaseModel):
    """One approver's answer, under their display name."""

    verdict: Literal["approve", "deny"]
    by: str
    at: Stamp
    comment: str
    terms: Terms | None


class Approvals(BaseModel):
    """How many approvals it takes, and how many count so far."""

    required: int
    given: int


class Grant(BaseModel):
    """What an approved request gives."""

    id: str
    not_before: Stamp
    not_after: Stamp
    roles: list[str]
    ended_at: Stamp | None
    ended_because: Literal["elapsed", "completed", "approver", "stop-code", "rules"] | None


class Message(BaseModel):
    """One message of the conversation."""

    side: Literal["institution", "vendor"] = Field(serialization_alias="from")
    by: str
    at: Stamp
    text: str


class Links(BaseModel):
    """Where it is: for machines, and for people."""

    self: str
    page: str


_AT = "2026-11-22T09:48:03.120456Z"
_REQUEST: dict[str, Any] = ASKED | {
    "id": "req_01kam4x0a5e0a8gs2yt6y6a8nd",
    "number": "2026-0042",
    "check_code": "QH47-MARL",
    "request_digest": "sha256:" + "81cf8019" * 8,
    "status": "active",
    "created_at": _AT,
    "updated_at": "2026-11-22T09:51:16.123456Z",
    "decide_by": "2026-11-25T09:48:03.120456Z",
    "created_by": "cli_01kam4tb9ve0s9fbp8b4a0kx0e",
    "ground": "approval",
    "approvals": {"required": 1, "given": 1},
    "decisions": [
        {
            "verdict": "approve",
            "by": "Head of Systems",
            "at": "2026-11-22T09:51:16.123456Z",
            "comment": "",
            "terms": {"not_before": None, "not_after": None, "minutes": 240, "roles": ASKED["roles"]},
        }
    ],
    "grant": {
        "id": "grt_01kam52xpce4btw4m0y3q2v8vz",
        "not_before": "2026-11-22T09:51:16.123456Z",
        "not_after": "2026-11-22T13:51:16.123456Z",
        "roles": ASKED["roles"],
        "ended_at": None,
        "ended_because": None,
    },
    "messages": [{"from": "institution", "by": "Head of Systems", "at": _AT, "text": "Which job is it?"}],
    "links": {
        "self": "https://countersign.example/v1/access-requests/req_01kam4x0a5e0a8gs2yt6y6a8nd",
        "page": "https://countersign.example/requests/req_01kam4x0a5e0a8gs2yt6y6a8nd",
    },
}


class AccessRequest(BaseModel):
    """An access request, as a vendor system sees it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_REQUEST]})

    id: str
    number: str
    check_code: str
    request_digest: str
    status: Status
    created_at: Stamp
    updated_at: Stamp
    decide_by: Stamp
    created_by: str
    institution: str
    environment: str
    account: str
    case: SentCase
    engineer: SentEngineer
    endorser: SentEndorser | None
    extends: str | None
    reason: str | None
    roles: list[str]
    window: SentWindow
    ground: Literal["approval", "implementation", "standing"] | None
    approvals: Approvals
    decisions: list[Decision]
    grant: Grant | None
    messages: list[Message]
    links: Links


class AccessRequests(BaseModel):
    """A page of a list, newest first."""

    items: list[AccessRequest]
    next_cursor: str | None


class ApprovalToken(BaseModel):
    """A new approval token; it is shown once and kept nowhere. One of type DPoP is bound to the key of the proof."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int = Field(description="seconds")
    expires_at: Stamp


class Environment(BaseModel):
    """An environment of an institution, by the names of the world file; `implementation_ends` is null in support."""

    name: str
    product: str
    tier: str
    phase: str
    implementation_ends: str | None
    url: str
    gateway_audience: str


class StandingApproval(BaseModel):
    """A standing approval; one of `environment` and `case` is null. `minutes`: its longest window."""

    id: str
    state: Annotated[str, Field(description="`waiting`: not enough have given it; `open`; `ended`")]
    ended_because: Annotated[str | None, Field(description="`approver`, `rules`, `elapsed` or `used`")]
    environment: str | None
    case: str | None
    roles: Annotated[list[str], Field(description="none: whatever is asked")]
    minutes: int
    uses: int
    used: int
    not_after: Stamp
    given_by: list[str]
    givers_wanted: int


class StandingApprovals(BaseModel):
    """A page of standing approvals."""

    items: list[StandingApproval]
    next_cursor: str | None


class Finding(BaseModel):
    """Something wrong that was found; one of `session` and `request` is given where it is about either."""

    id: str
    institution: str
    environment: str | None
    kind: str
    state: Annotated[str, Field(description="`open`, `explained` or `closed`")]
    subject: Annotated[str | None, Field(description="what was found; null where it was erased")]
    opened_at: Stamp
    closed_at: Stamp | None
    explanation: str | None
    session: str | None
    request: str | None


class Account(BaseModel):
    """One of the vendor's accounts. `problem`: what a request for it is refused with, where it may not be requested."""

    id: str
    names: Annotated[list[str], Field(description="every name under which it has appeared")]
    may_be_requested: bool
    problem: str | None
    may_sign_in: str
    why: str


class Accounts(BaseModel):
    """The vendor's accounts, and where that is published."""

    items: list[Account]
    source: str
    next_cursor: str | None


class BrokenRow(BaseModel):
    """A row that could not be used: its line (of JSON: its place in the list, from 1), and why."""

    line: int
    detail: str


class AccountScan(BaseModel):
    """What came of a scan. Of `broken` rows the first are told; where there are any, nothing is closed."""

    id: str
    users: Annotated[int, Field(description="how many users were read")]
    opened: Annotated[list[str], Field(description="findings opened by this scan")]
    closed: Annotated[list[str], Field(description="findings closed by it")]
    broken: Annotated[int, Field(description="rows that could not be used")]
    broken_rows: list[BrokenRow]


class Findings(BaseModel):
    """A page of findings."""

    items: list[Finding]
    next_cursor: str | None


class Entry(BaseModel):
    """One entry of a trail; `private` is null where the caller may not see it, or nothing is there."""

    index: int
    leaf_hash: str
    entry: dict[str, Any]
    private: dict[str, Any] | None


class Entries(BaseModel):
    """A page of a trail, by rising index."""

    items: list[Entry]
    next_cursor: str | None


class ProofAnswer(BaseModel):
    """A proof of RFC 6962, with the size and the root it is good for; base64."""

    size: int
    root: str
    hashes: list[str]


class OAuthError(BaseModel):
    """An error of RFC 6749, section 5.2."""

    error: str
    error_description: str | None = None


class AccessToken(BaseModel):
    """An access token of RFC 9068, for this API alone."""

    access_token: str
    token_type: Literal["Bearer", "DPoP"]
    expires_in: int
    scope: str


class Introspection(BaseModel):
    """RFC 7662: the claims of an approval token that is good now, or `active` false alone."""

    model_config = ConfigDict(extra="allow")

    active: bool


class Health(BaseModel):
    """Whether the service is ready."""

    ready: bool
