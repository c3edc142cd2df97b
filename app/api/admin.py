"""Administration of institutions by vendor systems; what an institution's admins do on pages is the same action."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.actions import environments
from app.actions.services import Services
from app.api import answers
from app.api.guard import SCOPES, needs
from app.api.once import PROBLEMS as KEYED
from app.api.once import OnceDep
from app.api.problems import documented
from app.api.route import ApiRoute
from app.domain.environment import Environment
from app.tokens.clients import Caller

router = APIRouter(prefix="/v1/institutions/{code}", route_class=ApiRoute, tags=["Administration"])

# Any scope comes this far, so that what is not the caller's is a 404 before the scope is judged.
Administrator = Annotated[Caller, Depends(needs("admin", *SCOPES))]
_ANY = ("unauthorized", "insufficient-scope", "not-found", "unavailable")


@router.post(
    "/environments/{name}/switch-to-support",
    response_model=answers.Environment,
    summary="Switch an environment to support",
    responses=documented(*_ANY, "wrong-state", *KEYED),
)
async def switch_to_support(caller: Administrator, once: OnceDep, code: str, name: str) -> Response:
    """One way. Grants on the ground `implementation` in it are revoked in the same transaction."""

    async def act(services: Services) -> Response:
        switched = await environments.switch_to_support(services, caller, code, name)
        return Response(_environment(switched).model_dump_json().encode(), media_type="application/json")

    return await once(caller, act)


def _environment(found: Environment) -> answers.Environment:
    return answers.Environment(
        name=found.environment,
        product=found.product,
        tier=found.tier,
        phase=found.phase,
        implementation_ends=found.implementation_ends,
        url=found.url,
        gateway_audience=found.audience,
    )
