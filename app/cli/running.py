"""Commands that run the service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.exc import DBAPIError

from app import bootstrap, worker
from app.actions.services import Services
from app.cli.common import UNTRIED, fail, settings, with_services
from app.storage.migrate import migrate as migrate_database

GRACE_S = 20
_CHECKOUT = Path(__file__).parents[2]


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="How many processes answer.")] = 1,
    with_worker: Annotated[
        bool | None,
        typer.Option(
            "--with-worker/--without-worker",
            help="Whether the worker runs in the same processes; without saying, it does with SQLite.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Answer the API and the pages.

    Settings, keys and database are looked at before anything is bound; what is wrong is said, and the exit code is 2.
    SIGTERM lets running requests end.
    """
    found = settings()
    if found.development:
        bootstrap.make_first_keys(found)
        bootstrap.make_database_folder(found)
    with_services(_nothing, found)
    both = found.database_url.startswith("sqlite") if with_worker is None else with_worker
    uvicorn.run(
        "app.main:with_worker" if both else "app.main:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


async def _nothing(_: Services) -> None:
    """The services could be built, and the database answers."""


def work() -> None:
    """Deliver mails, record what the clock is due, forget what is over, until SIGTERM.

    Any number may run beside each other and beside `serve`.
    """
    worker.configure_logs()

    async def run(services: Services) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await worker.work(services, stop)

    with_services(run)


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


def demo(context: typer.Context) -> None:
    """Play the main job with embedded parts: SQLite, an identity provider, a mail sink. Needs the checkout.

    With --stay instead: keep the service up with a small world, until Ctrl-C. Other words are handed on.
    """
    if not (_CHECKOUT / "demo" / "__main__.py").is_file():
        fail(UNTRIED, "the demo is not installed with the service; run `make demo` in a checkout of its source")
    os.chdir(_CHECKOUT)
    # In place of this process, so that Ctrl-C reaches the demo alone, which then ends what it started.
    os.execv(sys.executable, [sys.executable, "-m", "demo", *context.args])  # noqa: S606 -- our own
