"""Who keeps which webhooks: a client those within its institutions, an admin those of their institution's own."""

from __future__ import annotations

from collections.abc import Collection

from app.actions.ledger import NOT_FOUND
from app.actions.signin import Visitor
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor
from app.storage.webhooks import WebhookRow
from app.tokens.clients import EVERY_INSTITUTION, Caller

Keeper = Caller | Visitor
"""An API client, or an institution by one of its admins."""
SCOPE = "admin"


def seen(row: WebhookRow | None, who: Keeper) -> WebhookRow:
    """The webhook, if they keep it: first whether there is anything. Raises `Refused`."""
    if row is None or not keeps(who, row):
        raise Refused(NOT_FOUND)
    if isinstance(who, Caller) and SCOPE not in who.scopes:
        detail = f"This needs the scope {SCOPE}."
        raise Refused(Refusal("insufficient-scope", detail, extra=(("scope", SCOPE),)))
    return row


def keeps(who: Keeper, row: WebhookRow) -> bool:
    """Whether they see and change the webhook."""
    if isinstance(who, Visitor):
        return is_own(row, who)
    return row.client is not None and covers(who.institutions, row.institutions)


def is_own(row: WebhookRow, who: Keeper) -> bool:
    """Whether it is the own one of the visitor's institution, and they are an admin."""
    own = isinstance(who, Visitor) and "admin" in who.roles
    return own and row.client is None and row.institutions == tuple(limits_of(who))


def limits_of(who: Keeper) -> Collection[str]:
    """The institutions of which they keep webhooks."""
    return who.institutions if isinstance(who, Caller) else (who.code,)


def actor_of(who: Keeper) -> Actor:
    """Who they are in the trail."""
    return Actor("client", who.cli) if isinstance(who, Caller) else who.actor


def covers(limits: Collection[str], asked: Collection[str]) -> bool:
    """Whether all that is asked lies within limits."""
    return EVERY_INSTITUTION in limits or set(asked) <= set(limits)
