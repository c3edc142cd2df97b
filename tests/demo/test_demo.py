"""`make demo` and `make run` as their users meet them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo.parts import is_free, run_part
from demo.stage import ROOT, StageError, refuse_outside_development
from tests.fixtures.identity_provider import require_provider

DEMO = [sys.executable, "-m", "demo"]


@pytest.fixture
def first_port() -> int:
    """The first of eight free ports in a row."""
    return next(
        port for port in range(20000 + os.getpid() % 500 * 20, 32000) if all(map(is_free, range(port, port + 8)))
    )


@pytest.mark.idp
@pytest.mark.slow
def test_the_main_job_is_done_without_hands_and_verifies() -> None:
    require_provider()
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, check=False)
    *steps, _, last = done.stdout.splitlines()
    assert all(line.startswith("✓ ") for line in steps), done.stdout
    summary = json.loads(last)
    assert (done.returncode, done.stderr) == (0, "")
    assert summary == {"steps": len(steps), "failed": 0, "entries": summary["entries"], "verified": True}
    assert summary["entries"] > 10


@pytest.mark.idp
@pytest.mark.slow
def test_it_stays_up_files_a_request_by_the_printed_line_and_keeps_its_state(tmp_path: Path, first_port: int) -> None:
    require_provider()
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    command = [*DEMO, "--stay", f"--port={first_port}", f"--folder={tmp_path / 'var'}"]
    numbers = []
    for _ in range(2):
        with run_part(command, "^(curl .*)$", cwd=ROOT) as part:
            filed = subprocess.run(["sh", "-c", part.wait()[1]], capture_output=True, text=True, check=True)
            numbers.append(json.loads(filed.stdout)["number"].partition("-")[2])
            assert part.stop(signal.SIGINT) == 0, part.tail
        assert all(is_free(port) for port in range(first_port, first_port + 8)), "whatever it started has ended"
    assert numbers == ["0001", "0002"]


def test_a_taken_port_is_named_with_the_remedy(first_port: int) -> None:
    with socket.create_server(("127.0.0.1", first_port + 2)):
        done = subprocess.run(
            [*DEMO, "--stay", f"--port={first_port}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert re.search(rf"port {first_port + 2} .* PORT=", done.stderr)


@pytest.mark.parametrize(
    "environ", [{"COUNTERSIGN_BASE_URL": "https://countersign.example"}, {"COUNTERSIGN_DEVELOPMENT": "false"}]
)
def test_where_a_deployment_is_set_up_the_demo_refuses(environ: dict[str, str]) -> None:
    with pytest.raises(StageError, match=next(iter(environ))):
        refuse_outside_development(environ)


def test_in_development_it_starts() -> None:
    refuse_outside_development({"COUNTERSIGN_DEVELOPMENT": "true", "COUNTERSIGN_BASE_URL": "http://127.0.0.1:8000"})
    refuse_outside_development({"PATH": "/bin"})
