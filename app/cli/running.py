"""Commands that run the service."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn

from app import bootstrap, worker
from app.actions.meters import TOGETHER
from app.actions.services import Services
from app.cli.quick import QuickHttp
from app.cli.services import settings, with_services

GRACE_S = 20

commands = typer.Typer()


@commands.command()
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
    with counting_together(workers):
        _run(host, port, workers, both=both)


def _run(host: str, port: int, workers: int, *, both: bool) -> None:
    uvicorn.run(
        "app.main:with_worker" if both else "app.main:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http=QuickHttp,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


async def _nothing(_: Services) -> None:
    """The services could be built, and the database answers."""


@contextmanager
def counting_together(workers: int) -> Iterator[None]:
    """Let several processes of one `serve` keep their counts in files that any of them tells together at `/metrics`.

    The library reads where from the environment, when the processes import it. An operator's own folder is taken.
    """
    if workers == 1 or TOGETHER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="countersign-metrics-") as folder:
        os.environ[TOGETHER] = folder
        try:
            yield
        finally:
            del os.environ[TOGETHER]


@commands.command("worker")
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
