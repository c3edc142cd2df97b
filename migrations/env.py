"""How Alembic runs our migrations: each in one transaction, over a connection of the storage room's own engine.

`app.storage.migrate` hands its connection in `config.attributes["connection"]`; Alembic's own command line makes one
here.
"""

from __future__ import annotations

import asyncio
import os

import sqlalchemy as sa
from alembic import context

from app.storage.migrate import migration_engine
from app.storage.tables import metadata


def run(connection: sa.Connection) -> None:
    """Run what Alembic was asked for."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        transactional_ddl=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone() -> None:
    """Run over an engine of our own, with the owner's URL."""
    url = os.environ.get("COUNTERSIGN_OWNER_DATABASE_URL") or os.environ["COUNTERSIGN_DATABASE_URL"]
    engine = migration_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_alone())
else:
    run(given)
