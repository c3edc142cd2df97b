"""What all tests share. Nothing here is imported or started before a test asks for it."""

from __future__ import annotations

import pytest

from demo.parts import find_free_port
from tests.counts import LONG

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.identity_provider",
    "tests.fixtures.postgres",
    "tests.fixtures.s3",
    "tests.fixtures.schema",
    "tests.fixtures.smtp",
]


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1."""
    return find_free_port()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not tested and why, so that nobody takes a green run for a whole one."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason] = reasons.get(reason, 0) + 1
    if not LONG:
        terminalreporter.write_line("Tests of chance ran in their short form; `make test-long` runs them in full.")
    if reasons:
        terminalreporter.section("NOT TESTED", red=True, bold=True)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped: {reason.removeprefix('Skipped: ')}")
