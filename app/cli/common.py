"""What all commands share: exit codes, what is printed, progress.

Exit codes: 0 done; 1 the answer is no (refused, a difference, a finding); 2 it could not be tried (settings, input, a
dependency in doubt); `verify` also has 3.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

NO, UNTRIED = 1, 2


def fail(code: int, *lines: str) -> NoReturn:
    """End the command with these lines on standard error."""
    for line in lines:
        typer.echo(f"countersign: {line}", err=True)
    raise typer.Exit(code)


def echo_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error, where that is a terminal: called with what is done and how much there is."""
    if not sys.stderr.isatty():
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
