"""Commands that show what the service has recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.actions.checkpoints import checkpoint as sign_checkpoint
from app.actions.derived import take
from app.actions.doctor import Difference, examine, seal
from app.actions.export import Asked
from app.actions.population import population
from app.actions.services import Services
from app.cli.common import NO, echo_json, fail, progress
from app.cli.services import this_operator, with_services

commands = typer.Typer()


@commands.command()
def export(
    code: Annotated[str, typer.Argument(help="The institution's code.")],
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="The file to write.", show_default=False)] = None,
    request: Annotated[str | None, typer.Option(help="Only what concerns this access request (req_…).")] = None,
    form: Annotated[
        str, typer.Option("--format", help="A bundle, which proves, or rows: jsonl, csv or parquet.")
    ] = "bundle",
    start: Annotated[int, typer.Option("--from", min=0, help="Rows: the first entry.")] = 0,
    stop: Annotated[int | None, typer.Option("--to", min=0, help="Rows: the entry to end before.")] = None,
    counts: Annotated[
        bool, typer.Option("--population", help="Only print how many there are of everything, as a line of JSON.")
    ] = False,
) -> None:
    """Write an export of a trail, as the operator: an event of that trail.

    Private parts and evidence are in it only where the institution's policy lets others see them. With --population
    nothing is exported, so nothing is recorded.
    """
    if counts:
        echo_json(with_services(lambda services: population(services, code)))
        return
    if out is None:
        raise typer.BadParameter("name the file to write", param_hint="--out")

    async def run(services: Services) -> None:
        export = await take(services, this_operator(services), code, Asked(form, request, start, stop))
        unfinished = out.with_name(out.name + ".part")
        with unfinished.open("wb") as file:
            async for piece in export.pieces:
                file.write(piece)
        unfinished.replace(out)

    with_services(run)
    typer.echo(f"Wrote {out}" + (f"; `countersign verify {out}` judges it." if form == "bundle" else "."), err=True)


@commands.command()
def checkpoint(code: Annotated[str, typer.Argument(help="The institution's code, or VENDOR.")]) -> None:
    """Print a signed checkpoint of a trail, fresh."""

    async def run(services: Services) -> bytes:
        return await sign_checkpoint(services, code)

    typer.echo(with_services(run), nl=False)


@commands.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines: a line of JSON for each difference.")] = False,
    seal_rows: Annotated[
        bool, typer.Option("--seal", help="First seal anew the rows that agree with their trail in all else.")
    ] = False,
) -> None:
    """Rebuild every tree, replay every trail, and compare the tables with what they tell.

    Exit code 1 where anything differs. Nothing is changed; with --seal, nothing but seals.
    """

    async def run(services: Services) -> list[Difference]:
        for code in await seal(services) if seal_rows else ():
            typer.echo(f"Sealed {code}.", err=True)
        with progress("Examining") as tell:
            return await examine(services, tell)

    found = with_services(run)
    for each in found:
        if as_json:
            echo_json({"log": each.log, "index": each.index, "what": each.words})
        else:
            typer.echo(f"{each.log}{'' if each.index is None else f' entry {each.index}'}: {each.words}")
    if found:
        fail(NO, f"{len(found)} differences")
    if not as_json:
        typer.echo("Every tree, trail and table agrees.")
