"""The command line: `countersign`. Help texts tell what a command does, exit codes what came of it (`common`)."""

from __future__ import annotations

import typer

from app.cli import auditing, keeping, running

app = typer.Typer(
    name="countersign",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="No vendor access without the institution's countersignature. Settings come from COUNTERSIGN_* variables.",
)
app.command()(running.serve)
app.command("worker")(running.work)
app.command()(running.migrate)
app.command()(keeping.apply)
app.command()(auditing.verify)
app.command()(auditing.export)
app.command()(auditing.checkpoint)
app.command()(auditing.doctor)
app.add_typer(keeping.keys, name="keys")
app.add_typer(keeping.client, name="client")
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(running.demo)


def main() -> None:
    """The entry point."""
    app()
