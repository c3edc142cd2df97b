"""What the database itself refuses, as the application's role, as the owner, and for a row slipped in by REPLACE."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.domain.errors import CountersignError
from app.domain.events import WORKER, Event
from app.storage import leaves, objects, retention
from app.storage.database import Database
from app.storage.migrate import migration_engine
from tests.storage.conftest import Urls
from tests.storage.worlds import CODE, open_trail, refusal

TRAIL = ("leaves", "tiles", "private_parts", "evidence")
DIGEST = "sha256:" + "0" * 64


async def _fill(database: Database) -> None:
    await open_trail(database)
    async with database.begin() as tx:
        head = await leaves.lock(tx, CODE)
        await leaves.append(tx, head, [refusal(n) for n in range(300)])
        assert await objects.put(tx, objects.EvidenceRow(CODE, DIGEST, b"{}"))


async def _counts(database: Database) -> list[int]:
    async with database.read() as tx:
        return [(await tx.connection.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar_one() for table in TRAIL]


async def _refused(urls: Urls, statement: str) -> None:
    """Refused for the application's role, and for the owner of the tables too."""
    for url in filter(None, urls):
        engine = migration_engine(url)
        with pytest.raises(DBAPIError, match=r"append only|permission denied"):
            async with engine.begin() as connection:
                await connection.execute(sa.text(statement))
        await engine.dispose()


@pytest.mark.parametrize("table", TRAIL)
async def test_rows_of_the_trail_are_not_updated(urls: Urls, database: Database, table: str) -> None:
    await _fill(database)
    await _refused(urls, f"UPDATE {table} SET log = 'other'")


@pytest.mark.parametrize("table", TRAIL)
async def test_rows_of_the_trail_are_not_deleted(urls: Urls, database: Database, table: str) -> None:
    await _fill(database)
    before = await _counts(database)
    await _refused(urls, f"DELETE FROM {table}")
    assert await _counts(database) == before
    assert before[1] == 1


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", TRAIL)
async def test_tables_of_the_trail_are_not_truncated(urls: Urls, database: Database, table: str) -> None:
    await _fill(database)
    await _refused(urls, f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", TRAIL)
async def test_rows_of_the_trail_are_not_replaced(urls: Urls, database: Database, table: str) -> None:
    await _fill(database)
    await _refused(urls, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    await _refused(urls, f"INSERT INTO {table} SELECT * FROM {table} WHERE true ON CONFLICT DO UPDATE SET log = 'x'")
    with pytest.raises(DBAPIError, match="no column named rowid"):
        async with database.begin() as tx:
            await tx.connection.execute(sa.text(f"INSERT OR REPLACE INTO {table} (rowid) VALUES (1)"))


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_application_role_may_not_disable_triggers_or_change_tables(urls: Urls, database: Database) -> None:
    for statement in (
        "ALTER TABLE leaves DISABLE TRIGGER ALL",
        "DROP TABLE leaves",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION trail_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "SET ROLE countersign_retention",
    ):
        with pytest.raises(DBAPIError, match=r"must be owner|permission denied"):
            async with database.begin() as tx:
                await tx.connection.execute(sa.text(statement))


async def test_private_part_goes_only_with_an_entry_that_tells_of_it(urls: Urls, database: Database) -> None:
    await _fill(database)
    erased = {"because": "retention", "indexes": [3], "change": None, "evidence": []}
    async with database.begin() as tx:
        await leaves.append(tx, await leaves.lock(tx, CODE), [Event("private.erased", CODE, WORKER, erased)])
    engine = migration_engine(urls.owner or urls.app)
    async with engine.connect() as connection:
        if urls.owner is not None:
            await connection.execute(sa.text("SET ROLE countersign_retention"))
        await connection.execute(sa.text("DELETE FROM private_parts WHERE idx = 3"))
        await connection.commit()
        with pytest.raises(DBAPIError, match="append only"):
            await connection.execute(sa.text("DELETE FROM private_parts WHERE idx = 4"))
        await connection.rollback()
        with pytest.raises(DBAPIError, match="append only"):
            await connection.execute(sa.text("DELETE FROM evidence"))
    await engine.dispose()
    assert (await _counts(database))[2] == 299


async def test_the_service_erases_what_an_entry_tells_of_and_nothing_else(database: Database) -> None:
    await _fill(database)
    told = {"because": "retention", "indexes": [3, 5], "change": None, "evidence": []}
    with pytest.raises(DBAPIError, match="append only"):
        async with database.begin() as tx:
            await retention.erase(tx, CODE, [3], [])
    with pytest.raises(DBAPIError, match="append only"):
        async with database.begin() as tx:
            await leaves.append(tx, await leaves.lock(tx, CODE), [Event("private.erased", CODE, WORKER, told)])
            await retention.erase(tx, CODE, [3, 4, 5], [])
    with pytest.raises(CountersignError, match="not there"):
        async with database.begin() as tx:
            named = told | {"indexes": [3, 300]}
            await leaves.append(tx, await leaves.lock(tx, CODE), [Event("private.erased", CODE, WORKER, named)])
            await retention.erase(tx, CODE, [3, 300], [])
    assert (await _counts(database))[2:] == [300, 1]
    gone = {"because": "retention", "digests": [DIGEST], "change": None, "evidence": []}
    async with database.begin() as tx:
        events = [Event("private.erased", CODE, WORKER, told), Event("evidence.erased", CODE, WORKER, gone)]
        await leaves.append(tx, await leaves.lock(tx, CODE), events)
        await retention.erase(tx, CODE, [3, 5], [DIGEST])
    assert (await _counts(database))[2:] == [298, 0]
