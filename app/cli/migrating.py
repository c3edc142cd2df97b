"""The command that brings the database to the schema."""

from __future__ import annotations

import asyncio

import typer
from sqlalchemy.exc import DBAPIError

from app import bootstrap
from app.cli.common import UNTRIED, fail
from app.cli.services import settings
from app.storage.migrate import migrate as migrate_database

commands = typer.Typer()


@commands.command()
def migrate() -> None:
    """Bring the database to the schema of this version.

    On PostgreSQL as the owner of COUNTERSIGN_OWNER_DATABASE_URL, who also grants the service's role what it needs.
    """
    found = settings()
    bootstrap.make_database_folder(found)
    try:
        asyncio.run(migrate_database(found.database_url, found.owner_database_url))
    except ValueError as error:
        fail(UNTRIED, str(error))
    except (OSError, DBAPIError) as error:
        fail(UNTRIED, f"the database cannot be migrated: {error}")
    typer.echo("The database is at the schema of this version.")
