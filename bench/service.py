"""The service as it is measured over HTTP: one process as in production, and sessions that are open in its database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from socket import create_connection

from app.domain.recording import begun
from app.storage.grants import GrantRow
from app.storage.sessions import SessionRow
from bench.world import SECRET_KEY
from demo.parts import find_free_port

_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_WAIT_S = 20.0


class Running:
    """A process that listens."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid


@contextmanager
def run_service(url: str, directory: Path) -> Iterator[Running]:
    """One process of the service, as in production, its worker elsewhere."""
    settings = {
        "COUNTERSIGN_DATABASE_URL": url,
        "COUNTERSIGN_BASE_URL": "https://countersign.example",
        "COUNTERSIGN_LOG_NAME": "countersign.example",
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_KEYS_DIR": str(directory / "keys"),
        "COUNTERSIGN_CHECKPOINT_STORE": (directory / "heads").as_uri(),
        "COUNTERSIGN_OBJECT_STORE": (directory / "objects").as_uri(),
        "COUNTERSIGN_SMTP_URL": "smtp://127.0.0.1:1",
        "COUNTERSIGN_MAIL_FROM": "countersign@countersign.example",
    }
    program = str(Path(sys.executable).with_name("countersign"))
    with run_process(lambda port: [program, "serve", f"--port={port}", "--without-worker"], settings) as running:
        yield running


@contextmanager
def run_process(command: Callable[[int], list[str]], settings: Mapping[str, str]) -> Iterator[Running]:
    """A process that is told its port, once it listens. Raises `RuntimeError` where it does not."""
    port = find_free_port()
    with subprocess.Popen(command(port), env=os.environ | settings, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port, process)
            yield Running(port, process.pid)
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError("what is measured does not listen")


def memory_of(pid: int) -> float:
    """Resident memory of a process, in MB."""
    found = _RSS.search(Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError("the process has ended")
    return int(found[1]) / 1000


def session_row(grant: GrantRow, now: datetime, *, client: str | None) -> SessionRow:
    """An open session on a grant, without id, `jti` and MAC; of a gateway's `client` (`cli_…`), or of the gate."""
    return SessionRow(
        log=grant.log,
        id="",
        request=grant.request,
        grant=grant.id,
        jti="",
        client=client,
        audience="https://gateway.vendor.example/n0-alma",
        environment=grant.environment,
        account=grant.account,
        engineer_id=grant.engineer_id,
        credential=None,
        jkt=None,
        state="open",
        opened_at=now,
        opened_index=0,
        not_after=grant.not_after,
        ended_at=None,
        ended_because=None,
        segments=0,
        sealed=0,
        coverage=begun(now, gate=client is None, owed=False).to_data(),
        record_by=None,
        mac=b"",
        events=0,
        seen_at=now + timedelta(seconds=30),  # so that none is silent before its first turn comes
        seal_at=None,
    )
