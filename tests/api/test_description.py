"""The description of the API agrees with the service at all times."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate

from app import __version__
from app.actions.problems import STATUS
from app.api import routers
from app.api.answers import AccessRequest
from app.api.describe import description
from app.api.schemas import NewAccessRequest
from tests.api.conftest import Api

FILE = Path(__file__).parents[2] / "openapi" / "openapi.yaml"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return description(routers(), __version__)


def test_the_file_is_what_the_routes_say(described: dict[str, Any]) -> None:
    assert yaml.safe_load(FILE.read_text()) == described, "run `make openapi`"


def test_it_is_openapi(described: dict[str, Any]) -> None:
    validate(described)
    assert described["openapi"].startswith("3.1")


async def test_it_is_served(calls: Api, described: dict[str, Any]) -> None:
    served = (await calls.http.get("/openapi.json")).json()
    assert served["paths"] == described["paths"]


def _operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, item in described["paths"].items() for operation in item.values()]


def test_every_guarded_route_says_who_may_call_and_how_it_refuses(described: dict[str, Any]) -> None:
    for path, operation in _operations(described):
        if path.startswith(("/v1", "/trail")):
            assert operation["security"], path
            assert {"401", "403", "503"} <= operation["responses"].keys(), path
        for status, response in operation["responses"].items():
            problems = response.get("content", {}).get("application/problem+json", {}).get("examples", {})
            assert {STATUS[slug] for slug in problems} <= {int(status)}


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    named = set(re.findall(r"'#/components/schemas/(\w+)'", str(described)))
    assert named - described["components"]["schemas"].keys() == set()
    assert {"HTTPValidationError", "ValidationError"}.isdisjoint(named)


def test_the_examples_are_of_their_own_form() -> None:
    for model, strict in ((NewAccessRequest, True), (AccessRequest, False)):
        example = dict(model.model_json_schema()["examples"][0])
        if not strict:
            example["messages"] = [{"side": each.pop("from"), **each} for each in map(dict, example["messages"])]
        model.model_validate(example)
