"""API clients, administered. None of these takes an `Idempotency-Key`, as the contract has it: no secret is kept."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from app.actions import clientadmin
from app.actions.cursors import page_of
from app.api import client_forms as forms
from app.api.guard import ServicesDep
from app.api.institutions import ANY, BODY, Administrator, PageDep, given, json
from app.api.lists import next_link
from app.api.problems import documented
from app.api.route import ApiRoute

router = APIRouter(prefix="/v1/clients", route_class=ApiRoute, tags=["Clients"])


@router.get("", response_model=forms.ApiClients, summary="List API clients", responses=documented(*ANY, "validation"))
async def find(caller: Administrator, services: ServicesDep, query: PageDep) -> Response:
    """By name; revoked ones are left out. For a client that serves every institution, as all of these."""
    found = await clientadmin.find(services, caller)
    items, cursor = page_of(found, lambda view: view.row.client_id, query.limit, query.cursor)
    shown = forms.ApiClients(items=list(map(forms.client, items)), next_cursor=cursor)
    return json(shown, next_link(services, router.prefix, query, cursor))


@router.post(
    "",
    status_code=201,
    response_model=forms.NewClientAnswer,
    summary="Create an API client",
    responses=documented(*ANY, *BODY),
)
async def create(caller: Administrator, services: ServicesDep, new: forms.NewClient) -> Response:
    """Its secret is shown this once. What it may do is said here and never changed; an id is never used again."""
    made = await clientadmin.create(services, caller, given(new))
    location = {"Location": services.page(f"{router.prefix}/{made.row.client_id}")}
    return json(forms.new_client(made), location, 201)


@router.get("/{client_id}", response_model=forms.ApiClient, summary="Read an API client", responses=documented(*ANY))
async def read(caller: Administrator, services: ServicesDep, client_id: str) -> Response:
    """As it is now; a secret is never shown."""
    return json(forms.client(await clientadmin.read(services, caller, client_id)))


@router.patch(
    "/{client_id}",
    response_model=forms.ApiClient,
    summary="Give an API client other keys",
    responses=documented(*ANY, *BODY, "records-in-doubt"),
)
async def change(caller: Administrator, services: ServicesDep, client_id: str, patch: forms.ClientChange) -> Response:
    """RFC 7396, of `jwks` and `jwks_uri`. They take the place of what counted before, a secret too, at once."""
    return json(forms.client(await clientadmin.change(services, caller, client_id, given(patch))))


@router.delete(
    "/{client_id}",
    status_code=204,
    summary="Revoke an API client",
    responses=documented(*ANY, "trail-rolled-back"),
)
async def revoke(caller: Administrator, services: ServicesDep, client_id: str) -> Response:
    """It signs in no more, its tokens and webhooks end, and with them all access on what it filed."""
    await clientadmin.revoke(services, caller, client_id)
    return Response(status_code=204)


@router.post(
    "/{client_id}/rotate",
    response_model=forms.ClientSecret,
    summary="Give an API client a new secret",
    responses=documented(*ANY, "validation", "trail-rolled-back", "records-in-doubt"),
)
async def rotate(caller: Administrator, services: ServicesDep, client_id: str) -> Response:
    """The secret of now counts beside it until the next rotation. Rotate twice to end a secret that leaked at once."""
    return json(forms.ClientSecret(secret=await clientadmin.rotate(services, caller, client_id)))
