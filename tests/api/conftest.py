"""The API over a real world on SQLite, called in one process."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app import api
from app.actions.clients import add_client
from app.actions.operators import operator
from app.actions.services import Services
from app.actions.world import read_client
from app.api.guard import SESSION
from app.identity.browser import cookie_name
from app.storage import entries
from tests.actions.worlds import CODE, World, run_world

CONSOLE = ("support-console", "cs_support_console_secret_of_tests")
ACCESS = "/v1/access-requests"


def application(services: Services) -> FastAPI:
    """The API alone."""
    app = FastAPI(version="0", openapi_url=None, redirect_slashes=False)
    app.state.services = services
    api.mount(app)
    return app


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


@dataclass
class Api:
    """The API with a token of the support console."""

    world: World
    http: httpx2.AsyncClient

    async def token(self, client: tuple[str, str] = CONSOLE, scope: str | None = None) -> str:
        form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
        answer = await self.http.post("/oauth2/token", data=form, headers={"Authorization": basic(*client)})
        assert answer.status_code == 200, answer.text
        return f"Bearer {answer.json()['access_token']}"

    async def client(self, name: str, scopes: list[str], institutions: list[str], audiences: list[str]) -> str:
        """A token of another client, made for it."""
        secret = f"cs_a_secret_for_{name}_of_tests"
        spec = read_client(name, secret, scopes, institutions, audiences)
        await add_client(self.world.services, operator(self.world.services, "tests"), spec)
        return await self.token((name, secret))

    async def file(self, *, headers: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """File a request that is approved at once, unless the changes say otherwise."""
        answer = await self.http.post(ACCESS, json=asked(**changes), headers=headers or {})
        assert answer.status_code == 201, answer.text
        filed: dict[str, Any] = answer.json()
        return filed


def asked(**changes: Any) -> dict[str, Any]:
    """A body, for the environment in implementation, which needs no enrolment."""
    body: dict[str, Any] = {
        "institution": CODE,
        "environment": "esploro-sandbox",
        "account": "exl_impl",
        "case": {
            "number": "06543210",
            "title": "Nightly fulfilment job fails",
            "severity": "high",
            "escalated": True,
            "url": "https://support.vendor.example/cases/06543210",
        },
        "engineer": {
            "id": "e1234",
            "name": "Tier 3 engineer",
            "email": "e1234@vendor.example",
            "works_from": "IE",
        },
        "endorser": {"id": "e1200", "name": "Support lead"},
        "extends": None,
        "reason": "Read the job's configuration and re-run it with tracing.",
        "roles": ["Fulfillment Administrator"],
        "window": {"not_before": None, "minutes": 240},
    }
    return body | changes


async def events(calls: Api, type_: str) -> list[dict[str, Any]]:
    async with calls.world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(type=type_), 1000)
    return [dict(each.entry.data) for each in found]


async def signed_in(calls: Api, email: str) -> dict[str, str]:
    """Headers of somebody signed in, in the place of the console's token."""
    calls.http.headers.pop("Authorization", None)
    await calls.world.sign_in(email)
    return {"Cookie": f"{cookie_name(SESSION, secure=False)}={calls.world.people[email]}"}


async def requests(calls: Api) -> int:
    return len(await events(calls, "request.created"))


@asynccontextmanager
async def calling(world: World) -> AsyncIterator[Api]:
    """The API of a world, called with the support console's token."""
    transport = httpx2.ASGITransport(application(world.services))
    async with httpx2.AsyncClient(transport=transport, base_url=world.services.base_url) as http:
        found = Api(world, http)
        http.headers["Authorization"] = await found.token()
        yield found


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[Api]:
    """The API of a world whose institution is not enrolled yet."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path))
        yield await stack.enter_async_context(calling(world))


@pytest.fixture
async def enrolled(calls: Api) -> Api:
    """The same, enrolled, everybody signed in."""
    await calls.world.enrol()
    return calls


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Api]:
    """The API on each database, its institution not enrolled yet."""
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if request.param == "postgresql":
        urls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(run_world(url, owner_url, tmp_path))
        yield await stack.enter_async_context(calling(world))
