"""Access requests as vendor systems file, read and end them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from app.actions import filing, grants, requests
from app.actions.follow import LONGEST_WAIT_S, look, wait
from app.actions.requests import Wanted
from app.actions.services import Services
from app.actions.views import RequestView
from app.api import answers, representation, schemas
from app.api.guard import ProofHeader, RequestId, ServicesDep, needs, proved_key
from app.api.lists import next_link
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep
from app.api.prefer import wait_of
from app.api.problems import documented
from app.api.route import ApiRoute
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/access-requests", route_class=ApiRoute, tags=["Access requests"])

Filer = Annotated[Caller, Depends(needs("requests"))]
Follower = Annotated[Caller, Depends(needs("requests:read", "requests"))]
Bearer = Annotated[Caller, Depends(needs("tokens"))]
IfMatch = Annotated[str | None, Header(max_length=200)]
_ANY = ("unauthorized", "insufficient-scope", "unavailable")
_ONE = (
    *(*_ANY, "not-found", "wrong-state", "stale", "malformed", "unsupported-media-type", "validation", "too-large"),
    *KEYED,
)
_TAGGED: dict[str, Any] = {"headers": {"ETag": {"description": "strong", "schema": {"type": "string"}}}}
_APPLIED = {"Preference-Applied": {"description": "the wait that was kept to", "schema": {"type": "string"}}}
_FOLLOWED: dict[str, Any] = {"headers": _TAGGED["headers"] | _APPLIED}


@router.post(
    "",
    status_code=201,
    response_model=answers.AccessRequest,
    summary="File an access request",
    responses={
        201: _TAGGED,
        **documented(
            *_ANY,
            *("malformed", "unsupported-media-type", "too-large", "too-many-requests", "validation"),
            *(*KEYED, "institution-unknown", "institution-not-enrolled"),
            *("environment-unknown", "account-unknown", "account-deactivated", "account-technical"),
            *("case-not-escalated", "window-too-long", "window-closed", "records-in-doubt"),
        ),
    },
)
async def create(caller: Filer, once: OnceDep, new: schemas.NewAccessRequest) -> Response:
    """Judged, recorded and told to the approvers in one transaction; the same key and body give the same answer."""

    async def act(services: Services) -> Response:
        view = await filing.create(services, caller, representation.new_request(new))
        location = services.page(representation.path(view.row.id))
        headers = representation.headers(view) | {"Location": location}
        return _json(representation.body(services, view), headers, 201)

    return await once(caller, act, new.institution)


@router.get(
    "",
    response_model=answers.AccessRequests,
    summary="List access requests, newest first",
    responses=documented(*_ANY, "validation"),
)
async def find(caller: Follower, services: ServicesDep, query: Annotated[schemas.ListQuery, Query()]) -> Response:
    """Every request of the client's institutions, whoever filed it; `status` is that of the clock."""
    wanted = Wanted(**query.model_dump(exclude={"limit", "cursor"}))
    page = await requests.find(services, caller, wanted, query.limit, query.cursor)
    items = [representation.representation(services, view) for view in page.items]
    listed = answers.AccessRequests(items=items, next_cursor=page.next_cursor)
    return _json(
        listed.model_dump_json(by_alias=True).encode(), next_link(services, router.prefix, query, page.next_cursor)
    )


