"""What all answers have in common, and a service's life from start to stop."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest
import structlog
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.main import RequestLog, installed_digest
from demo.parts import Part, find_free_port, run_part
from tests.test_cli import COMMAND, WORLD, Shell


async def _hello(scope: Scope, receive: Receive, send: Send) -> None:
    scope["route"] = type("Route", (), {"path": "/r/{short}"})
    await PlainTextResponse("hello")(scope, receive, send)


async def _crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("broken")


def client(app: RequestLog) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://countersign.test")


@pytest.mark.parametrize("given", ["a", "A-Z.a_z", "x" * 64])
async def test_a_request_id_of_its_form_is_kept(given: str) -> None:
    async with client(RequestLog(_hello)) as browser:
        answer = await browser.get("/r/ABCDEFGHJKLM", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<script>", "a,b"])
async def test_any_other_is_replaced(given: str) -> None:
    async with client(RequestLog(_hello)) as browser:
        answers = [await browser.get("/", headers={"X-Request-ID": given}) for _ in range(2)]
    made = [answer.headers["X-Request-ID"] for answer in answers]
    assert given not in made
    assert len({len(each) for each in made}) == 1
    assert made[0] != made[1]


async def test_the_log_names_the_route_and_never_the_path() -> None:
    with structlog.testing.capture_logs() as lines:
        async with client(RequestLog(_hello)) as browser:
            await browser.get("/r/ABCDEFGHJKLM?code=secret")
    assert [(line["route"], line["status"]) for line in lines] == [("/r/{short}", 200)]
    assert "ABCDEFGHJKLM" not in str(lines)
    assert "secret" not in str(lines)


async def test_a_crash_is_a_line_too() -> None:
    with structlog.testing.capture_logs() as lines, pytest.raises(RuntimeError):
        async with client(RequestLog(_crash)) as browser:
            await browser.get("/")
    assert [line["status"] for line in lines] == [500]


def test_the_digest_of_the_installed_files_is_the_same_each_time() -> None:
    assert installed_digest() == installed_digest()
    assert installed_digest().startswith("sha256:")


def _running(port: int) -> list[str | Path]:
    return [COMMAND, "serve", "--port", str(port)]


def test_a_service_starts_says_so_in_the_vendors_log_answers_and_stops(tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text(WORLD)
    shell, port = Shell(tmp_path), find_free_port()
    shell.done("migrate")
    shell.done("apply", "world.toml")
    before = int(shell.done("checkpoint", "VENDOR").splitlines()[1])
    with run_part(_running(port), "Uvicorn running", env=shell.variables(), cwd=tmp_path) as part:
        base = f"http://127.0.0.1:{port}"
        assert httpx2.get(f"{base}/readyz").json() == {"ready": True}
        missing = httpx2.get(f"{base}/nothing/here")
        assert (missing.status_code, len(missing.headers["X-Request-ID"])) == (404, 32)
        assert int(shell.done("checkpoint", "VENDOR").splitlines()[1]) == before + 1
        assert _stopped(part) in {0, 128 + signal.SIGTERM, -signal.SIGTERM}
    lines = [json.loads(line) for line in part.tail if line.strip()]
    assert {"Application shutdown complete."} <= {line["event"] for line in lines}
    assert shell.done("doctor") == "Every tree, trail and table agrees.\n"


def test_a_log_cut_back_makes_the_service_unready(tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text(WORLD)
    shell, port = Shell(tmp_path), find_free_port()
    shell.done("migrate")
    shell.done("apply", "world.toml")
    database = tmp_path / "var" / "countersign.db"
    backup = database.read_bytes()
    shell.done("export", "01EXU_INST", "--out", "bundle.zip")
    for leftover in tmp_path.glob("var/countersign.db-*"):
        leftover.unlink()
    database.write_bytes(backup)
    with run_part(_running(port), "Uvicorn running", env=shell.variables(), cwd=tmp_path):
        answer = httpx2.get(f"http://127.0.0.1:{port}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False})
    refused = shell.run("export", "01EXU_INST", "--out", "bundle.zip")
    assert refused.returncode == 2
    assert "old backup" in refused.stderr


def _stopped(part: Part) -> int:
    part.process.send_signal(signal.SIGTERM)
    try:
        return part.process.wait(20)
    except subprocess.TimeoutExpired:
        pytest.fail("it did not stop")
