"""People of an institution, administered: by display name, and only ever proposed."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from app.actions import administration as admin
from app.actions.cursors import page_of
from app.actions.services import Services
from app.api import admin_answers as told
from app.api import admin_schemas as bodies
from app.api.guard import ServicesDep
from app.api.institutions import ANY, BODY, PROPOSED, Administrator, PageDep, given, json, proposed
from app.api.lists import next_link
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep
from app.api.problems import documented
from app.api.route import ApiRoute

router = APIRouter(prefix="/v1/institutions/{code}/people", route_class=ApiRoute, tags=["Administration"])


@router.get("", response_model=told.People, summary="List people", responses=documented(*ANY, "validation"))
async def find(caller: Administrator, services: ServicesDep, code: str, query: PageDep) -> Response:
    """Those on the roster, by id. Addresses are not shown."""
    found = await admin.seen(services, caller, code)
    there = sorted(key for key, person in found.institution.people.items() if not person.removed)
    items, cursor = page_of(there, str, query.limit, query.cursor)
    shown = told.People(items=[told.person(found, each) for each in items], next_cursor=cursor)
    return json(shown, next_link(services, f"/v1/institutions/{code}/people", query, cursor))


@router.post(
    "",
    status_code=202,
    response_model=told.Proposed,
    summary="Propose a person",
    responses=documented(*ANY, *BODY, *KEYED),
)
async def add(caller: Administrator, once: OnceDep, code: str, new: bodies.NewPerson) -> Response:
    """They join once an admin of the institution agrees, countersigned where they would decide or keep settings."""

    async def act(services: Services) -> Response:
        return proposed(await admin.add_person(services, caller, code, given(new)) or "")

    return await once(caller, act)


@router.get("/{person_id}", response_model=told.Person, summary="Read a person", responses=documented(*ANY))
async def read(caller: Administrator, services: ServicesDep, code: str, person_id: str) -> Response:
    """By display name."""
    found = await admin.seen(services, caller, code)
    admin.person_in(found.institution, person_id)
    return json(told.person(found, person_id))


@router.patch(
    "/{person_id}",
    response_model=told.Person,
    summary="Propose other roles or products",
    responses={**PROPOSED, **documented(*ANY, *BODY, "last-admin")},
)
async def change(
    caller: Administrator, services: ServicesDep, code: str, person_id: str, patch: bodies.PersonChange
) -> Response:
    """It waits for an admin of the institution; `200` where they have these already."""
    change_id = await admin.change_person(services, caller, code, person_id, given(patch))
    if change_id is not None:
        return proposed(change_id)
    return json(told.person(await admin.seen(services, caller, code), person_id))


@router.delete(
    "/{person_id}",
    status_code=202,
    response_model=told.Proposed,
    summary="Propose that a person leaves",
    responses=documented(*ANY, "last-admin", "too-many-requests", "trail-rolled-back"),
)
async def remove(caller: Administrator, services: ServicesDep, code: str, person_id: str) -> Response:
    """It waits for an admin of the institution, without a countersignature."""
    return proposed(await admin.remove_person(services, caller, code, person_id) or "")
