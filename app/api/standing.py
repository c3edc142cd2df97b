"""Standing approvals of an institution: made on its own pages, listed and revoked here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.actions import standing
from app.actions.standing import StandingView
from app.api import answers, schemas
from app.api.guard import SCOPES, ServicesDep, needs
from app.api.lists import next_link
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.errors import Refusal, Refused
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/institutions/{code}/standing-approvals", route_class=ApiRoute, tags=["Administration"])

# Any scope comes this far, so that what is not the caller's is a 404 before the scope is judged.
Administrator = Annotated[Caller, Depends(needs("admin", *SCOPES))]
_ANY = ("unauthorized", "insufficient-scope", "not-found", "unavailable")


@router.get(
    "",
    response_model=answers.StandingApprovals,
    summary="List standing approvals, newest first",
    responses=documented(*_ANY, "validation"),
)
async def find(
    caller: Administrator, services: ServicesDep, code: str, query: Annotated[schemas.PageQuery, Query()]
) -> Response:
    """Each with its terms, how often it was used, and whether it still serves requests."""
    found = await standing.page(services, caller, code, query.limit, query.cursor)
    _administers(caller)
    cursor = found[query.limit - 1].approval.id if len(found) > query.limit else None
    items = [_answer(each) for each in found[: query.limit]]
    listed = answers.StandingApprovals(items=items, next_cursor=cursor)
    path = router.prefix.format(code=code)
    return Response(
        listed.model_dump_json().encode(), 200, next_link(services, path, query, cursor), "application/json"
    )


@router.delete(
    "/{standing_id}",
    status_code=204,
    summary="Revoke a standing approval",
    responses=documented(*_ANY, "wrong-state", "records-in-doubt"),
)
async def end(caller: Administrator, services: ServicesDep, code: str, standing_id: str) -> Response:
    """It serves no request from now on. Grants given on it run on: revoke those by themselves."""
    await standing.page(services, caller, code, 1, None)
    _administers(caller)
    await standing.end(services, caller, code, standing_id)
    return Response(status_code=204)


def _administers(caller: Caller) -> None:
    if "admin" not in caller.scopes:
        raise Refused(Refusal("insufficient-scope", "This needs the scope admin.", extra=(("scope", "admin"),)))


def _answer(view: StandingView) -> answers.StandingApproval:
    found = view.approval
    return answers.StandingApproval(
        id=found.id,
        state=view.state,
        ended_because=view.ended_because,
        environment=found.environment,
        case=found.case_number,
        roles=list(found.roles),
        minutes=found.max_window_minutes,
        uses=found.uses,
        used=found.used,
        not_after=found.not_after,
        given_by=list(view.givers),
        givers_wanted=view.wanted,
    )
