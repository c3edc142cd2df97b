"""The description of the API (OpenAPI 3.1), made from the routes themselves."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.api import examples
from app.api.problems import MEDIA_TYPE, Problem
from app.api.session_schemas import NewActivity
from app.api.sign_in_schemas import NewSignIns
from app.api.webhook_forms import WebhookMessage
from app.api.webhooks import told

_ABOUT = (
    "Vendor systems file access requests, and institutions' approvers answer them on pages. Every error is a problem "
    "document (RFC 9457) whose `type` leads to a page that says what helps; those below `/oauth2/` are errors of RFC "
    "6749. Times are RFC 3339 in UTC. A POST with an `Idempotency-Key` may be repeated until its outcome is known."
)

_DPOP = {
    "type": "http",
    "scheme": "dpop",
    "description": "An access token bound to a key (RFC 9449): `Authorization: DPoP …`, with a proof in `DPoP`.",
}


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
        schemas |= _schemas(model, "serialization")
    for read in (NewActivity, NewSignIns):  # by routes that read their bodies themselves
        schemas |= _schemas(read, "validation")
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which no route answers with
        schemas.pop(name, None)
    for name, example in examples.SCHEMAS.items():
        schemas[name]["examples"] = [example]  # over what FastAPI made of a model's own: it leaves out what is null
    document["components"]["securitySchemes"]["dpop"] = _DPOP
    every = [*document["paths"].items(), *document["webhooks"].items()]
    for path, operation in ((path, each) for path, item in every for each in item.values()):
        _forget_default_error(operation["responses"])
        _bind(operation)
        _explain(operation.get("parameters", []))
        _show(path, operation)
    return document


def _schemas(model: type[BaseModel], mode: Literal["serialization", "validation"]) -> dict[str, Any]:
    described = model.model_json_schema(mode=mode, ref_template="#/components/schemas/{model}")
    return {**described.pop("$defs"), model.__name__: described}


def _bind(operation: dict[str, Any]) -> None:
    """A token that is bound to a key is taken wherever any other is."""
    bound = [{"dpop": each["client"]} for each in operation.get("security", []) if "client" in each]
    if bound:
        operation["security"] += bound


def _explain(parameters: list[dict[str, Any]]) -> None:
    """What each parameter means, where its route did not say."""
    for each in parameters:
        if each["in"] == "header" and "array" in str(each["schema"]):  # several lines of one name are one list of its
            each["schema"] = {"type": "string", "title": each["schema"]["title"]}  # values (RFC 9110, section 5.3)
        if each["name"] in examples.PARAMETERS:
            words, example = examples.PARAMETERS[each["name"]]
            each.setdefault("description", words)
            if example is not None:
                each.setdefault("example", example)


def _show(path: str, operation: dict[str, Any]) -> None:
    """Examples of what is sent and answered without a schema of its own; problems as this operation would answer."""
    name, values = operation["operationId"], {"instance": _example_of(path)}
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if name in examples.BODIES:
            media.setdefault("example", examples.BODIES[name])
    for status, response in operation["responses"].items():
        for kind, media in response.get("content", {}).items():
            if status.startswith("2") and name in examples.ANSWERS:
                media.setdefault("example", examples.ANSWERS[name])
            if kind in examples.KINDS:
                media.setdefault("example", examples.KINDS[kind])
            if kind == MEDIA_TYPE:
                for example in media["examples"].values():
                    example["value"] |= values


def _example_of(path: str) -> str:
    """A path with an example in the place of each parameter."""
    for name, (_, example) in examples.PARAMETERS.items():
        path = path.replace(f"{{{name}}}", str(example))
    return path


def _forget_default_error(responses: dict[str, Any]) -> None:
    """FastAPI adds its own 422 to every route with parameters that documents none."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
