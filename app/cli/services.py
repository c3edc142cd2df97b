"""Settings from the environment, the services for the time of a command, and the operator who gives it."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from app import bootstrap
from app.actions.operators import operator
from app.actions.services import Services
from app.cli.common import NO, UNTRIED, fail
from app.domain.errors import CountersignError, Refused, Unavailable
from app.domain.events import Actor
from app.settings import Settings, SettingsError, load
from app.storage.database import Database
from app.storage.migrate import schema_begun
from app.tokens.keyfiles import KeysError

T = TypeVar("T")
OWNERS = {"lock_timeout": "5s", "statement_timeout": "30min", "idle_in_transaction_session_timeout": "5min"}
"""How long the owner's statements may take: a whole log is moved by one."""


def settings() -> Settings:
    """The settings of the environment; where they are wrong the command ends with 2 and says which."""
    try:
        return load(os.environ)
    except SettingsError as error:
        fail(UNTRIED, *error.problems)


def with_services(
    command: Callable[[Services], Awaitable[T]], given: Settings | None = None, *, database: bool = True
) -> T:
    """Run a command with the services; what goes wrong ends it with its exit code. `database`: it needs tables."""

    async def run(found: Settings) -> T:
        async with bootstrap.running(found) as services:
            if database:
                await _judge_database(services)
            return await command(services)

    found = given or settings()
    try:
        return asyncio.run(run(found))
    except SettingsError as error:
        fail(UNTRIED, *error.problems)
    except Refused as error:
        fail(NO, error.refusal.detail)
    except Unavailable as error:
        fail(UNTRIED, error.detail)
    except KeysError as error:
        fail(UNTRIED, str(error))
    except CountersignError as error:
        fail(NO, str(error))


@asynccontextmanager
async def as_owner(services: Services, found: Settings) -> AsyncIterator[Services]:
    """The services with the database as the owner of its tables; one on SQLite has no other."""
    if services.database.dialect == "sqlite":
        yield services
        return
    if found.owner_database_url is None:
        fail(UNTRIED, "COUNTERSIGN_OWNER_DATABASE_URL is wanted: only the tables' owner may set a log aside")
    owned = Database(found.owner_database_url, pool_size=2, timeouts=OWNERS)
    try:
        yield replace(services, database=owned)
    finally:
        await owned.close()


async def _judge_database(services: Services) -> None:
    async with services.database.read() as tx:
        if not await schema_begun(tx):
            fail(UNTRIED, "the database has no tables; run `countersign migrate`")


def this_operator(services: Services) -> Actor:
    """Who is at the command line."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user of a container that has no name
        name = str(os.getuid())
    return operator(services, name)
