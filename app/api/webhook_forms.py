"""Webhooks on the wire: what comes in, and what goes out. Whether an address or a type may be meant is the action's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.actions.webhooks import DeadLetters, WebhookView
from app.api.answers import AccessRequest, Stamp
from app.api.schemas import Code, Line, Strict

_ID = "whk_01kam52xpce4btw4m0y3q2v8vz"
_AT = "2026-11-22T09:48:03.120456Z"
_WANTED: dict[str, Any] = {
    "url": "https://cases.vendor.example/countersign",
    "types": ["request.*", "message.sent"],
    "institutions": ["01EXU_INST"],
}
_SECRET = "whsec_VGhpcyBpcyBhbiBleGFtcGxlLCBhbmQgbm8gc2VjcmV0IQ=="  # noqa: S105 -- an example
_WEBHOOK: dict[str, Any] = {
    "id": _ID,
    **_WANTED,
    "enabled": True,
    "created_by": "cli_01kam4tb9ve0s9fbp8b4a0kx0e",
    "created_at": _AT,
    "updated_at": _AT,
    "old_secret_until": None,
    "deliveries": {
        "waiting": 2,
        "dead": 0,
        "delivered_at": "2026-11-22T09:51:16.843120Z",
        "failed_at": "2026-11-22T10:02:40.004211Z",
        "error": "answered 503",
        "paused_until": "2026-11-22T10:03:14.004211Z",
    },
}

Url = Annotated[str, Field(min_length=1, max_length=2000, description="an https:// address"), Line]
Types = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=64), Line]],
    Field(min_length=1, max_length=40, description="`request.approved`, all of a kind as `request.*`, or `*`"),
]
Institutions = Annotated[
    list[Code], Field(min_length=1, max_length=200, description="codes, or `*` for all that the client serves")
]


class NewWebhook(Strict):
    """Where messages shall go."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WANTED]})

    url: Url
    types: Types
    institutions: Institutions | None = Field(default=None, description="null: those of the client")


class WebhookChange(Strict):
    """A merge patch (RFC 7396): what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}, {"types": ["request.approved"]}]})

    # Left out is not null, so none has a default that could be sent.
    url: Url = Field(default_factory=str)
    types: Types = Field(default_factory=list)
    institutions: Institutions = Field(default_factory=list)
    enabled: bool = Field(default_factory=bool)


class Deliveries(BaseModel):
    """How the endpoint does: messages that wait and that were given up; when it last took one, and failed to."""

    waiting: int
    dead: int
    delivered_at: Stamp | None
    failed_at: Stamp | None
    error: str | None
    paused_until: Stamp | None


class Webhook(BaseModel):
    """A webhook. Until `old_secret_until` the secret before the last rotation signs too."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK]})

    id: str
    url: str
    types: list[str]
    institutions: list[str]
    enabled: bool
    created_by: str
    created_at: Stamp
    updated_at: Stamp
    old_secret_until: Stamp | None
    deliveries: Deliveries


class NewWebhookAnswer(Webhook):
    """A webhook with its secret, which is shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK | {"secret": _SECRET}]})

    secret: str


class Webhooks(BaseModel):
    """A page of webhooks, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_WEBHOOK], "next_cursor": None}]})

    items: list[Webhook]
    next_cursor: str | None


class WebhookSecret(BaseModel):
    """A new secret, shown this once; the one before it signs too for 24 hours."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": _SECRET}]})

    secret: str


class DeadLetter(BaseModel):
    """A message that was given up. `id` is its `webhook-id`, `error` what its endpoint last did."""

    id: str
    type: str
    institution: str
    request: str
    sequence: int
    attempts: int
    error: str


class DeadLetterPage(BaseModel):
    """Messages that were given up, by institution, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": "evt_01kam5e9q2fq1sm0rh8v2x7y3c",
                            "type": "request.approved",
                            "institution": "01EXU_INST",
                            "request": "req_01kam4x0a5e0a8gs2yt6y6a8nd",
                            "sequence": 12,
                            "attempts": 44,
                            "error": "unreachable",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    items: list[DeadLetter]
    next_cursor: str | None


class WebhookMessage(BaseModel):
    """What an endpoint is sent: the access request as it was after the event."""

    type: str = Field(examples=["request.approved"])
    timestamp: Stamp = Field(examples=[_AT])
    data: AccessRequest


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


def webhook(view: WebhookView) -> Webhook:
    """A webhook as it goes out."""
    row, health = view.row, view.health
    return Webhook(
        id=row.id,
        url=row.url,
        types=list(row.types),
        institutions=list(row.institutions),
        enabled=row.enabled,
        created_by=row.client,
        created_at=row.created_at,
        updated_at=row.updated_at,
        old_secret_until=row.old_secret_until,
        deliveries=Deliveries(
            waiting=view.counted.waiting,
            dead=view.counted.dead,
            delivered_at=health.delivered_at,
            failed_at=health.failed_at,
            error=health.error,
            paused_until=health.paused_until,
        ),
    )


def dead_letters(page: DeadLetters) -> DeadLetterPage:
    """Dead letters as they go out."""
    items = [
        DeadLetter(
            id=row.payload["event"],
            type=row.payload["type"],
            institution=row.log,
            request=row.about or "",
            sequence=row.payload["sequence"],
            attempts=row.attempts,
            error=row.error or "",
        )
        for row in page.items
    ]
    return DeadLetterPage(items=items, next_cursor=page.next_cursor)
