"""The disk is full: whatever cannot be written is not acknowledged, and all goes on when there is room again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.domain.errors import Unavailable
from tests.actions.attacks import trail
from tests.actions.worlds import run_world
from tests.faults.conftest import Tell

AFTER = 30
"""Pages of 4 KiB that are left."""
MOST = 200


async def test_a_full_disk_acknowledges_nothing_and_loses_nothing(tmp_path: Path, tell: Tell) -> None:
    path = tmp_path / "countersign.db"
    async with run_world(f"sqlite:///{path}", None, tmp_path) as world:
        await world.enrol()
        with closing(sqlite3.connect(path)) as beside:
            (pages,) = beside.execute("PRAGMA page_count").fetchone()
        limit = pages + AFTER

        @sa.event.listens_for(world.services.database.engine.sync_engine, "begin")
        def _bound(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

        filed = []
        with pytest.raises(Unavailable):
            for _ in range(MOST):
                filed.append((await world.file()).row.id)  # noqa: PERF401 -- how far it comes is what is asked
        for _ in range(3):
            with pytest.raises(Unavailable):
                await world.file()
        limit = 1_000_000
        filed.append((await world.file()).row.id)
        created = [entry.subject for entry in await trail(world) if entry.type == "request.created"]
        assert created == filed
        report = await world.verify(await world.bundle())
        assert (report.exit_code, report.findings) == (0, ())
        tell("disk full (SQLite)", hit="4 of 4 refused", acknowledged=len(filed), lost=0)
