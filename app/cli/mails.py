"""Mails that came back: what the mail system pipes here is recorded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.actions import bounces
from app.actions.bounces import Recorded
from app.actions.services import Services
from app.cli.common import UNTRIED
from app.cli.services import with_services
from app.notify.bounces import MAX_REPORT

commands = typer.Typer()
TRY_AGAIN = 75
"""`EX_TEMPFAIL` of sysexits(3): the mail system keeps the mail and pipes it again."""

_SAID: dict[Recorded, str] = {
    "recorded": "recorded: the mail did not arrive",
    "known": "known already",
    "no-bounce": "no report that a mail was given up; nothing is recorded",
    "unknown": "of no mail of this service; nothing is recorded",
}


@commands.command()
def bounce(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="The mail; without it, standard input.")
    ] = None,
) -> None:
    """Record a mail that came back to the bounce address, as a mail system pipes it (RFC 3464).

    Whatever is no bounce changes nothing and is no error. When the service cannot be reached the exit code is 75, at
    which mail systems try again.
    """
    raw = file.read_bytes() if file is not None else sys.stdin.buffer.read(MAX_REPORT + 1)

    async def run(services: Services) -> Recorded:
        return await bounces.record(services, raw)

    try:
        typer.echo(_SAID[with_services(run)])
    except typer.Exit as exited:
        raise typer.Exit(TRY_AGAIN if exited.exit_code == UNTRIED else exited.exit_code) from exited
