"""Findings of an institution: listed, and explained by the vendor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from app.actions import findings
from app.actions.cursors import cursor_of
from app.actions.findings import FindingView
from app.actions.services import Services
from app.api import answers, schemas
from app.api.guard import SCOPES, ServicesDep, needs
from app.api.lists import next_link
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.errors import Refusal, Refused
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/institutions/{code}/findings", route_class=ApiRoute, tags=["Accounts"])

# Any scope comes this far, so that what is not the caller's is a 404 before the scope is judged.
Keeper = Annotated[Caller, Depends(needs("accounts", *SCOPES))]
_ANY = ("unauthorized", "insufficient-scope", "not-found", "unavailable")


@router.get(
    "",
    response_model=answers.Findings,
    summary="List findings, newest first",
    responses=documented(*_ANY, "validation"),
)
async def find(
    caller: Keeper, services: ServicesDep, code: str, query: Annotated[schemas.PageQuery, Query()]
) -> Response:
    """What scans, sign-in records and disputes have found, and whether it was explained."""
    found = await findings.page(services, caller, code, query.limit, query.cursor)
    keeps(caller)
    cursor = cursor_of(found[query.limit - 1].row.id) if len(found) > query.limit else None
    listed = answers.Findings(items=[_answer(each) for each in found[: query.limit]], next_cursor=cursor)
    path = router.prefix.format(code=code)
    return Response(
        listed.model_dump_json().encode(), 200, next_link(services, path, query, cursor), "application/json"
    )


@router.post(
    "/{finding_id}/explain",
    response_model=answers.Finding,
    summary="Explain a finding",
    responses=documented(*_ANY, "malformed", "unsupported-media-type", "wrong-state", *KEYED),
)
async def explain(caller: Keeper, once: OnceDep, code: str, finding_id: str, body: schemas.NewMessage) -> Response:
    """The vendor's words stand beside what was found; another explanation takes the place of the first."""
    await findings.page(once.services, caller, code, 1, None)
    keeps(caller)

    async def act(services: Services) -> Response:
        explained = await findings.explain(services, caller, code, finding_id, body.text)
        return Response(_answer(explained).model_dump_json().encode(), media_type="application/json")

    return await once(caller, act)


def keeps(caller: Caller) -> None:
    """Raise `Refused` insufficient-scope for a client that may not see findings."""
    if findings.SCOPE not in caller.scopes:
        detail = f"This needs the scope {findings.SCOPE}."
        raise Refused(Refusal("insufficient-scope", detail, extra=(("scope", findings.SCOPE),)))


def _answer(view: FindingView) -> answers.Finding:
    row, about = view.row, view.row.about or ""
    return answers.Finding(
        id=row.id,
        institution=row.log,
        environment=row.environment,
        kind=row.kind,
        state=row.state,
        subject=view.what,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        explanation=view.explanation,
        session=about if about.startswith("ses_") else None,
        request=about if about.startswith("req_") else None,
    )
