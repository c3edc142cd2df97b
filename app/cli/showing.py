"""The command that plays the demo of the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from app.cli.common import UNTRIED, fail

_CHECKOUT = Path(__file__).parents[2]

commands = typer.Typer()


@commands.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def demo(context: typer.Context) -> None:
    """Play the main job with embedded parts: SQLite, an identity provider, a mail sink. Needs the checkout.

    With --stay instead: keep the service up with a small world, until Ctrl-C. Other words are handed on.
    """
    if not (_CHECKOUT / "demo" / "__main__.py").is_file():
        fail(UNTRIED, "the demo is not installed with the service; run `make demo` in a checkout of its source")
    os.chdir(_CHECKOUT)
    # In place of this process, so that Ctrl-C reaches the demo alone, which then ends what it started.
    os.execv(sys.executable, [sys.executable, "-m", "demo", *context.args])  # noqa: S606 -- our own
