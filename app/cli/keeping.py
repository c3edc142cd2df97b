"""Commands of the operator: what the service holds, its keys and API clients. Each change is an event of theirs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from app import bootstrap
from app.actions.clients import SECRET_PREFIX, add_client, rotate_client
from app.actions.institutions import Applied, plan
from app.actions.institutions import apply as apply_world
from app.actions.keys import begin_trail_rotation, finish_trail_rotation, rotate_client_keys, rotate_token_keys
from app.actions.services import Services
from app.actions.succession import origin_in_force
from app.actions.webhooks import WebhookView, overview
from app.actions.world import read_client, read_world
from app.actions.worldspecs import World
from app.actions.worldtable import WorldError
from app.cli.common import NO, UNTRIED, echo_json, fail
from app.cli.services import settings, this_operator, with_services
from app.settings import Settings
from app.tokens.keys import CLIENT, TOKENS, Rotation
from app.tokens.keysets import has_keys
from app.tokens.secrets import new_secret
from app.trail.note import VerifierKey

Json = Annotated[bool, typer.Option("--json", help="For machines: JSON, a line each.")]

commands = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="The keys that sign tokens and trails.")
client = typer.Typer(no_args_is_help=True, help="API clients added by hand; those of a world file belong there.")
commands.add_typer(keys, name="keys")
commands.add_typer(client, name="client")


@commands.command()
def apply(
    world: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The world file (TOML).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help='For machines: a line {"institution","enrolment_code"} for each created.')
    ] = False,
) -> None:
    """Make the service hold what a world file declares: the vendor, API clients, institutions.

    Applied whole or not at all, and any number of times. What an institution's trail pins is changed by its own admins
    alone: a file that differs there changes nothing, and the exit code is 1. Give each institution its enrolment code
    by another road than mail from this service.
    """
    found = settings()
    declared = _read(world, allow_http=found.development)
    bootstrap.make_first_keys(found)

    async def run(services: Services) -> Applied:
        if dry_run:
            return await plan(services, declared)
        return await apply_world(services, declared, this_operator(services))

    _tell(with_services(run, found), dry_run=dry_run, as_json=as_json)


def _read(path: Path, *, allow_http: bool) -> World:
    try:
        return read_world(path.read_bytes(), environ=os.environ, folder=path.parent, allow_http=allow_http)
    except WorldError as error:
        fail(UNTRIED, *(f"{path}: {each}" for each in error.problems))
    except OSError as error:
        fail(UNTRIED, f"{path}: {error.strerror}")


def _tell(outcome: Applied, *, dry_run: bool, as_json: bool) -> None:
    if outcome.refused:
        fail(NO, *outcome.refused, "nothing was applied")
    if as_json:
        for code, enrolment_code in outcome.created:
            echo_json({"institution": code, "enrolment_code": enrolment_code})
        return
    for line in outcome.changed:
        typer.echo(line)
    if not outcome.changed:
        typer.echo("Nothing to change.")
    if not dry_run:
        for code, enrolment_code in outcome.created:
            typer.echo(f"Enrolment code of {code}: {enrolment_code}")


@keys.command("list")
def list_keys(
    tokens: Annotated[bool, typer.Option("--tokens", help="The keys for tokens instead, with their states.")] = False,
    client_keys: Annotated[
        bool, typer.Option("--client", help="The keys of our sign-in at providers instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the verifier key of each trail, one a line: what an auditor notes, and `verify --vkey` takes."""

    async def run(services: Services) -> list[tuple[str, str]]:
        if tokens:
            return [(key.kid, key.state) for key in services.ring.token_keys()]
        if client_keys:
            return [(key.kid, key.state) for key in services.ring.client_keys().every()]
        every = await asyncio.to_thread(services.ring.trail_keys)
        return [(key.log, VerifierKey(origin_in_force(services, key.log), key.public).vkey) for key in every]

    states = tokens or client_keys
    names = ("kid", "state") if states else ("log", "vkey")
    for row in with_services(run, database=False):
        if as_json:
            echo_json(dict(zip(names, row, strict=True)))
        else:
            typer.echo(" ".join(row) if states else row[1])


