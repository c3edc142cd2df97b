"""Problem documents: every refusal has its line in the table, and nothing of the inside is told."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response
from structlog.testing import capture_logs

from app.actions.problems import REMEDIES, STATUS, TITLES
from app.api.problems import Problem
from app.api.route import ApiRoute
from app.domain.accounts import ACCOUNTS
from app.domain.errors import FieldError, Refusal, Refused, Unavailable
from tests.api.conftest import Api, application

APP = Path(__file__).parents[2] / "app"


def _raised() -> set[str]:
    """The slugs that the code's own calls name."""
    found = {account.problem for account in ACCOUNTS.values() if account.problem is not None}
    for source in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                found |= _slug(ast.unparse(node.func), node.args)
    return found


def _slug(function: str, arguments: list[ast.expr]) -> set[str]:
    place = {"Refusal": 0, "Refusal.of_field": 2, "Unavailable": 1}.get(function)
    if place is None or len(arguments) <= place:
        return set()
    slug = arguments[place]
    return {slug.value} if isinstance(slug, ast.Constant) and isinstance(slug.value, str) else set()


def test_every_problem_that_the_code_names_stands_in_the_table() -> None:
    assert _raised() - STATUS.keys() == set()


def test_every_problem_has_a_status_of_an_error_a_title_and_a_remedy() -> None:
    for slug, status in STATUS.items():
        assert 400 <= status < 600
        assert TITLES[slug]
        assert not TITLES[slug].endswith(".")
        assert REMEDIES[slug].endswith(".")


@pytest.fixture
async def broken(calls: Api) -> AsyncIterator[httpx2.AsyncClient]:
    """An application whose routes raise."""
    router = APIRouter(route_class=ApiRoute)
    raised = {
        "refused": Refused(
            Refusal("window-not-open", "Not yet.", (FieldError("/a", "b"),), 7, (("status", "approved"), ("x", "y")))
        ),
        "unavailable": Unavailable("the database did not answer in time"),
        "rolled-back": Unavailable("It is shorter.", "trail-rolled-back"),
        "unexpected": RuntimeError("SELECT secret FROM clients"),
        "teapot": HTTPException(418),
    }

    @router.get("/raise/{what}")
    async def fail(what: str) -> Response:
        raise raised[what]

    app: FastAPI = application(calls.world.services)
    app.include_router(router)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://countersign.test") as http:
        yield http


async def test_a_refusal_becomes_a_document_with_all_it_says(broken: httpx2.AsyncClient) -> None:
    answer = await broken.get("/raise/refused")
    assert answer.status_code == 409
    assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("application/problem+json", "7")
    assert answer.json() == {
        "type": "http://countersign.test/problems/window-not-open",
        "title": "The window has not begun",
        "status": 409,
        "detail": "Not yet.",
        "instance": "/raise/refused",
        "errors": [{"pointer": "/a", "detail": "b"}],
        "request_status": "approved",
        "x": "y",
    }


@pytest.mark.parametrize(
    "what,slug,status",
    [
        ("unavailable", "unavailable", 503),
        ("rolled-back", "trail-rolled-back", 503),
        ("unexpected", "internal", 500),
        ("teapot", "malformed", 400),
    ],
)
async def test_what_is_broken_tells_nothing_of_the_inside(
    broken: httpx2.AsyncClient, what: str, slug: str, status: int
) -> None:
    with capture_logs() as logs:
        answer = await broken.get(f"/raise/{what}")
    document = Problem.model_validate(answer.json())
    assert (answer.status_code, document.status, document.type.rpartition("/")[2]) == (status, status, slug)
    assert "SELECT" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)
    assert [str(each["exc_info"]) for each in logs] == (["SELECT secret FROM clients"] if status == 500 else [])


async def test_an_address_or_method_that_is_not_there_is_a_problem_too(calls: Api) -> None:
    for method, path, status, slug in (
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/access-requests/", 404, "not-found"),
        ("PUT", "/v1/access-requests", 405, "method-not-allowed"),
        ("GET", "/oauth2/token", 405, "method-not-allowed"),
    ):
        answer = await calls.http.request(method, path)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, slug)
        assert ("allow" in answer.headers) == (status == 405)


async def test_every_answer_keeps_caches_and_frames_away(calls: Api) -> None:
    for path in ("/v1/access-requests", "/v1/access-requests/x", "/v1/nothing", "/openapi.json", "/healthz"):
        answer = await calls.http.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