@router.get(
    "/{request_id}",
    response_model=answers.AccessRequest,
    summary="Read an access request",
    responses={
        200: _FOLLOWED,
        304: {"description": "not changed", "headers": _FOLLOWED["headers"]},
        **documented(*_ANY, "not-found", "too-many-requests"),
    },
)
async def read(
    caller: Follower,
    services: ServicesDep,
    request_id: RequestId,
    if_none_match: Annotated[str | None, Header()] = None,
    prefer: Annotated[list[str] | None, Header(description="`wait=N` (RFC 7240); over 60 counts as 60")] = None,
) -> Response:
    """The request by the clock, or `304` where it is the one named in `If-None-Match`.

    With both `If-None-Match` and `Prefer: wait=N` the answer comes as soon as the request has another tag, and as `304`
    after N seconds.
    """
    known = if_none_match or ""
    seconds = wait_of(prefer or (), LONGEST_WAIT_S) if known.strip() not in {"", "*"} else None
    applied = {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}
    if seconds:
        shown = await wait(services, caller, request_id, partial(names_tag, known), seconds)
    else:
        shown = await look(services, caller, request_id)
    headers = representation.tagged(shown.etag) | applied
    if known and names_tag(known, shown.etag):
        return Response(None, 304, headers)
    return _json(shown.body(partial(representation.body, services)), headers)


def names_tag(listed: str, etag: str) -> bool:
    """Whether `If-None-Match` names the tag, by weak comparison (RFC 9110, section 13.1.2)."""
    return listed.strip() == "*" or etag in {each.strip().removeprefix("W/") for each in listed.split(",")}


@router.post(
    "/{request_id}/withdraw",
    response_model=answers.AccessRequest,
    summary="Take a request back while it is pending",
    responses={200: _TAGGED, **documented(*_ONE)},
)
async def withdraw(
    caller: Filer,
    once: OnceDep,
    request_id: RequestId,
    said: schemas.Withdrawal,
    if_match: IfMatch = None,
) -> Response:
    """Pending → withdrawn."""

    async def act(services: Services) -> Response:
        return _represented(services, await requests.withdraw(services, caller, request_id, said.reason, if_match))

    return await once(caller, act)


@router.post(
    "/{request_id}/complete",
    response_model=answers.AccessRequest,
    summary="Give the access back when the work is done",
    responses={200: _TAGGED, **documented(*_ONE)},
)
async def complete(
    caller: Filer,
    once: OnceDep,
    request_id: RequestId,
    said: schemas.Completion,
    if_match: IfMatch = None,
) -> Response:
    """Approved or active → completed; its tokens end at once."""

    async def act(services: Services) -> Response:
        return _represented(services, await requests.complete(services, caller, request_id, said.summary, if_match))

    return await once(caller, act)


@router.post(
    "/{request_id}/messages",
    response_model=answers.AccessRequest,
    summary="Write to the approvers",
    responses={
        200: _TAGGED,
        **documented(*_ONE, "too-many-requests"),
    },
)
async def message(
    caller: Filer,
    once: OnceDep,
    request_id: RequestId,
    said: schemas.NewMessage,
    if_match: IfMatch = None,
) -> Response:
    """The engineer's side of the conversation, while the request is pending, approved or active."""

    async def act(services: Services) -> Response:
        return _represented(services, await requests.message(services, caller, request_id, said.text, if_match))

    return await once(caller, act)


@router.post(
    "/{request_id}/token",
    status_code=201,
    response_model=answers.ApprovalToken,
    summary="Obtain an approval token",
    responses=documented(
        *_ANY, "not-found", "not-approved", "window-not-open", "grant-ended", "grant-not-derivable", "trail-rolled-back"
    ),
)
async def token(
    request: Request, caller: Bearer, services: ServicesDep, request_id: RequestId, _: ProofHeader = None
) -> Response:
    """A signed token under the open grant, for its engineer; it opens one session.

    Asked for with a DPoP proof it is bound to that key.
    """
    minted = await grants.mint(services, caller, request_id, await proved_key(services, request, caller))
    shown = answers.ApprovalToken(
        access_token=minted.access_token,
        token_type=minted.token_type,
        expires_in=minted.expires_in,
        expires_at=minted.expires_at,
    )
    return _json(shown.model_dump_json().encode(), {}, 201)


def _represented(services: Services, view: RequestView) -> Response:
    return _json(representation.body(services, view), representation.headers(view))


def _json(body: bytes, headers: dict[str, str], status: int = 200) -> Response:
    return Response(body, status, headers, "application/json")
