"""Commands that show what the service has recorded, and judge it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.actions.checkpoints import checkpoint as sign_checkpoint
from app.actions.doctor import Difference, examine
from app.actions.export import export as export_bundle
from app.actions.services import Services
from app.audit.verify import verify_bundle
from app.cli.common import NO, UNTRIED, echo_json, fail, progress, this_operator, with_services

Existing = Annotated[list[Path] | None, typer.Option(exists=True, dir_okay=False)]


def _files(text: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, help=text, show_default=False)


def verify(
    bundle: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The bundle (zip).")],
    vkey: Annotated[
        list[str] | None,
        typer.Option(help="A verifier key of the trail, the vendor's log or a witness, or a file of them."),
    ] = None,
    idp_jwks: Annotated[
        list[Path] | None, _files("Key set of the institution's identity provider (JSON), kept by the institution.")
    ] = None,
    vendor_jwks: Annotated[
        list[Path] | None, _files("Key set of the vendor's identity provider (JSON), for engineers' sign-ins.")
    ] = None,
    receipt: Annotated[list[Path] | None, _files("A mail of the service, as it was kept (.eml).")] = None,
    older: Annotated[
        list[Path] | None,
        typer.Option("--from", exists=True, dir_okay=False, help="An older checkpoint.", show_default=False),
    ] = None,
    enrolment: Annotated[str | None, typer.Option(help="The enrolment code that the institution was told.")] = None,
    quorum: Annotated[
        int | None, typer.Option(min=0, help="How many of the witnesses given are enough; without, all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: the report as one line of JSON.")] = False,
) -> None:
    """Verify a bundle offline: no network, no database, nothing believed that can be checked.

    Exit code 0: nothing wrong, and anchored in what you brought (--vkey, --enrolment, --idp-jwks). 3: nothing wrong in
    itself, but not anchored. 1: something is wrong. 2: the input cannot be read. Repeat options for more.
    """
    with progress("Verifying") as tell:
        report = verify_bundle(
            bundle,
            vkeys=[key for each in vkey or [] for key in _vkeys(each)],
            idp_jwks=[_json(path) for path in idp_jwks or []],
            vendor_jwks=[_json(path) for path in vendor_jwks or []],
            receipts=[path.read_bytes() for path in receipt or []],
            older_checkpoints=[path.read_bytes() for path in older or []],
            enrolment=enrolment,
            quorum=quorum,
            progress=tell,
        )
    if as_json:
        echo_json(report.to_data())
    else:
        typer.echo(report.to_text(), nl=False)
    raise typer.Exit(report.exit_code)


def _vkeys(text: str) -> list[str]:
    """A key as it is, or the keys of a file, one a line."""
    path = Path(text)
    return path.read_text(encoding="utf-8").split() if path.is_file() else [text]


def _json(path: Path) -> dict[str, Any]:
    try:
        data = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        fail(UNTRIED, f"{path}: not JSON ({error})")
    if not isinstance(data, dict):
        fail(UNTRIED, f'{path}: a key set {{"keys": […]}} is wanted')
    return data


def export(
    code: Annotated[str, typer.Argument(help="The institution's code.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    request: Annotated[str | None, typer.Option(help="Only what concerns this access request (req_…).")] = None,
) -> None:
    """Write a bundle of a trail, as the operator: an event of that trail.

    Private parts and evidence are in it only where the institution's policy lets others see them.
    """

    async def run(services: Services) -> None:
        bundle = await export_bundle(services, this_operator(services), code, request)
        unfinished = out.with_name(out.name + ".part")
        with unfinished.open("wb") as file:
            async for piece in bundle.pieces:
                file.write(piece)
        unfinished.replace(out)

    with_services(run)
    typer.echo(f"Wrote {out}; `countersign verify {out}` judges it.", err=True)


def checkpoint(code: Annotated[str, typer.Argument(help="The institution's code, or VENDOR.")]) -> None:
    """Print a signed checkpoint of a trail, fresh."""

    async def run(services: Services) -> bytes:
        return await sign_checkpoint(services, code)

    typer.echo(with_services(run), nl=False)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For machines: a line of JSON for each difference.")] = False,
) -> None:
    """Rebuild every tree, replay every trail, and compare the tables with what they tell.

    Exit code 1 where anything differs. Nothing is changed.
    """

    async def run(services: Services) -> list[Difference]:
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
