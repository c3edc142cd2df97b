"""Statements of the service on tables that grow: each names the institution, or one row by a unique key, so that a
distributed PostgreSQL could place rows by institution; and each has an index that serves it.

What people and machines wait for is told from what the worker looks for ("what is due, wherever it is").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa

from app.actions import grants, introspection
from app.actions.requests import Wanted, find
from app.storage import tables
from app.storage.database import Database
from app.worker import DUTIES
from tests.actions.worlds import CODE, HEAD, World, run_world
from tests.fixtures.postgres import DatabaseUrls

pytestmark = pytest.mark.postgres
SMALL = {
    "attempts": "by the hash of an address, forgotten within a day",
    "clients": "as many as the vendor has systems",
    "idempotency": "by an API client, forgotten within a day",
    "institutions": "one row an institution; its code is the log's name",
    "logs": "one row a log",
    "publications": "one row a log",
    "replays": "by an API client, forgotten within minutes",
    "service_meta": "a few rows",
    "stream": "one row",
    "webhooks": "as many as were registered",
    "witnesses": "a few rows",
}
SWEPT_WHOLE = {
    "environment_secrets": "one row an environment, once a quarter of a minute by the worker",
    "recording_keys": "one row an institution, once an hour by the worker",
    "web_sessions": "whoever is signed in, once a minute by the worker",
}
GROWING = {table.name: table for table in tables.metadata.sorted_tables if table.name not in SMALL}
_NAMES_LOG = re.compile(r"\blog\b\"? (?:= |IN |== )|= \w+\.log\b|\(\w+\.log, ")


@dataclass
class Heard:
    """The statements of a connection pool, by who waits for them."""

    asked: dict[str, None] = field(default_factory=dict)
    swept: dict[str, None] = field(default_factory=dict)
    sweeping: bool = False

    def note(self, text: str) -> None:
        (self.swept if self.sweeping else self.asked)[text] = None

    def listen(self, database: Database) -> None:
        """From now on, to SQLAlchemy's statements and to those that go straight to the driver."""
        engine = database.engine.sync_engine
        sa.event.listen(engine, "before_cursor_execute", lambda _c, _u, text, _p, _x, _m: self.note(text))
        sa.event.listen(engine, "connect", lambda made, _: self._tap(made.driver_connection))

    def _tap(self, connection: Any) -> None:
        connection.add_query_logger(lambda logged: self.note(logged.query))


def touched(text: str) -> Iterator[str]:
    for name in GROWING:
        if re.search(rf"\b(?:FROM|JOIN|UPDATE) {name}\b", text):
            yield name


def unique_columns(table: sa.Table) -> set[str]:
    """Those each of which names one row by itself."""
    keys = [list(table.primary_key), *(list(index.columns) for index in table.indexes if index.unique)]
    keys += [list(each.columns) for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    return {key[0].name for key in keys if len(key) == 1}


def names_one_row(text: str, table: sa.Table) -> bool:
    return any(re.search(rf"\b{table.name}\.{column} (?:=|IN)", text) for column in unique_columns(table))


@pytest.fixture
async def heard(migrated_url: DatabaseUrls, tmp_path: Path) -> tuple[Heard, DatabaseUrls]:
    """What the main job says to the database: from enrolment to export, with all of the worker's duties."""
    heard = Heard()
    async with run_world(migrated_url.app, migrated_url.owner, tmp_path) as world:
        heard.listen(world.services.database)
        await world.services.database.engine.dispose()
        await _main_job(world)
        heard.sweeping = True
        for duty in DUTIES:
            await duty.work(world.services)
    return heard, migrated_url


async def _main_job(world: World) -> None:
    await world.enrol()
    request = (await world.file()).row.id
    await world.approve(HEAD, request)
    await grants.mint(world.services, world.caller, request)
    minted = await grants.mint(world.services, world.caller, request)
    await introspection.introspect(world.services, world.caller, minted.access_token)
    await find(world.services, world.caller, Wanted(institution=CODE), 50, None)
    await world.deny(HEAD, (await world.file()).row.id)
    await world.bundle()
    await world.bundle(request)


async def test_every_statement_that_somebody_waits_for_names_the_institution_or_one_row(
    heard: tuple[Heard, DatabaseUrls],
) -> None:
    found, _ = heard
    assert len(found.asked) > 50
    lacking = [
        (name, text)
        for text in found.asked
        for name in touched(text)
        if not _NAMES_LOG.search(text) and not names_one_row(text, GROWING[name])
    ]
    assert lacking == []


def test_every_growing_table_carries_the_institution() -> None:
    assert [name for name, table in GROWING.items() if "log" not in table.c] == []


async def test_every_statement_has_an_index_that_serves_it(heard: tuple[Heard, DatabaseUrls]) -> None:
    found, urls = heard
    connection = await asyncpg.connect(urls.app.replace("postgresql+asyncpg", "postgresql"))
    try:
        await connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        unserved = []
        partial = await connection.fetch("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")
        few = {index for (index,) in partial}  # they hold what is open or due, and nothing else
        for place, text in enumerate([*found.asked, *found.swept]):
            if any(touched(text)):
                plan = await _plan(connection, f"s{place}", text)
                unserved += [(name, text) for name in _scanned(plan, few) if name not in {*SMALL, *SWEPT_WHOLE}]
        assert unserved == []
    finally:
        await connection.close()


async def _plan(connection: Any, name: str, text: str) -> Mapping[str, Any]:
    count = max((int(number) for number in re.findall(r"\$(\d+)", text)), default=0)
    await connection.execute(f"PREPARE {name} AS {text}")
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    return dict(json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{values}"))[0]["Plan"])


def _scanned(plan: Mapping[str, Any], few: AbstractSet[str]) -> Iterator[str]:
    """The tables of which the plan reads every row, or every row by way of an index that holds them all."""
    whole = "Index Name" in plan and "Index Cond" not in plan and plan["Index Name"] not in few
    if plan["Node Type"] == "Seq Scan" or whole:
        yield plan.get("Relation Name", plan.get("Index Name"))
    for inner in plan.get("Plans", ()):
        yield from _scanned(inner, few)
