"""Commands that show what the service has recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.actions import succession
from app.actions.checkpoints import checkpoint as sign_checkpoint
from app.actions.derived import take
from app.actions.doctor import Difference, examine, seal
from app.actions.export import Asked
from app.actions.population import population
from app.actions.services import Services
from app.cli.common import NO, echo_json, fail, progress
from app.cli.services import as_owner, settings, this_operator, with_services

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
def checkpoint(
    words: Annotated[
        list[str], typer.Argument(metavar="CODE | succeed CODE", help="The institution's code, or VENDOR.")
    ],
    confirm: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="With succeed: the code once more, instead of typing it.", show_default=False
        ),
    ] = None,
) -> None:
    """Print a signed checkpoint of a trail, fresh; or, with succeed, open the successor of one that was rolled back.

    A trail of which signed entries are lost for good is never signed again. Its successor begins with what the old one
    last laid down; people bind anew, the new enrolment code has to be confirmed, and all that the old one gave is over.
    Restore the missing entries instead wherever you can.
    """
    match words:
        case [code] if code != "succeed":
            typer.echo(with_services(lambda services: sign_checkpoint(services, code)), nl=False)
        case ["succeed", code]:
            _succeed(code, confirm)
        case _:
            raise typer.BadParameter("give CODE, or: succeed CODE")


def _succeed(code: str, confirm: str | None) -> None:
    found = settings()
    _confirm(with_services(lambda services: succession.foresee(services, code), found), confirm)

    async def run(services: Services) -> succession.Succeeded:
        async with as_owner(services, found) as owned:
            return await succession.succeed(owned, code, this_operator(services))

    done = with_services(run, found)
    typer.echo(f"{done.loss.origin} continues {done.loss.signed.origin}, whose entries are kept as {done.aside}.")
    if done.enrolment_code is not None:
        typer.echo(f"Enrolment code of {code}: {done.enrolment_code}")


def _confirm(loss: succession.Loss, confirm: str | None) -> None:
    """Say what would be given up, and go on only where the operator says the code."""
    lost = loss.signed.size - loss.size
    there = f"The log has {loss.size} entries; a checkpoint of {loss.signed.size} was signed ({loss.signed.origin})."
    typer.echo(there, err=True)
    if lost > 0:
        typer.echo(f"{lost} entries that were signed are given up for good.", err=True)
    else:
        typer.echo("They are not those that were signed, which are given up for good.", err=True)
    typer.echo(f"{loss.origin} begins anew: people bind again, the new code has to be confirmed,", err=True)
    typer.echo("open requests, grants and sessions are over, mails not sent yet are not sent.", err=True)
    answer = confirm if confirm is not None else typer.prompt(f"Type {loss.code} to go on", err=True)
    if answer.strip() != loss.code:
        fail(NO, "nothing was changed")


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
