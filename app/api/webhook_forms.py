"""Webhooks on the wire: what comes in, and what goes out. Whether an address or a type may be meant is the action's."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.actions.webhooks import DeadLetters, WebhookView
from app.api.answers import AccessRequest, Stamp
from app.api.schemas import Code, Line, Strict

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

    url: Url
    types: Types
    institutions: Institutions | None = Field(default=None, description="null: those of the client")


class WebhookChange(Strict):
    """A merge patch (RFC 7396): what is left out stays as it is."""

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

    secret: str


class Webhooks(BaseModel):
    """A page of webhooks, newest first."""

    items: list[Webhook]
    next_cursor: str | None


class WebhookSecret(BaseModel):
    """A new secret, shown this once; the one before it signs too for 24 hours."""

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

    items: list[DeadLetter]
    next_cursor: str | None


class WebhookMessage(BaseModel):
    """What an endpoint is sent: the access request as it was after the event."""

    type: str
    timestamp: Stamp
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
        created_by=row.client or "",
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
