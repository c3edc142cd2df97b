"""The auditor's command: judge a bundle, on any machine, with nothing but what the auditor brought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.audit.receipts import MAX_MAIL
from app.audit.verify import verify_bundle
from app.cli.common import UNTRIED, echo_json, fail, progress
from app.trail.note import MAX_NOTE

commands = typer.Typer()
_MAX_KEYS = 1 << 20
_MAX_NAME = 255


def _files(text: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, help=text, show_default=False)


@commands.command()
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
            receipts=[_bytes(path, MAX_MAIL) for path in receipt or []],
            older_checkpoints=[_bytes(path, MAX_NOTE) for path in older or []],
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
    if len(text.encode()) > _MAX_NAME or "\0" in text or not path.is_file():
        return [text]
    try:
        return _bytes(path, _MAX_KEYS).decode().split()
    except UnicodeDecodeError:
        fail(UNTRIED, f"{path}: not a file of verifier keys")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = orjson.loads(_bytes(path, _MAX_KEYS))
    except orjson.JSONDecodeError as error:
        fail(UNTRIED, f"{path}: not JSON ({error})")
    if not isinstance(data, dict):
        fail(UNTRIED, f'{path}: a key set {{"keys": […]}} is wanted')
    return data


def _bytes(path: Path, most: int) -> bytes:
    """A file whole, of at most so many bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        fail(UNTRIED, f"{path}: {error.strerror}")
    if len(data) > most:
        fail(UNTRIED, f"{path}: larger than {most} bytes")
    return data
