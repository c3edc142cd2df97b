"""Both databases, migrated: a test that asks for `database` runs on each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app.storage.database import Database
from tests.fixtures.postgres import DatabaseUrls
from tests.fixtures.schema import have_schema


class Urls(NamedTuple):
    """Of the application's role, and of the owner (null on SQLite)."""

    app: str
    owner: str | None


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Urls:
    """An empty database."""
    return _urls(request, tmp_path, "postgres_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Urls:
    """A database that is or will be at the newest schema (`database`)."""
    return _urls(request, tmp_path, "migrated_url")


def _urls(request: pytest.FixtureRequest, folder: Path, postgres: str) -> Urls:
    if request.param == "sqlite":
        return Urls(f"sqlite:///{folder}/countersign.db", None)
    found: DatabaseUrls = request.getfixturevalue(postgres)
    return Urls(found.app, found.owner)


@pytest.fixture
async def database(urls: Urls) -> AsyncIterator[Database]:
    """A migrated database, as the application's role."""
    await have_schema(urls.app, urls.owner)
    database = Database(urls.app)
    yield database
    await database.close()
