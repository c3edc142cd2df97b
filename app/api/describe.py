"""The description of the API (OpenAPI 3.1), made from the routes themselves."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi

from app.api.problems import Problem
from app.api.webhook_forms import WebhookMessage
from app.api.webhooks import told

_ABOUT = (
    "Vendor systems file access requests, and institutions' approvers answer them on pages. Every error is a problem "
    "document (RFC 9457) whose `type` leads to a page that says what helps; those below `/oauth2/` are errors of RFC "
    "6749. Times are RFC 3339 in UTC. A POST with an `Idempotency-Key` may be repeated until its outcome is known."
)


def description(router: APIRouter, version: str) -> dict[str, Any]:
    """The OpenAPI document of these routes, and of what webhooks are told."""
    document = get_openapi(
        title="Countersign",
        version=version,
        openapi_version="3.1.0",
        description=_ABOUT,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=router.routes,
        webhooks=told.routes,
    )
    schemas = document["components"]["schemas"]
    for model in (Problem, WebhookMessage):
        described = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schemas |= described.pop("$defs") | {model.__name__: described}
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no route answers with
        schemas.pop(name, None)
    every = [*document["paths"].values(), *document["webhooks"].values()]
    for operation in (each for path in every for each in path.values()):
        _forget_default_error(operation["responses"])
    return document


def _forget_default_error(responses: dict[str, Any]) -> None:
    """FastAPI adds its own 422 to every route with parameters that documents none."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
