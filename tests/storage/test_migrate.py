from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app.storage import privileges
from app.storage.database import Database
from app.storage.migrate import downgrade, migrate, migration_engine, schema_suffices
from app.storage.tables import metadata
from tests.fixtures.schema import have_schema
from tests.storage.conftest import Urls


async def _inspect(empty: Urls, look: Any) -> Any:
    engine = migration_engine(empty.owner or empty.app)
    async with engine.connect() as connection:
        found = await connection.run_sync(look)
    await engine.dispose()
    return found


async def test_migrated_schema_is_exactly_the_tables(empty: Urls) -> None:
    await migrate(empty.app, empty.owner)

    def difference(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, metadata))

    assert await _inspect(empty, difference) == []


async def test_comparison_would_notice_a_missing_column(empty: Urls) -> None:
    await migrate(empty.app, empty.owner)

    def difference(connection: sa.Connection) -> list[Any]:
        connection.exec_driver_sql("ALTER TABLE outbox DROP COLUMN error")
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert len(await _inspect(empty, difference)) == 1


async def test_migrations_go_down_to_nothing_and_up_again(empty: Urls) -> None:
    await migrate(empty.app, empty.owner)
    await downgrade(empty.app, empty.owner, "base")
    assert await _inspect(empty, lambda connection: sa.inspect(connection).get_table_names()) == ["alembic_version"]
    await migrate(empty.app, empty.owner)


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
async def test_two_processes_that_migrate_at_once_take_turns(empty: Urls) -> None:
    assert empty.owner is not None
    code = "import asyncio, sys; from app.storage.migrate import migrate; asyncio.run(migrate(*sys.argv[1:]))"
    command = [sys.executable, "-c", code, empty.app, empty.owner]
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    assert [await process.wait() for process in processes] == [0, 0]


async def test_schema_is_at_head_only_after_the_last_migration(empty: Urls) -> None:
    database = Database(empty.app)
    async with database.read() as tx:
        assert not await schema_suffices(tx)
    await migrate(empty.app, empty.owner)
    async with database.read() as tx:
        assert await schema_suffices(tx)
    await downgrade(empty.app, empty.owner, "0001")
    async with database.read() as tx:
        assert not await schema_suffices(tx)
    await database.close()


@pytest.mark.parametrize("owner_url", [None, "postgresql://app@127.0.0.1/x"])
async def test_postgresql_wants_an_owner_apart_from_the_application(owner_url: str | None) -> None:
    with pytest.raises(ValueError, match="COUNTERSIGN_OWNER_DATABASE_URL"):
        await migrate("postgresql://app@127.0.0.1/x", owner_url)


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
async def test_application_role_owns_nothing_and_has_only_the_grants_of_the_table(empty: Urls) -> None:
    await migrate(empty.app, empty.owner)
    role = sa.make_url(empty.app).username
    owned = sa.text("SELECT count(*) FROM pg_class JOIN pg_roles ON relowner = pg_roles.oid WHERE rolname = :role")
    granted = sa.text(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = :role"
    )
    database = Database(empty.app)
    async with database.read() as tx:
        assert (await tx.connection.execute(owned, {"role": role})).scalar_one() == 0
        found = {(table, allowed) for table, allowed in await tx.connection.execute(granted, {"role": role})}
    await database.close()
    wanted = {(table.name, word) for table, allowed in privileges.GRANTS.items() for word in allowed.split(", ")}
    assert found == wanted | {("alembic_version", "SELECT")}
    assert set(privileges.GRANTS) == set(metadata.tables.values())


@pytest.mark.parametrize("revision, suffices", [("0001", False), (None, True), ("9999", True)])
async def test_a_later_schema_suffices_and_an_earlier_one_does_not(
    tmp_path: Path, revision: str | None, suffices: bool
) -> None:
    url = f"sqlite:///{tmp_path}/countersign.db"
    await have_schema(url, None)
    database = Database(url)
    try:
        if revision is not None:
            async with database.begin() as tx:
                await tx.connection.execute(sa.text("UPDATE alembic_version SET version_num = :at"), {"at": revision})
        async with database.read() as tx:
            assert await schema_suffices(tx) is suffices
    finally:
        await database.close()
