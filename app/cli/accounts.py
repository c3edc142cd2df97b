"""Commands about the vendor's accounts in an institution's environments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated

import typer

from app.actions import alma_scans, scans
from app.actions.scans import Scanned
from app.actions.services import Services
from app.cli.common import echo_json, progress
from app.cli.services import with_services
from app.domain.events import SERVICE

commands = typer.Typer()
accounts = typer.Typer(no_args_is_help=True, help="The vendor's accounts in an institution's environments.")
commands.add_typer(accounts, name="accounts")
PIECE = 1 << 16
Tell = Callable[[int, int], None]


@accounts.callback()
def _accounts() -> None:
    """Keep `scan` a command of its own."""


@accounts.command()
def scan(
    code: Annotated[str, typer.Argument(help="The institution's code.")],
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="Its users: Alma's JSON (.json), or CSV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: a line of JSON.")] = False,
) -> None:
    """Scan an environment's users, from a file or else from its Alma: findings are opened and closed by what is seen.

    Whatever the length of the file, it is read as it comes. Rows that cannot be used are told, and nothing is closed
    then; a file that cannot be read at all changes nothing.
    """

    async def run(services: Services) -> Scanned:
        place = await scans.judge_environment(services, code, environment)
        with progress("Scanning") as tell:
            if file is None:
                return await alma_scans.scan_at_once(services, code, place, tell)
            reading = scans.reading("application/json" if file.suffix.lower() == ".json" else "text/csv")
            await scans.read_file(reading, _pieces(file, size, tell))
            read = scans.finish_file(reading, place)
            return await scans.complete(services, SERVICE, code, read, asked_by=SERVICE.id)

    size = 0 if file is None else file.stat().st_size
    done = with_services(run)
    if as_json:
        broken = {"broken": done.broken, "broken_rows": [[each.line, each.why] for each in done.lines]}
        echo_json({"id": done.id, "users": done.users, "opened": done.opened, "closed": done.closed, **broken})
        return
    for each in done.lines:
        typer.echo(f"line {each.line}: {each.why}", err=True)
    typer.echo(
        f"{done.users} users, {len(done.opened)} findings opened, {len(done.closed)} closed, {done.broken} broken"
    )


async def _pieces(file: Path, size: int, tell: Tell | None) -> AsyncIterator[bytes]:
    read = 0
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            read += len(piece)
            if tell is not None:
                tell(read, size)
            yield piece
