"""What all commands share: settings, services for the time of a command, exit codes, the operator, progress.

Exit codes: 0 done; 1 the answer is no (refused, a difference, a finding); 2 it could not be tried (settings, input, a
dependency in doubt); `verify` also has 3.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from app import bootstrap
from app.actions.operators import operator
from app.actions.services import Services
from app.domain.errors import CountersignError, Refused, Unavailable
from app.domain.events import Actor
from app.settings import Settings, SettingsError, load
from app.storage.migrate import schema_begun
from app.tokens.keyfiles import KeysError

T = TypeVar("T")
NO, UNTRIED = 1, 2


def fail(code: int, *lines: str) -> NoReturn:
    """End the command with these lines on standard error."""
    for line in lines:
        typer.echo(f"countersign: {line}", err=True)
    raise typer.Exit(code)


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


def echo_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error, where that is a terminal: called with what is done and how much there is."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
