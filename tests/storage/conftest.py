"""Both databases, migrated: a test that asks for `database` runs on each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from app.storage.database import Database
from app.storage.migrate import migrate
from tests.fixtures.postgres import DatabaseUrls


class Urls(NamedTuple):
    """Of the application's role, and of the owner (null on SQLite)."""

    app: str
    owner: str | None


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Urls:
    """An empty database."""
    if request.param == "sqlite":
        return Urls(f"sqlite:///{tmp_path}/countersign.db", None)
    found: DatabaseUrls = request.getfixturevalue("postgres_url")
    return Urls(found.app, found.owner)


@pytest.fixture
async def database(urls: Urls) -> AsyncIterator[Database]:
    """A migrated database, as the application's role."""
    await migrate(urls.app, urls.owner)
    database = Database(urls.app)
    yield database
    await database.close()
