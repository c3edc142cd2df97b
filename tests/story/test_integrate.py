"""The guide for vendor systems does what it says: every command of it is run, in order, against a running service."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from standardwebhooks import Webhook

from demo.browser import Browser
from demo.parties import ACCESS_REQUEST, CODE, LIBRARIAN, at_provider, sign_in
from demo.parts import find_free_port
from demo.stage import Ports, Stage
from demo.walk import Walk
from tests.fixtures.identity_provider import require_provider
from tests.story.blocks import Shell, parts_of, replaced, shell

GUIDE = Path(__file__).parents[2] / "docs" / "integrate.md"

pytestmark = [pytest.mark.slow, pytest.mark.idp, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    require_provider()
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    return Stage(tmp_path_factory.mktemp("integrate") / "stage", Ports.free())


@pytest.fixture(scope="module")
def walk(stage: Stage) -> Iterator[Walk]:
    """The demo's parts and service run; the institution is enrolled, and an approver bound."""
    with ExitStack() as stack:
        walk = Walk(stage, stack)
        for step in walk.steps()[:5]:
            step()
        yield walk


def approve(stage: Stage, request_id: str) -> None:
    """What an approver does meanwhile: sign in, approve, countersign."""
    with Browser() as browser:
        page = sign_in(browser, stage, browser.open(f"{stage.base_url}/sign-in/{CODE}"), LIBRARIAN)
        page = browser.open(f"{stage.base_url}/requests/{request_id}")
        page = browser.send(page.form("/answer"), decision="approve", window="full")
        confirm = next(form for form in page.forms("") if "/check/" in form.action)
        page = at_provider(browser, browser.send(confirm), LIBRARIAN)
        assert page.status == 200, page.text


def test_every_command_of_the_guide_for_vendor_systems_does_what_it_says(
    walk: Walk, stage: Stage, tmp_path: Path
) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    addresses = {"127.0.0.1:8000": stage.base_url.removeprefix("http://"), "9000": str(find_free_port())}
    told = []
    with shell(folder) as typed:
        people: dict[str, Callable[[], None]] = {
            "an approver approves": lambda: approve(stage, typed.run("echo $ID").strip())
        }
        for part in parts_of(replaced(GUIDE.read_text(), addresses)):
            if part.kind == "person":
                people[part.text]()
            elif part.kind == "python":
                name = part.text.partition("\n")[0].removeprefix("# ")
                (folder / name).write_text(part.text)
            else:
                told.append(typed.run(part.text))
    said = "\n".join(told)
    for words in EXPECTED:
        assert words in said, said


EXPECTED = (
    '"status":"pending"',
    '"status":"completed"',
    '"active":true',
    '{"active":false}',
    "2 request.withdrawn",
    "whsec_",
    '"broken_rows":[]',
)


class Hook(ThreadingHTTPServer):
    """An endpoint that verifies by the reference library; `taken` are the messages that held."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.webhook: Webhook | None = None
        self.taken: queue.Queue[dict[str, Any]] = queue.Queue()

    def until(self, type_: str) -> list[dict[str, Any]]:
        """The messages up to the first of a type."""
        told = [self.taken.get(timeout=30)]
        while told[-1]["type"] != type_:
            told.append(self.taken.get(timeout=30))
        return told


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hook)
        assert self.server.webhook is not None
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.put(self.server.webhook.verify(body, dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def curl(*arguments: str) -> Any:
    """What curl gets, read; it fails where the answer is a refusal."""
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--noproxy", "*", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def bearer(stage: Stage, client: str) -> str:
    """A header for curl, with a token that curl got."""
    asked = ["-u", f"{client}:{stage.secret_of(client)}", "-d", "grant_type=client_credentials"]
    return f"Authorization: Bearer {curl(*asked, f'{stage.base_url}/oauth2/token')['access_token']}"


def test_stock_clients_alone_file_wait_mint_introspect_revoke_and_hear_of_it(
    walk: Walk, stage: Stage, hook: Hook
) -> None:
    """Authlib's `OAuth2Client`, curl and `standardwebhooks`, as they come; the approver alone is a browser."""
    wanted = {"url": f"http://127.0.0.1:{hook.server_port}/", "types": ["*"], "institutions": [CODE]}
    json_body = ["-H", "Content-Type: application/json", "-d", json.dumps(wanted)]
    made = curl("-H", bearer(stage, "administration"), *json_body, f"{stage.base_url}/v1/webhooks")
    hook.webhook = Webhook(made["secret"])

    secret, endpoint = stage.secret_of("support-console"), f"{stage.base_url}/oauth2/token"
    with OAuth2Client(
        "support-console",
        secret,
        token_endpoint=endpoint,
        grant_type="client_credentials",
        base_url=stage.base_url,
        trust_env=False,
        timeout=60,
    ) as console:
        console.fetch_token()
        filed = console.post("/v1/access-requests", json=ACCESS_REQUEST, headers={"Idempotency-Key": "stock"})
        assert (filed.status_code, filed.json()["status"]) == (201, "pending")
        address, known = filed.headers["Location"], {"If-None-Match": filed.headers["ETag"], "Prefer": "wait=60"}
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(console.get, address, headers=known)
            approve(stage, filed.json()["id"])
            answered = waiting.result()
        assert (answered.status_code, answered.headers["Preference-Applied"]) == (200, "wait=60")
        assert answered.json()["status"] == "active"
        minted = console.post(f"{address}/token").raise_for_status().json()

        gateway = ["-H", bearer(stage, "gateway"), "-d", f"token={minted['access_token']}"]
        seen = curl(*gateway, f"{stage.base_url}/oauth2/introspect")
        assert (seen["active"], seen["sub"]) == (True, ACCESS_REQUEST["engineer"]["id"])
        assert console.revoke_token(f"{stage.base_url}/oauth2/revoke", minted["access_token"]).status_code == 200
        assert curl(*gateway, f"{stage.base_url}/oauth2/introspect") == {"active": False}
        done = console.post(f"{address}/complete", json={"summary": "The job runs again."}).raise_for_status()

    told = hook.until("request.completed")
    assert {each["data"]["id"] for each in told} == {filed.json()["id"]}
    types = ["created", "approved", "activated", "completed"]
    assert [each["type"] for each in told if each["type"] != "decision.made"] == [f"request.{each}" for each in types]
    assert told[0]["data"] == filed.json()
    assert told[-1]["data"] == done.json()


def test_a_shell_that_meets_a_failure_says_what_was_typed(tmp_path: Path) -> None:
    with shell(tmp_path) as typed, pytest.raises(AssertionError, match="no-such-command"):
        _fail(typed)


def _fail(typed: Shell) -> None:
    typed.run("true")
    typed.run("no-such-command --at-all")
