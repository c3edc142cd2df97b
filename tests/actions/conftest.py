"""Worlds on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.actions.worlds import Configure, World, run_world


@pytest.fixture
def configure() -> Configure:
    """What is changed in `world.toml`: nothing, unless a module says otherwise."""
    return str


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest, tmp_path: Path, configure: Configure) -> AsyncIterator[World]:
    """A world whose institution is not enrolled yet."""
    url, owner_url = f"sqlite:///{tmp_path}/countersign.db", None
    if request.param == "postgresql":
        urls = request.getfixturevalue("migrated_url")
        url, owner_url = urls.app, urls.owner
    async with run_world(url, owner_url, tmp_path, configure) as made:
        yield made


@pytest.fixture
async def enrolled(world: World) -> World:
    """A world whose institution is enrolled, everybody signed in."""
    await world.enrol()
    return world
