"""Migrations, run by the service itself: Alembic's scripts in `migrations/`, then the grants of the application's role.

On PostgreSQL the owner of tables and trigger functions migrates, and the application's role (the user of its own URL)
owns nothing; a third role, `countersign_retention`, is the only one that may delete private parts and evidence. Each
migration is one transaction with lock and statement timeouts, so that it gives way to the running service instead of
stopping it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine

from app.storage import privileges
from app.storage.database import Transaction, driver_url, make_engine

SCRIPTS = Path(__file__).parents[2] / "migrations"
_TIMEOUTS = {"lock_timeout": "5s", "statement_timeout": "5min", "idle_in_transaction_session_timeout": "1min"}
# One migrator at a time on PostgreSQL; SQLite's BEGIN IMMEDIATE does the same.
_ADVISORY_LOCK = 0x636F756E746572


def migration_engine(url: str) -> AsyncEngine:
    """An engine for migrating."""
    return make_engine(url, pool_size=1, timeouts=_TIMEOUTS)


async def migrate(url: str, owner_url: str | None = None) -> None:
    """Bring the database of `url` to the newest schema, as its owner (PostgreSQL: `owner_url`), and set the grants.

    Raises `ValueError` where PostgreSQL has no owner apart from the application's role.
    """
    await _run(url, owner_url, "head")


async def downgrade(url: str, owner_url: str | None, revision: str) -> None:
    """Take the database back to an earlier revision (`base`: nothing of ours is left)."""
    await _run(url, owner_url, revision, down=True)


async def _run(url: str, owner_url: str | None, revision: str, *, down: bool = False) -> None:
    role = _application_role(url, owner_url)
    engine = migration_engine(owner_url or url)
    try:
        async with engine.connect() as connection:
            if role is not None:
                await connection.execute(sa.select(sa.func.pg_advisory_lock(_ADVISORY_LOCK)))
                await connection.commit()
            await connection.run_sync(_alembic, revision, down)
            if role is not None and not down:
                await connection.run_sync(privileges.grant, role)
                await connection.commit()
    finally:
        await engine.dispose()


def _application_role(url: str, owner_url: str | None) -> str | None:
    """The role of the application on PostgreSQL, null on SQLite."""
    target = driver_url(url)
    if target.get_backend_name() == "sqlite":
        return None
    owner = driver_url(owner_url).username if owner_url else None
    if owner is None or target.username is None or owner == target.username:
        raise ValueError(
            "on PostgreSQL the owner (COUNTERSIGN_OWNER_DATABASE_URL) must be another role than the application's"
        )
    return target.username


def _alembic(connection: sa.Connection, revision: str, down: bool) -> None:
    config = _config()
    config.attributes["connection"] = connection
    if down:
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


async def schema_suffices(tx: Transaction) -> bool:
    """Whether the database is at the migration this code expects, or at a later one: every migration leaves the version
    before it working, so that replicas are replaced one after the other.
    """
    heads, expected = await _heads(tx), _expected()
    return len(heads) == 1 and expected is not None and heads[0] >= expected


async def schema_begun(tx: Transaction) -> bool:
    """Whether the database was ever migrated."""
    return await _heads(tx) != ()


@cache
def _expected() -> str | None:
    """The newest migration of this code; its scripts are read once."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def _heads(tx: Transaction) -> tuple[str, ...]:
    return await tx.connection.run_sync(lambda connection: MigrationContext.configure(connection).get_current_heads())
