"""Policy and identity provider of an institution, administered, and the changes that wait."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from app.actions import administration as admin
from app.actions import change_list
from app.api import admin_answers as told
from app.api import admin_schemas as bodies
from app.api.guard import ServicesDep
from app.api.institutions import ANY, BODY, PROPOSED, Administrator, PageDep, given, json, proposed
from app.api.lists import next_link
from app.api.problems import documented
from app.api.route import ApiRoute

router = APIRouter(prefix="/v1/institutions/{code}", route_class=ApiRoute, tags=["Administration"])

IfMatch = Annotated[str | None, Header(max_length=200)]
_TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "strong", "schema": {"type": "string"}}}}
}


@router.get("/policy", response_model=told.Policy, summary="Read the policy", responses={**_TAGGED, **documented(*ANY)})
async def read_policy(caller: Administrator, services: ServicesDep, code: str) -> Response:
    """The one in force."""
    found = await admin.seen(services, caller, code)
    return json(told.Policy(**found.institution.policy.to_data()), {"ETag": found.policy_tag})


@router.put(
    "/policy",
    response_model=told.Policy,
    summary="Propose a policy",
    responses={**_TAGGED, **PROPOSED, **documented(*ANY, *BODY, "stale")},
)
async def set_policy(
    caller: Administrator, services: ServicesDep, code: str, policy: bodies.Policy, if_match: IfMatch = None
) -> Response:
    """It waits for an admin, with a countersignature where it loosens; `200` where it is in force already."""
    change_id = await admin.set_policy(services, caller, code, given(policy), if_match)
    return await read_policy(caller, services, code) if change_id is None else proposed(change_id)


@router.get(
    "/identity-provider",
    response_model=told.IdentityProvider,
    summary="Read the identity provider",
    responses={**_TAGGED, **documented(*ANY)},
)
async def read_provider(caller: Administrator, services: ServicesDep, code: str) -> Response:
    """The one in force; its secrets are never shown."""
    found = await admin.seen(services, caller, code)
    shown = told.IdentityProvider(**found.institution.provider.to_data())
    return json(shown, {"ETag": found.provider_tag})


@router.put(
    "/identity-provider",
    response_model=told.IdentityProvider,
    summary="Propose an identity provider",
    responses={**_TAGGED, **PROPOSED, **documented(*ANY, *BODY, "stale")},
)
async def set_provider(
    caller: Administrator, services: ServicesDep, code: str, new: bodies.IdentityProvider, if_match: IfMatch = None
) -> Response:
    """It waits for a test sign-in and a countersignature. Other secrets do too; `200` where nothing is other."""
    change_id = await admin.set_provider(services, caller, code, given(new), if_match)
    return await read_provider(caller, services, code) if change_id is None else proposed(change_id)


@router.get(
    "/changes",
    response_model=told.Changes,
    summary="List changes, newest first",
    responses=documented(*ANY, "validation"),
)
async def find_changes(caller: Administrator, services: ServicesDep, code: str, query: PageDep) -> Response:
    """Those that wait, with what they would change, and those that are over."""
    page = await change_list.find(services, caller, code, query.limit, query.cursor)
    shown = told.Changes(items=list(map(told.change, page.items)), next_cursor=page.next_cursor)
    path = f"/v1/institutions/{code}/changes"
    return json(shown, next_link(services, path, query, page.next_cursor))
