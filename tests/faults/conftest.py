"""What each fault came to, as a table at the end of the run."""

from __future__ import annotations

import json
from typing import Any, Protocol

import pytest

_FAULT = "fault"
_COLUMNS = ("fault", "hit", "acknowledged", "lost", "ready within s", "writes out for s")


class Tell(Protocol):
    """Tells what came of a fault; what is no column of the table stands below it."""

    def __call__(self, fault: str, **figures: Any) -> None: ...


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """For the table."""

    def say(fault: str, **figures: Any) -> None:
        request.node.user_properties.append((_FAULT, json.dumps({"fault": fault, **figures}, default=str)))

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    told = [
        json.loads(said)
        for each in reports
        if each.when == "call"
        for name, said in each.user_properties
        if name == _FAULT
    ]
    if not told:
        return
    terminalreporter.section("FAULTS")
    for line in [table(told), "", *(f"{row['fault']}: {_rest(row)}" for row in told if _rest(row))]:
        terminalreporter.write_line(line)


def table(told: list[dict[str, Any]]) -> str:
    """Rows of Markdown, a column as wide as its widest cell."""
    rows = [_COLUMNS, *([str(row.get(name, "")) for name in _COLUMNS] for row in told)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _rest(row: dict[str, Any]) -> str:
    left = {name: value for name, value in row.items() if name not in _COLUMNS}
    return json.dumps(left) if left else ""
