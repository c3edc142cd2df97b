"""Institutions and their environments, administered: what is there, and what is proposed to their own admins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from app.actions import administration as admin
from app.actions import founding
from app.actions.cursors import page_of
from app.actions.services import Services
from app.api import admin_answers as told
from app.api import admin_schemas as bodies
from app.api import answers
from app.api.guard import SCOPES, ServicesDep, needs
from app.api.lists import next_link
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep
from app.api.problems import documented
from app.api.route import ApiRoute
from app.api.webhook_forms import PageQuery
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/institutions", route_class=ApiRoute, tags=["Administration"])

# Any scope comes this far, so that what is not the caller's is a 404 before the scope is judged.
Administrator = Annotated[Caller, Depends(needs("admin", *SCOPES))]
PageDep = Annotated[PageQuery, Query()]
ANY = ("unauthorized", "insufficient-scope", "not-found", "unavailable")
BODY = ("malformed", "unsupported-media-type", "too-large", "validation", "too-many-requests", "trail-rolled-back")
PROPOSED: dict[int | str, dict[str, Any]] = {
    202: {"model": told.Proposed, "description": "it waits for an admin of the institution"}
}


def json(shown: BaseModel, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """An answer."""
    return Response(shown.model_dump_json(by_alias=True).encode(), status, headers, "application/json")


def proposed(change_id: str) -> Response:
    """What waits."""
    return json(told.Proposed(change=change_id), status=202)


def given(body: BaseModel) -> dict[str, Any]:
    """What a body says, by the names it was sent with."""
    return body.model_dump(by_alias=True, exclude_unset=True)


@router.get("", response_model=told.Institutions, summary="List institutions", responses=documented(*ANY, "validation"))
async def find(caller: Administrator, services: ServicesDep, query: PageDep) -> Response:
    """Those that the client serves, by code."""
    found = await admin.all_seen(services, caller)
    items, cursor = page_of(found, lambda each: each.row.code, query.limit, query.cursor)
    shown = told.Institutions(items=list(map(told.institution, items)), next_cursor=cursor)
    return json(shown, next_link(services, router.prefix, query, cursor))


@router.post(
    "",
    status_code=201,
    response_model=told.NewInstitution,
    summary="Open an institution",
    responses=documented(*ANY, *BODY, *KEYED, "institution-exists"),
)
async def create(caller: Administrator, once: OnceDep, new: bodies.NewInstitution) -> Response:
    """Its trail begins, and pins all of this. Tell the institution its enrolment code by another road."""

    async def act(services: Services) -> Response:
        founded = await founding.found(services, caller, given(new))
        shown = told.new_institution(await admin.seen(services, caller, founded.code), founded.enrolment_code)
        return json(shown, {"Location": services.page(f"{router.prefix}/{founded.code}")}, 201)

    return await once(caller, act)


@router.get("/{code}", response_model=told.Institution, summary="Read an institution", responses=documented(*ANY))
async def read(caller: Administrator, services: ServicesDep, code: str) -> Response:
    """As its trail tells it now."""
    return json(told.institution(await admin.seen(services, caller, code)))


@router.patch(
    "/{code}",
    response_model=told.Institution,
    summary="Change general settings",
    responses={**PROPOSED, **documented(*ANY, *BODY)},
)
async def change(caller: Administrator, services: ServicesDep, code: str, patch: bodies.General) -> Response:
    """Proposed to the institution's admins; `200` where nothing would be other."""
    change_id = await admin.change_general(services, caller, code, given(patch))
    if change_id is not None:
        return proposed(change_id)
    return json(told.institution(await admin.seen(services, caller, code)))


@router.get(
    "/{code}/environments",
    response_model=told.Environments,
    summary="List environments",
    responses=documented(*ANY, "validation"),
)
async def find_environments(caller: Administrator, services: ServicesDep, code: str, query: PageDep) -> Response:
    """By name."""
    found = (await admin.seen(services, caller, code)).institution.environments
    items, cursor = page_of([found[name] for name in sorted(found)], _name, query.limit, query.cursor)
    shown = told.Environments(items=list(map(told.environment, items)), next_cursor=cursor)
    return json(shown, next_link(services, f"{router.prefix}/{code}/environments", query, cursor))


@router.post(
    "/{code}/environments",
    status_code=202,
    response_model=told.Proposed,
    summary="Propose a new environment",
    responses=documented(*ANY, *BODY, *KEYED),
)
async def add_environment(caller: Administrator, once: OnceDep, code: str, new: bodies.NewEnvironment) -> Response:
    """It waits for a countersignature. Its keys wait with it, sealed."""

    async def act(services: Services) -> Response:
        change_id = await admin.add_environment(services, caller, code, given(new))
        return proposed(change_id or "")

    return await once(caller, act)


@router.get(
    "/{code}/environments/{name}",
    response_model=answers.Environment,
    summary="Read an environment",
    responses=documented(*ANY),
)
async def read_environment(caller: Administrator, services: ServicesDep, code: str, name: str) -> Response:
    """As the trail tells it now."""
    found = admin.environment_in((await admin.seen(services, caller, code)).institution, name)
    return json(told.environment(found))


@router.patch(
    "/{code}/environments/{name}",
    response_model=answers.Environment,
    summary="Propose to change an environment",
    responses={**PROPOSED, **documented(*ANY, *BODY)},
)
async def change_environment(
    caller: Administrator, services: ServicesDep, code: str, name: str, patch: bodies.EnvironmentChange
) -> Response:
    """It waits for a countersignature. Other keys wait with it, sealed; `200` where nothing is other."""
    change_id = await admin.change_environment(services, caller, code, name, given(patch))
    if change_id is not None:
        return proposed(change_id)
    return json(told.environment(admin.environment_in((await admin.seen(services, caller, code)).institution, name)))


def _name(found: Any) -> str:
    return str(found.environment)
