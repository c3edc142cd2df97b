"""Logs tell what happened by ids: after a whole story nothing there tells who somebody is, or opens anything."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import structlog

from app.actions import grants
from app.domain.errors import Refused
from app.main import create_app
from app.notify.smtp import SmtpSettings
from app.settings import load
from app.worker import DUTIES, Duty, _line, _once
from tests.actions.gating import ESPLORO, KEYS, run_gates
from tests.actions.worlds import DEPUTY, HEAD, LIBRARIAN
from tests.api.conftest import ACCESS, CONSOLE, asked, basic

LOCAL = {"COUNTERSIGN_DEVELOPMENT": "true"}


@pytest.fixture
async def lines() -> AsyncIterator[io.BytesIO]:
    """What is logged, as `configure_logs` writes it."""
    told = io.BytesIO()
    structlog.configure(processors=[_line], logger_factory=structlog.BytesLoggerFactory(told))
    try:
        yield told
    finally:
        structlog.reset_defaults()


async def test_after_a_whole_story_no_log_line_holds_a_name_an_address_or_a_secret(
    lines: io.BytesIO, tmp_path: Path
) -> None:
    async with run_gates(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as gates:
        world = gates.world
        nobody = SmtpSettings("127.0.0.1", 1, timeout_s=2)  # no mail gets away, and each failure is told
        world.services = services = replace(world.services, smtp=nobody)
        await world.enrol()
        app = create_app(services, load(LOCAL))
        secrets = [CONSOLE[1], *KEYS.values(), *world.people.values(), *world.codes.values()]
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=services.base_url) as http:
            form = {"grant_type": "client_credentials"}
            answer = await http.post("/oauth2/token", data=form, headers={"Authorization": basic(*CONSOLE)})
            access = answer.json()["access_token"]
            bearer = {"Authorization": f"Bearer {access}"}
            filed = (await http.post(ACCESS, json=asked(environment="alma-production"), headers=bearer)).json()
            await world.approve(LIBRARIAN, filed["id"], note="For Jane Doe, who asked me on the telephone.")
            token = (await http.post(f"{ACCESS}/{filed['id']}/token", headers=bearer)).json()["access_token"]
            cookie = await gates.enter((await gates.token())[1])
            secrets += [access, token, cookie]
            check = {"Countersign-Gate-Key": KEYS[ESPLORO], "X-Original-URI": "/?patron=4711", "X-Real-IP": "192.0.2.9"}
            for shown in (cookie, "a cookie that nobody gave"):
                await http.get("/gate/check", headers=check | {"Cookie": f"countersign-gate={shown}"})
            for path in (
                f"/r/{filed['links']['page'][-12:]}",
                "/requests?email=jane.doe@example.edu",
                f"/v1/x/{token}",
            ):
                await http.get(path, headers={"Cookie": f"countersign={world.people[HEAD]}"})
            await http.post(
                ACCESS, content=b'{"reason": "Jane Doe', headers=bearer | {"Content-Type": "application/json"}
            )
            await http.post(
                "/oauth2/token", data=form, headers={"Authorization": basic(CONSOLE[0], "cs_guessed_secret")}
            )
            with pytest.raises(Refused):
                await grants.mint(services, world.caller, "req_00000000000000000000000000")
        world.skip(timedelta(days=1))
        for duty in DUTIES:
            await _once(services, duty)
        await _once(services, Duty("broken", _breaks, 1, 1))
    text = lines.getvalue().decode()
    events = {json.loads(line)["event"] for line in text.splitlines()}
    assert {"request", "worker.failed"} <= events
    personal = [
        HEAD,
        LIBRARIAN,
        DEPUTY,
        "Jane",
        "jane.doe",
        "e1234@vendor",
        "Tier 3",
        "Support lead",
        "Nightly",
        "4711",
    ]
    personal += ["Example University", "cs_guessed_secret", "192.0.2.", filed["links"]["page"][-12:], "@example.edu"]
    assert [word for word in [*personal, *secrets] if word in text] == []


async def _breaks(_: object) -> int:
    person = "jane.doe@example.edu"
    raise ValueError(f"{len(person)} characters")
