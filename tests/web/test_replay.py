"""Recordings on pages: played to those who may read them, each part an entry; and what the gate's recorder may send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from app import api, web
from app.actions.gate_recorder import CONTENT_TYPE, MAX_BODY, MOST
from app.actions.recordings import NewPart, add_part
from app.storage import entries, recordings, sessions
from app.storage.sessions import Filter
from app.web import WebSettings
from app.web.call import SESSION
from app.web.static_files import FILES, static
from tests.actions.gating import ALMA, ESPLORO, KEYS, Gates, run_gates
from tests.actions.watching import opened
from tests.actions.worlds import AUDITOR, CODE, HEAD, World
from tests.web.reading import judge
from tests.web.site import BASE, Site, app_of, complaints

if TYPE_CHECKING:
    from playwright.async_api import Browser

CAST = "\n".join(
    [
        json.dumps({"version": 2, "width": 80, "height": 24}),
        json.dumps([0.1, "o", "\x1b[1;32m$ \x1b[0mwhoami\r\n"]),
        json.dumps([0.2, "i", "typed and not shown"]),
        json.dumps([0.9, "o", "0%\r100%\r\n<script>alert(1)</script>\n"]),
    ]
)
VENDORED = {
    "rrweb-record.js": "@rrweb/record@2.1.6 dist/record.umd.min.cjs",
    "rrweb-replay.js": "@rrweb/replay@2.1.6 dist/replay.umd.min.cjs",
}
"""The files that are others' work; their hashes stand beside their licence."""


