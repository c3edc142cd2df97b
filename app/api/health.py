"""Whether the process lives, and whether it may answer for anything. What is wrong is logged, not told to strangers."""

from __future__ import annotations

import structlog
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.actions import health
from app.api import answers
from app.api.guard import ServicesDep
from app.api.route import ApiRoute

router = APIRouter(route_class=ApiRoute, tags=["Operations"])
_log = structlog.get_logger("countersign.health")


@router.get("/healthz", response_model=dict[str, str], summary="The process lives")
async def healthz() -> Response:
    """Nothing else is asked."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    response_model=answers.Health,
    summary="The service may be used",
    responses={503: {"model": answers.Health, "description": "not now"}},
)
async def readyz(services: ServicesDep) -> Response:
    """The database at the migration expected, keys there, no log shorter than a checkpoint signed of it."""
    wrong = await health.ready(services)
    if wrong:
        _log.warning("not ready", reasons=wrong)
    return JSONResponse({"ready": not wrong}, 503 if wrong else 200)