@keys.command("rotate")
def rotate_keys(
    client_keys: Annotated[
        bool, typer.Option("--client", help="The keys of our sign-in at providers (private_key_jwt) instead.")
    ] = False,
    trail: Annotated[
        str | None, typer.Option("--trail", metavar="CODE", help="The key of this trail instead: begin an overlap.")
    ] = None,
    finish: Annotated[bool, typer.Option("--finish", help="With --trail: end the overlap; the new key alone.")] = False,
    as_json: Json = False,
) -> None:
    """Let the next key sign tokens from now on, and make another next one; the first time, make both.

    The key that signed until now is accepted as long as tokens of it live. Running services follow by themselves. The
    key of a trail and the new one both sign until --finish: until then auditors and witnesses take note of the new one.
    """
    found = settings()
    if finish and trail is None:
        fail(UNTRIED, "--finish: name the trail with --trail")
    if trail is not None:
        _rotate_trail(found, trail, finish=finish, as_json=as_json)
        return
    if found.keys_dir is not None and not has_keys(found.keys_dir, CLIENT if client_keys else TOKENS):
        bootstrap.make_first_keys(found)
        typer.echo("Made the first keys.", err=True)
        return

    async def run(services: Services) -> Rotation:
        if client_keys:
            return await rotate_client_keys(services)
        return await rotate_token_keys(services, this_operator(services))

    done = with_services(run, found)
    told = {"current": done.current, "added": done.added, "retired": done.retired, "deleted": list(done.deleted)}
    if as_json:
        echo_json(told)
    else:
        typer.echo(f"{done.current} signs now, {done.added} is next, {done.retired} is retired.")


def _rotate_trail(found: Settings, code: str, *, finish: bool, as_json: bool) -> None:
    async def run(services: Services) -> tuple[str, str]:
        turn = finish_trail_rotation if finish else begin_trail_rotation
        return await turn(services, code, this_operator(services))

    old, new = with_services(run, found)
    if as_json:
        echo_json({"old": old, "new": new})
    else:
        typer.echo(f"{old} {'is retired' if finish else 'and the new key both sign now'}.\n{new}")


@client.command("add")
def add(
    client_id: Annotated[str, typer.Argument(help="The name it signs in with.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; repeat for more.")],
    institution: Annotated[list[str], typer.Option(help='For which institutions; "*" for all; repeat for more.')],
    audience: Annotated[
        list[str] | None, typer.Option(help="A gateway audience it deals with; repeat for more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create an API client; its secret is printed this once."""
    secret = new_secret(SECRET_PREFIX)
    try:
        spec = read_client(client_id, secret, scope, institution, audience or [])
    except WorldError as error:
        fail(UNTRIED, *error.problems)

    async def run(services: Services) -> None:
        await add_client(services, this_operator(services), spec)

    with_services(run)
    _tell_secret(client_id, secret, as_json=as_json)


@client.command("rotate")
def rotate(
    client_id: Annotated[str, typer.Argument(help="The name it signs in with.")],
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="The secret of now counts on beside the new one, until the next rotation."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Give an API client a new secret, printed this once.

    If a world file declares the client, put the new secret there too: the next `apply` makes that one count.
    """

    async def run(services: Services) -> str:
        return await rotate_client(services, this_operator(services), client_id, keep_old=keep_old)

    secret = with_services(run)
    _tell_secret(client_id, secret, as_json=as_json)


def _tell_secret(client_id: str, secret: str, *, as_json: bool) -> None:
    if as_json:
        echo_json({"client_id": client_id, "client_secret": secret})
    else:
        typer.echo(secret)


@commands.command("webhooks")
def list_webhooks(as_json: Json = False) -> None:
    """List the webhooks of API clients, and how many messages wait for each or were given up.

    They are set, changed and sent once more by `/v1/webhooks`. Exit code 1 where messages were given up.
    """

    async def run(services: Services) -> list[WebhookView]:
        return await overview(services)

    every = with_services(run)
    for each in every:
        told = {"id": each.row.id, "url": each.row.url, "enabled": each.row.enabled, "error": each.health.error}
        told |= {"waiting": each.counted.waiting, "dead": each.counted.dead}
        if as_json:
            echo_json(told)
        else:
            state = "" if each.row.enabled else ", disabled"
            trouble = "" if each.health.error is None else f" ({each.health.error})"
            counted = f"{each.counted.waiting} waiting, {each.counted.dead} given up"
            typer.echo(f"{each.row.id} {each.row.url}: {counted}{state}{trouble}")
    if any(each.counted.dead for each in every):
        raise typer.Exit(NO)
