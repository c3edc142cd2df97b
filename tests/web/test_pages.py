"""What every page has in common, each state of a request, and what hostile text does to them: nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from app import api, web
from app.actions import requests
from app.actions.problems import STATUS
from app.actions.views import RequestView
from app.storage import leaves
from app.storage.database import Database
from app.web import text
from app.web.static_files import VERSION, static
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, World
from tests.web.reading import judge
from tests.web.site import Site, app_of, visit

OPEN = ("/sign-in", f"/sign-in/{CODE}", "/stop", "/problems", "/problems/case-not-escalated")
HOSTILE: dict[str, Any] = {
    "case_title": "<script>alert(1)</script>\u202egnp.exe\u2069\"'></h1><img src=x onerror=alert(1)>" + "x" * 100,
    "reason": "y" * 3900 + "</blockquote><form action=//evil.example>\u2066{{ 7*7 }}",
    "case_url": "javascript:alert(document.cookie)",
    "engineer_name": "\u202e" + "N" * 199,
    "engineer_id": "<i>" + "e" * 40,
    "endorser_name": "</dd><b>lead",
    "endorser_id": "&lt;x&gt;",
    "roles": ("</li><b>role</b>", "R" * 100),
}


async def _in_state(world: World, state: str) -> RequestView:
    """A request in a state, the librarian's doing where somebody's."""
    later = {"not_before": world.now() + timedelta(hours=3)}
    filed = await world.file(**(later if state == "approved" else {}))
    if state in {"approved", "active", "revoked", "completed", "elapsed"}:
        await world.approve(LIBRARIAN, filed.row.id)
    if state == "denied":
        await world.deny(LIBRARIAN, filed.row.id)
    elif state == "withdrawn":
        await requests.withdraw(world.services, world.caller, filed.row.id, "Solved.", None)
    elif state == "completed":
        await requests.complete(world.services, world.caller, filed.row.id, "Done.", None)
    elif state in {"expired", "elapsed"}:
        world.skip(timedelta(days=4))
        await world.sign_in(LIBRARIAN)
    return filed


@pytest.mark.parametrize(
    "state, says, ends",
    [
        ("pending", "asks to use its account in your live Alma", False),
        ("approved", "You approved the access", True),
        ("active", "The gate may open now.", True),
        ("denied", "You denied the access", False),
        ("expired", "This request has lapsed", False),
        ("withdrawn", "This request was taken back", False),
        ("completed", "The work is completed", False),
        ("revoked", "Access has ended", False),
        ("elapsed", "Its window ended by itself", False),
    ],
)
async def test_each_state_says_what_it_means_for_access(site: Site, state: str, says: str, ends: bool) -> None:
    filed = await _in_state(site.world, state)
    site.enter(LIBRARIAN)
    if state == "revoked":
        await site.open(f"/requests/{filed.row.id}")
        await site.send("/revoke", reason="Enough <for> today.")
    await site.open(f"/requests/{filed.row.id}")
    assert says in site.text
    assert ("/revoke" in site.text) is ends
    assert ('value="approve"' in site.text) is (state == "pending")
    assert filed.check_code in site.text
    judge(site.text)
    await site.open("/requests")
    assert ("/revoke" in site.text) is ends
    assert filed.row.number in site.text
    judge(site.text)


async def test_who_approved_may_still_deny_while_another_approval_is_missing(site: Site) -> None:
    world = site.world
    filed = await world.file(minutes=479)
    await world.approve(LIBRARIAN, filed.row.id)
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    assert "Your approval is recorded" in site.text
    assert "Until then you may still deny." in site.text
    assert 'value="approve"' not in site.text
    judge(site.text)
    await site.send("/answer")
    assert site.status == 422
    assert "deny" in judge(site.text).anchors
    await site.send("/answer", decision="deny")
    assert "You <b>deny</b> this access" in site.text


async def test_hostile_text_stays_text(site: Site) -> None:
    """Of requests, in pages."""
    world = site.world
    filed = await world.file(**HOSTILE)
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    for name in ("case_title", "reason", "engineer_name", "engineer_id", "endorser_name", "endorser_id"):
        assert escape(text.shown(HOSTILE[name]), quote=False) in site.text.replace("&#34;", '"').replace("&#39;", "'")
    judge(site.text)
    assert 'href="javascript' not in site.text
    await site.send("/answer", decision="approve", note="</textarea><script>alert(1)</script>")
    judge(site.text)
    await site.open(next(link for link in judge(site.text).links if "?draft=" in link))
    judge(site.text)
    await site.open("/requests")
    judge(site.text)
    for character in ("\u202e", "\u2066", "\u2069"):
        assert character not in site.text


async def test_the_statement_stands_byte_for_byte_whatever_is_in_it(site: Site) -> None:
    """U3."""
    filed = await site.world.file(**HOSTILE)
    draft = await site.world.draft(HEAD, filed.row.id, roles=HOSTILE["roles"])
    site.enter(HEAD)
    await site.open(f"/requests/{filed.row.id}/check/{draft}")
    shown = judge(site.text).text_of("statement")
    assert "\u202e" in shown
    assert '"engineer' not in shown
    await site.send(site.path)
    await site.through_provider(HEAD)
    assert "You approved the access" in site.text


async def test_every_page_is_guarded_and_answers_a_look_like_a_visit(site: Site) -> None:
    world = site.world
    filed = await world.file()
    draft = await world.draft(HEAD, filed.row.id)
    request = f"/requests/{filed.row.id}"
    signed_in = (
        "/requests",
        request,
        f"{request}/check/{draft}",
        "/settings/people",
        "/settings/environments",
        "/settings/stop-codes",
        "/settings/standing-approvals",
        "/settings/sessions",
        "/trail",
        f"/enrol/{CODE}",
        "/nothing",
        "/requests/nothing",
    )
    for path in (*OPEN, f"/r/{filed.row.short}", "/r/nothing", "/sign-in?institution=x", "/nothing", *signed_in):
        if path == signed_in[0]:
            site.enter(HEAD)
        answer = await site.get(path)
        outline = judge(answer.text)
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'none'", "style-src 'self'", "base-uri 'none'"} <= set(policy)
        assert "frame-ancestors 'none'" in policy
        leads_there = [action for action, _ in outline.forms if action.startswith("/sign-in/") or "/check/" in action]
        targets = f"form-action 'self' {world.provider.issuer}" if leads_there else "form-action 'self'"
        assert targets in policy, path
        for name, value in (
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ):
            assert answer.headers[name] == value
        look = await site.client.head(path)
        assert (look.status_code, look.content) == (answer.status_code, b"")


async def test_links_of_pages_lead_somewhere(site: Site) -> None:
    filed = await site.world.file()
    site.enter(HEAD)
    links = set[str]()
    settings = ("/settings/people", "/settings/environments", "/settings/stop-codes")
    for path in (*OPEN, "/requests", f"/requests/{filed.row.id}", *settings, "/trail", "/nothing", "/r/x"):
        links |= judge((await site.get(path)).text).links
    posts = {"/sign-out", "/sign-in/01EXU_INST", "/trail/export", f"/requests/{filed.row.id}/answer"}
    for link in sorted(links - posts):
        assert (await site.get(link)).status_code in {200, 303}, link


async def test_looking_changes_nothing(site: Site) -> None:
    """U1."""
    world = site.world
    filed = await world.file()
    site.enter(HEAD)
    size = await _size(world)
    for path in ("/requests", f"/requests/{filed.row.id}", f"/r/{filed.row.short}", "/trail", "/settings/people"):
        await site.open(path)
    for path in ("/sign-out", "/trail/export", f"/requests/{filed.row.id}/revoke", f"/requests/{filed.row.id}/answer"):
        assert (await site.get(path)).status_code == 405
    assert await _size(world) == size


async def _size(world: World) -> int:
    async with world.services.database.begin() as tx:
        return (await leaves.lock(tx, CODE)).size


async def test_unknown_and_closed_links_look_alike(site: Site) -> None:
    filed = await site.world.file()
    await site.world.deny(HEAD, filed.row.id)
    closed, unknown = await site.get(f"/r/{filed.row.short}"), await site.get("/r/ABCDEFGHJKLM")
    assert closed.status_code == unknown.status_code == 404
    assert closed.text == unknown.text


async def test_the_style_sheet_is_kept_for_long_at_an_address_of_its_own(site: Site) -> None:
    answer = await site.get(static("countersign.css"))
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert (await site.get("/static/old/countersign.css")).headers["cache-control"] == "no-cache"
    assert (await site.get(f"/static/{VERSION}/nothing.css")).status_code == 404
    assert (await site.get(f"/static/{VERSION}/..%2f__init__.py")).status_code == 404
    with pytest.raises(KeyError):
        static("nothing.css")


async def test_each_problem_has_its_page(site: Site) -> None:
    for slug, status in STATUS.items():
        answer = await site.get(f"/problems/{slug}")
        assert answer.status_code == 200
        assert f"Problem {status}" in answer.text
    assert (await site.get("/problems/no-such-problem")).status_code == 404


async def test_people_get_pages_and_machines_get_documents(site: Site) -> None:
    app = app_of(site.world, mounts=(api.mount, web.mount))
    async with visit(site.world, app) as other:
        assert (await other.get("/v1/nothing")).headers["content-type"] == "application/problem+json"
        assert (await other.get("/nothing")).headers["content-type"].startswith("text/html")
        assert (await other.client.post("/requests")).status_code == 405
        assert (await other.get("/requests")).status_code == 303


async def test_a_database_in_doubt_is_a_page_that_says_so(site: Site, tmp_path: Path) -> None:
    away = Database(f"sqlite:///{tmp_path}/not/there.db")
    app = app_of(site.world)
    app.state.services = replace(site.world.services, database=away)
    await _fails(site, app, 503)
    await away.close()


async def test_a_fault_of_ours_is_a_page_without_its_inside(site: Site) -> None:
    app = app_of(site.world)
    app.state.services = None
    await _fails(site, app, 500)


async def _fails(site: Site, app: FastAPI, status: int) -> None:
    async with visit(site.world, app) as other:
        other.enter(HEAD)
        for path in ("/requests", f"/sign-in/{CODE}", "/r/x"):
            answer = await other.get(path)
            assert answer.status_code == status
            judge(answer.text)
            for inside in ("Traceback", "sqlite", "SELECT", "NoneType", str(Path.cwd())):
                assert inside not in answer.text
