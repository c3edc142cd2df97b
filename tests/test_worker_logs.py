"""What the service logs of its own faults."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import structlog
from app.worker import configure_logs

def fail(secret_word: str) -> None:
    raise ValueError("it failed")

configure_logs()
try:
    fail("hunter2")
except ValueError as error:
    structlog.get_logger("tests").error("unexpected", exc_info=error)
"""


def test_a_fault_is_logged_with_its_place_and_without_the_values_it_met() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    line = json.loads(done.stderr.strip())
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert [frame["name"] for frame in line["exception"][0]["frames"]] == ["<module>", "fail"]
    assert "hunter2" not in done.stderr
