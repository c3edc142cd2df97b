"""Webhooks, administered: collections and items, a new secret, and what could not be delivered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from app.actions import webhooks
from app.actions.services import Services
from app.actions.webhooks import Wanted, WebhookView
from app.api import webhook_forms as forms
from app.api.guard import SCOPES, ServicesDep, needs
from app.api.lists import next_link
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep
from app.api.problems import documented
from app.api.route import ApiRoute
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/webhooks", route_class=ApiRoute, tags=["Webhooks"])
told = APIRouter(tags=["Webhooks"])
"""What endpoints are sent: for the description of the API, and mounted nowhere."""

Administrator = Annotated[Caller, Depends(needs("admin"))]
# Any scope comes this far, so that what is not the caller's is a 404 before the scope is judged.
Visitor = Annotated[Caller, Depends(needs("admin", *SCOPES))]
IfMatch = Annotated[str | None, Header(max_length=200)]
_ANY = ("unauthorized", "insufficient-scope", "unavailable")
_BODY = ("malformed", "unsupported-media-type", "too-large", "validation", "institution-unknown", "trail-rolled-back")
_TAGGED = {"headers": {"ETag": {"description": "strong", "schema": {"type": "string"}}}}


@told.post(
    "access-request",
    summary="An event of an access request",
    status_code=204,
    operation_id="webhooks_access_request",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/WebhookMessage"}}},
        }
    },
)
async def access_request() -> None:
    """Signed by Standard Webhooks: `webhook-id` is the event's id and stays the same however often the message comes,
    `webhook-timestamp` is the time of the attempt, `webhook-signature` has a signature of each secret that counts.
    `Countersign-Sequence` rises by one with each message about an institution. Answer `2xx` within 15 seconds; whatever
    else is answered, the message comes again, for three days. `410` disables the webhook.
    """


@router.post(
    "",
    status_code=201,
    response_model=forms.NewWebhookAnswer,
    summary="Set a webhook",
    responses={201: _TAGGED, **documented(*_ANY, *_BODY, *KEYED)},
)
async def create(caller: Administrator, once: OnceDep, new: forms.NewWebhook) -> Response:
    """It is told from now on. Its secret is shown this once. The log of each institution says that it is set."""

    async def act(services: Services) -> Response:
        institutions = None if new.institutions is None else tuple(new.institutions)
        view, secret = await webhooks.create(services, caller, Wanted(new.url, tuple(new.types), institutions))
        shown = forms.NewWebhookAnswer(**forms.webhook(view).model_dump(), secret=secret)
        location = {"Location": services.page(f"{router.prefix}/{view.row.id}")}
        return _json(shown.model_dump_json().encode(), _headers(view) | location, 201)

    return await once(caller, act)


@router.get(
    "",
    response_model=forms.Webhooks,
    summary="List webhooks, newest first",
    responses=documented(*_ANY, "validation"),
)
async def find(caller: Administrator, services: ServicesDep, query: Annotated[forms.PageQuery, Query()]) -> Response:
    """Those whose institutions the client serves, all of them."""
    page = await webhooks.find(services, caller, query.limit, query.cursor)
    listed = forms.Webhooks(items=list(map(forms.webhook, page.items)), next_cursor=page.next_cursor)
    return _json(listed.model_dump_json().encode(), next_link(services, router.prefix, query, page.next_cursor))


@router.get(
    "/{webhook_id}",
    response_model=forms.Webhook,
    summary="Read a webhook",
    responses={200: _TAGGED, **documented(*_ANY, "not-found")},
)
async def read(caller: Visitor, services: ServicesDep, webhook_id: str) -> Response:
    """With how its endpoint does."""
    return _represented(await webhooks.read(services, caller, webhook_id))


@router.patch(
    "/{webhook_id}",
    response_model=forms.Webhook,
    summary="Change a webhook",
    responses={200: _TAGGED, **documented(*_ANY, *_BODY, "not-found", "stale")},
)
async def change(
    caller: Visitor,
    services: ServicesDep,
    webhook_id: str,
    asked: forms.WebhookChange,
    if_match: IfMatch = None,
) -> Response:
    """RFC 7396. `enabled` true lets one go on that its endpoint had ended with `410`."""
    given = asked.model_dump(exclude_unset=True)
    wanted = Wanted(
        url=given.get("url"),
        types=None if "types" not in given else tuple(given["types"]),
        institutions=None if "institutions" not in given else tuple(given["institutions"]),
        enabled=given.get("enabled"),
    )
    return _represented(await webhooks.change(services, caller, webhook_id, wanted, if_match))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    summary="Remove a webhook",
    responses=documented(*_ANY, "not-found", "stale", "validation", "trail-rolled-back"),
)
async def remove(caller: Visitor, services: ServicesDep, webhook_id: str, if_match: IfMatch = None) -> Response:
    """It is told nothing more, what waits for it included."""
    await webhooks.remove(services, caller, webhook_id, if_match)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/rotate",
    response_model=forms.WebhookSecret,
    summary="Give a webhook a new secret",
    responses=documented(*_ANY, *KEYED, "not-found", "trail-rolled-back"),
)
async def rotate(caller: Visitor, once: OnceDep, webhook_id: str) -> Response:
    """The secret of now signs beside it for 24 hours, so that the receiving side can change without a gap."""

    async def act(services: Services) -> Response:
        secret = await webhooks.rotate(services, caller, webhook_id)
        return _json(forms.WebhookSecret(secret=secret).model_dump_json().encode(), {})

    return await once(caller, act)


@router.get(
    "/{webhook_id}/dead-letters",
    response_model=forms.DeadLetterPage,
    summary="List what could not be delivered",
    responses=documented(*_ANY, "not-found", "validation"),
)
async def dead_letters(
    caller: Visitor, services: ServicesDep, webhook_id: str, query: Annotated[forms.PageQuery, Query()]
) -> Response:
    """Messages given up in the last 30 days, by institution, oldest first."""
    page = await webhooks.dead_letters(services, caller, webhook_id, query.limit, query.cursor)
    path = f"{router.prefix}/{webhook_id}/dead-letters"
    return _json(
        forms.dead_letters(page).model_dump_json().encode(), next_link(services, path, query, page.next_cursor)
    )


@router.post(
    "/{webhook_id}/redeliver",
    response_model=forms.Webhook,
    summary="Send what could not be delivered once more",
    responses={200: _TAGGED, **documented(*_ANY, *KEYED, "not-found")},
)
async def redeliver(caller: Visitor, once: OnceDep, webhook_id: str) -> Response:
    """Every dead letter waits again, for three days of its own; an endpoint that rests is asked at once."""

    async def act(services: Services) -> Response:
        return _represented(await webhooks.redeliver(services, caller, webhook_id))

    return await once(caller, act)


def _represented(view: WebhookView) -> Response:
    return _json(forms.webhook(view).model_dump_json().encode(), _headers(view))


def _headers(view: WebhookView) -> dict[str, str]:
    return {"ETag": view.etag, "Cache-Control": "private, no-cache"}


def _json(body: bytes, headers: dict[str, str], status: int = 200) -> Response:
    return Response(body, status, headers, "application/json")
