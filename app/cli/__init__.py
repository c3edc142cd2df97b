"""The command line: `countersign`. Help texts tell what a command does, exit codes what came of it (`common`).

A command's module is imported when the command is wanted, and here alone: an auditor who verifies a bundle does not
wait for the database and the web server to be imported, nor an operator who lists keys for the migrations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_group

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "serve": "running",
        "worker": "running",
        "migrate": "migrating",
        "apply": "keeping",
        "verify": "verifying",
        "export": "auditing",
        "checkpoint": "auditing",
        "doctor": "auditing",
        "keys": "keeping",
        "client": "keeping",
        "webhooks": "keeping",
        "accounts": "accounts",
        "bounce": "mails",
        "demo": "showing",
    }
)
"""Command → the module of this room whose `commands` have it."""


@cache
def _commands_of(module: str) -> Mapping[str, Any]:
    """The commands of a module as Typer makes them, by name."""
    return get_group(import_module(f"{__name__}.{module}").commands).commands


class _Commands(Mapping[str, Any]):
    """All commands by name, each there once it is looked at."""

    def __getitem__(self, name: str) -> Any:
        return _commands_of(MODULES[name])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast("MutableMapping[str, Any]", _Commands())


app = typer.Typer(
    name="countersign", cls=_Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def _countersign() -> None:
    """No vendor access without the institution's countersignature. Settings come from COUNTERSIGN_* variables."""


def main() -> None:
    """The entry point."""
    app()
