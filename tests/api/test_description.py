"""The description of the API agrees with the service at all times."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from app import __version__
from app.actions.problems import STATUS
from app.api import routers
from app.api.answers import AccessRequest
from app.api.describe import description
from app.api.schemas import NewAccessRequest
from app.tokens.clients import SCOPES
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


def test_no_two_forms_have_one_name(described: dict[str, Any]) -> None:
    assert [name for name in described["components"]["schemas"] if "__" in name] == []


def test_the_examples_are_of_their_own_form() -> None:
    for model, strict in ((NewAccessRequest, True), (AccessRequest, False)):
        example = dict(model.model_json_schema()["examples"][0])
        if not strict:
            example["messages"] = [{"side": each.pop("from"), **each} for each in map(dict, example["messages"])]
        model.model_validate(example)


def _media(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Everything sent and answered as text or JSON: operation, where, and the media object."""
    for _, operation in _operations(described):
        sent = operation.get("requestBody", {}).get("content", {})
        answered = {status: each.get("content", {}) for status, each in operation["responses"].items()}
        for place, content in {"body": sent, **answered}.items():
            for kind, media in content.items():
                if kind.startswith(("application/json", "application/x-www-form", "application/problem")):
                    yield operation["operationId"], f"{place} {kind}", media


def _examples(described: dict[str, Any], media: dict[str, Any]) -> list[Any]:
    own = [media["example"]] if "example" in media else [each["value"] for each in media.get("examples", {}).values()]
    name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return own or described["components"]["schemas"].get(name, {}).get("examples", [])


def test_whatever_is_sent_and_answered_has_an_example_of_its_own_schema(described: dict[str, Any]) -> None:
    resource = Resource.from_contents(described, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:described", resource)
    missing, wrong = [], []
    for operation, place, media in _media(described):
        found = _examples(described, media)
        if not found:
            missing.append((operation, place))
        schema = {"$ref": f"urn:described{media['schema']['$ref']}"} if "$ref" in media["schema"] else media["schema"]
        judge = Draft202012Validator(schema, registry=registry)
        wrong += [(operation, place, fault.message) for each in found for fault in judge.iter_errors(each)]
    assert (missing, wrong) == ([], [])


def test_every_operation_and_every_parameter_says_what_it_is_for(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in _operations(described)]
    assert len(set(names)) == len(names)
    for path, operation in _operations(described):
        assert re.fullmatch(r"[a-z]+_[a-z_]+", operation["operationId"]), path
        assert operation["summary"], path
        assert operation["description"], path
        unexplained = [each["name"] for each in operation.get("parameters", []) if not each.get("description")]
        assert unexplained == [], path


def test_every_tag_of_a_security_scheme_is_a_scope_that_a_client_can_have(described: dict[str, Any]) -> None:
    schemes = described["components"]["securitySchemes"]
    scopes = schemes["client"]["flows"]["clientCredentials"]["scopes"]
    asked = {
        scope
        for _, operation in _operations(described)
        for each in operation.get("security", [])
        for scope in each.get("client", [])
    }
    assert asked <= scopes.keys() == SCOPES


def test_its_words_are_spelt(described: dict[str, Any]) -> None:
    """By codespell, which knows how words are usually misspelt."""
    program = str(Path(sys.executable).with_name("codespell"))
    command = [program, "--builtin=clear,rare", "--ignore-words-list=fulfilment", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
