"""The guide for operators does what it says: every command of it is run, in order, on a PostgreSQL of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.parts import find_free_port
from tests.fixtures.postgres import as_server_user, find_programs, reachable, server_user
from tests.fixtures.witness import Witness
from tests.story.blocks import parts_of, replaced, shell

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operate.md"
WORLD = ROOT / "tests" / "actions" / "world.toml"
pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(600)]


def started_by(unit: str) -> str:
    """What systemd would start."""
    text = (ROOT / "deploy" / f"{unit}.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    return str(line).replace("--workers 2", "--workers 1")  # fewer processes tell as much


def prologue(folder: Path, programs: Path) -> str:
    """The system of this test: its programs, and what stands for `sudo` and `systemctl`."""
    as_server = shlex.join(as_server_user("KILL"))
    units = "".join(f'{unit}) command="{started_by(unit)}" ;;\n' for unit in ("countersign", "countersign-worker"))
    return f"""
export PATH={programs}:$PATH PGHOST=127.0.0.1 PGPORT=5432 PGUSER=postgres LC_ALL=C.UTF-8
sudo() {{
    shift 2
    if [ "$1" = -E ]; then shift; fi
    {as_server} "$@"
}}
systemctl() {{
    verb=$1; shift
    for unit in "${{@%.service}}"; do
        case $unit in
        {units}
        esac
        if [ -f "{folder}/$unit.pid" ]; then
            kill "$(cat "{folder}/$unit.pid")"
            wait "$(cat "{folder}/$unit.pid")" || true
            rm "{folder}/$unit.pid"
        fi
        if [ "$verb" != stop ]; then
            $command >>"{folder}/$unit.log" 2>&1 &
            echo $! >"{folder}/$unit.pid"
        fi
    done
}}
"""


@contextmanager
def a_machine(programs: Path, port: int) -> Iterator[tuple[Path, Path]]:
    """A folder with a cluster that runs, and the programs; whatever server then runs there ends with it."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-guide-"))
    clusters = [folder / "postgresql" / name for name in ("main", "standby")]
    try:
        programs = reachable(programs, folder)
        for path in (folder / "postgresql", folder / "backup"):
            path.mkdir()
        if os.geteuid() == 0:
            for path in (folder, folder / "postgresql", folder / "backup"):
                os.chown(path, server_user().pw_uid, server_user().pw_gid)
        run = [*as_server_user("KILL"), str(programs / "initdb"), "--auth=trust", "--username=postgres"]
        run += ["--encoding=UTF8", "--locale=C", "--no-sync", "-D", str(clusters[0])]
        subprocess.run(run, cwd=folder, check=True, capture_output=True)
        with (clusters[0] / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n")
        start = [*as_server_user("KILL"), str(programs / "pg_ctl"), "start", "--wait"]
        log = folder / "postgresql" / "main.log"
        subprocess.run([*start, "-D", str(clusters[0]), "-l", str(log)], cwd=folder, check=True, capture_output=True)
        yield folder, programs
    finally:
        for cluster in clusters:
            stop = [*as_server_user("KILL"), str(programs / "pg_ctl"), "stop", "-m", "immediate", "-D", str(cluster)]
            subprocess.run(stop, cwd=folder, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_every_command_of_the_guide_for_operators_does_what_it_says() -> None:
    programs = find_programs()
    if programs is None or not (programs / "pg_basebackup").exists() or not all(map(shutil.which, ("curl", "openssl"))):
        pytest.skip("no PostgreSQL with pg_basebackup, no curl or no openssl: install postgresql, curl and openssl")
    first, second, web = (str(find_free_port()) for _ in range(3))
    with a_machine(programs, int(first)) as (folder, reached):
        here = folder / "countersign"
        here.mkdir(mode=0o700)
        world = WORLD.read_text().replace("$ISSUER", "https://login.example.edu").replace('"$ENDS"', "2027-03-01")
        (here / "world.toml").write_text(world)
        witness = Witness()
        table = f'[[witnesses]]\nurl = "https://witness.example.org"\nvkey = "{witness.vkey}"\n'
        (here / "witness.toml").write_text(table)
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{web}",
            "--port 8000": f"--port {web}",
            "/opt/countersign": str(ROOT),
            "/var/lib/countersign": str(here),
            "/var/lib/postgresql/17": str(folder / "postgresql"),
            "/srv/backup": str(folder / "backup"),
            "5432": first,
            "5433": second,
        }
        with shell(here) as typed:
            typed.run(replaced(prologue(folder, reached), changes))
            told = "\n".join(typed.run(part.text) for part in parts_of(replaced(GUIDE.read_text(), changes)))
            typed.run("systemctl stop countersign.service countersign-worker.service")
    for words in EXPECTED:
        assert words in told, told


EXPECTED = (
    '{"ready":true}',
    "backup successfully verified",
    "countersign.example/01EXU_INST",
    "request.created",
)