async def _add(world: World, session: str, n: int, content: str, kind: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield content.encode()

    await add_part(world.services, session, world.client, NewPart(n, kind, {}, pieces()))


async def _read(world: World, session: str) -> list[int]:
    async with world.services.database.read() as tx:
        told = await entries.of_subject(tx, CODE, session, ("recording.read",))
    return [each.entry.data["n"] for each in told]


def test_vendored_files_are_those_that_their_licence_names() -> None:
    told = (Path(web.__file__).parent / "static" / "rrweb-LICENSE.txt").read_text(encoding="utf-8")
    for name, source in VENDORED.items():
        assert f"{name}: {source}, sha256:{sha256(FILES[name]).hexdigest()}" in told


async def test_the_page_that_plays_reads_nothing_by_itself(site: Site) -> None:
    world = site.world
    session = await opened(world)
    await _add(world, session, 1, CAST, "application/x-asciicast")
    await _add(world, session, 2, "x", "video/webm")
    site.enter(AUDITOR)
    await site.open(f"/sessions/{session}")
    assert f"/sessions/{session}/replay" in judge(site.text, scripts=("session.js",)).links
    await site.open(f"/sessions/{session}/replay")
    judge(site.text, scripts=("rrweb-replay.js", "replay.js"))
    assert f'data-part="/sessions/{session}/recording/1"' in site.text
    assert f'data-part="/sessions/{session}/recording/2"' not in site.text
    assert f'href="/sessions/{session}/recording/2"' in site.text
    policy = set(site.answer.headers["content-security-policy"].split("; "))
    assert {"default-src 'none'", "style-src 'self' 'unsafe-inline'", "connect-src 'self'"} <= policy
    assert f"img-src data: {BASE}{static('icon.svg')}" in policy
    assert "script-src 'self'" not in policy
    assert await _read(world, session) == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
async def test_a_terminal_is_shown_as_its_text(world: World, base: str, browser: Browser, width: int) -> None:
    session = await opened(world)
    await _add(world, session, 1, CAST, "application/x-asciicast")
    await _add(world, session, 2, "no cast at all", "application/x-asciicast")
    context = await browser.new_context(viewport={"width": width, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    said = complaints(page)
    await page.goto(f"{base}/sessions/{session}/replay")
    await page.get_by_role("button", name="Play part 1").click()
    await page.locator("#stage pre").wait_for()
    assert await page.locator("#stage pre").inner_text() == "$ whoami\n100%\n<script>alert(1)</script>\n"
    await page.get_by_role("button", name="Play part 2").click()
    await page.get_by_text("This part cannot be played").wait_for()
    beyond = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert beyond <= 0
    assert said == []
    assert await _read(world, session) == [1, 2]
    await context.close()


@pytest.mark.browser
@pytest.mark.slow
async def test_a_recorded_page_that_is_hostile_runs_and_loads_nothing(
    world: World, base: str, browser: Browser
) -> None:
    session = await opened(world)
    await _add(world, session, 1, json.dumps(_hostile_page(base)), CONTENT_TYPE)
    context = await browser.new_context()
    await context.add_cookies([{"name": SESSION, "value": world.people[HEAD], "url": base}])
    page = await context.new_page()
    await page.goto(f"{base}/sessions/{session}/replay")
    answered: list[str] = []
    page.on("response", lambda answer: answered.append(answer.url))
    await page.get_by_role("button", name="Play part 1").click()
    await page.frame_locator("#stage iframe").get_by_text("Hello").wait_for()
    await page.get_by_text("The part is over.").wait_for()
    ours = ("data:", f"{base}/static/")
    assert [url for url in answered if not url.startswith(ours)] == [f"{base}/sessions/{session}/recording/1"]
    assert await page.evaluate("window.ran ?? null") is None
    assert page.url == f"{base}/sessions/{session}/replay"
    await context.close()


def _hostile_page(base: str) -> dict[str, Any]:
    """A recording with everything that would run, load or lead away."""
    ran, evil = "parent.ran = 1; top.ran = 1", f"{base}/sign-in?evil"
    elements: list[tuple[str, dict[str, str], str | None]] = [
        ("script", {}, ran),
        ("img", {"src": evil, "onerror": ran}, None),
        ("iframe", {"src": f"{base}/requests", "srcdoc": f"<script>{ran}</script>"}, None),
        ("meta", {"http-equiv": "refresh", "content": f"0;url={evil}"}, None),
        ("link", {"rel": "stylesheet", "href": evil}, None),
        ("svg", {"onload": ran}, None),
        ("object", {"data": evil}, None),
        ("p", {"style": f"background:url({evil})"}, "Hello"),
    ]
    ids = count(3)
    nodes = [
        {
            "type": 2, "id": next(ids), "tagName": tag, "attributes": attributes,
            "childNodes": [] if words is None else [{"type": 3, "id": next(ids), "textContent": words}],
        }
        for tag, attributes, words in elements
    ]  # fmt: skip
    html = {"type": 2, "id": 2, "tagName": "html", "attributes": {}, "childNodes": nodes}
    snapshot = {"node": {"type": 0, "id": 1, "childNodes": [html]}, "initialOffset": {"top": 0, "left": 0}}
    events = [
        {"type": 4, "timestamp": 1000, "data": {"href": base, "width": 800, "height": 600}},
        {"type": 2, "timestamp": 1001, "data": snapshot},
        {"type": 5, "timestamp": 1500, "data": {"tag": "end", "payload": {}}},
    ]
    return {"v": "countersign/page/1", "view": "x", "events": events}


@asynccontextmanager
async def _nginx(gates: Gates, *, recorder: bool = True) -> AsyncIterator[httpx2.AsyncClient]:
    """What nginx passes on."""
    app = app_of(gates.world, mounts=(api.mount, web.mount))
    app.state.web = WebSettings(BASE, secure=False, recorder=recorder)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


async def _send(
    client: httpx2.AsyncClient, cookie: str, body: bytes, environment: str = ESPLORO, kind: str = "application/json"
) -> int:
    headers = {"Countersign-Gate-Key": KEYS[environment], "Cookie": f"countersign-gate={cookie}", "Content-Type": kind}
    return (await client.post("/gate/recording", content=body, headers=headers)).status_code


async def test_the_recorders_parts_are_numbered_and_only_its_own_sessions_are_recorded(tmp_path: Path) -> None:
    async with run_gates(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as gates:
        _, token = await gates.token()
        cookie = await gates.enter(token)
        async with _nginx(gates) as client:
            script = await client.get("/gate/recorder.js")
            assert script.headers["content-type"].startswith("text/javascript")
            assert FILES["gate-recorder.js"] in script.content
            assert [await _send(client, cookie, b'{"n":%d}' % n) for n in range(3)] == [204] * 3
            assert await _send(client, cookie, b"") == 422
            assert await _send(client, cookie, b"x" * (MAX_BODY + 1)) == 413
            assert await _send(client, cookie, b"{}", kind="text/plain") == 415
            assert await _send(client, cookie, b"{}", ALMA) == 403
            assert await _send(client, "nobody's", b"{}") == 401
            statuses = [await _send(client, cookie, b"[%d]" % n) for n in range(MOST - 2)]
            assert statuses == [204] * (MOST - 3) + [429]
        async with gates.world.services.database.read() as tx:
            (row,) = await sessions.find(tx, Filter((CODE,)), 2)
            parts = await recordings.of_session(tx, CODE, row.id)
        assert [part.n for part in parts] == list(range(1, MOST + 1))
        assert {part.content_type for part in parts} == {CONTENT_TYPE}
        async with _nginx(gates, recorder=False) as client:
            assert (await client.get("/gate/recorder.js")).status_code == 404
            assert await _send(client, cookie, b"{}") == 404
