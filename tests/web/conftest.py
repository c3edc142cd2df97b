"""A site over a world on SQLite; what pages show does not depend on the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.actions.worlds import World, another_institution, run_world
from tests.web.served import served
from tests.web.site import Site, visit

OTHER = "01NUL_INST"
_OTHER = another_institution(OTHER)


def _configure(text: str) -> str:
    """Long windows need two approvals; a second institution has a sandbox in implementation."""
    one = "approvals_required = 1"
    return text.replace(one, f"{one}\nsecond_approval_over_minutes = 300") + _OTHER


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose institution is not enrolled yet."""
    async with run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path, _configure) as made:
        yield made


@pytest.fixture
async def newcomer(world: World) -> AsyncIterator[Site]:
    """A browser that nobody is signed in with, before the enrolment."""
    async with visit(world) as site:
        yield site


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    """A browser that nobody is signed in with, after the enrolment."""
    await world.enrol()
    async with visit(world) as site:
        yield site


@pytest.fixture
async def base(world: World, free_port: int) -> AsyncIterator[str]:
    """The address of the pages, served for real."""
    async with served(world, free_port) as address:
        await world.enrol()
        yield address
