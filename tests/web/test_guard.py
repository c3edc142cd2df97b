"""Who may come in, and which forms count."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from app.actions.reviews import review
from app.domain.request import Status
from app.web.call import SESSION
from app.web.guard import FORM, from_our_page
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN
from tests.web.conftest import OTHER
from tests.web.site import BASE, Site, app_of, visit


@pytest.mark.parametrize(
    "origin, site, counts",
    [
        (BASE, "same-origin", True),
        (BASE, None, True),
        (None, None, True),
        (None, "same-origin", True),
        ("null", "same-origin", True),
        ("null", None, False),
        ("null", "cross-site", False),
        ("https://evil.example", None, False),
        ("https://evil.example", "same-origin", False),
        (BASE, "cross-site", False),
        (BASE, "same-site", False),
        (BASE + ".evil.example", None, False),
        (BASE.upper(), None, False),
    ],
)
def test_a_form_is_ours_when_the_browser_says_nothing_else(origin: str | None, site: str | None, counts: bool) -> None:
    assert from_our_page(origin, site, BASE) is counts


async def _pending(site: Site) -> tuple[str, str]:
    """A pending request's id, and the token of the librarian who looks at it."""
    filed = await site.world.file()
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    return filed.row.id, dict(site.form("/answer").fields)["csrf"]


@pytest.mark.parametrize(
    "headers, change, status",
    [
        ({"Origin": "https://evil.example"}, {}, 403),
        ({"Origin": "null"}, {}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": BASE}, {}, 403),
        ({}, {"csrf": ""}, 403),
        ({}, {"csrf": "x" * 43}, 403),
        ({}, {"csrf": "é"}, 403),
        ({"Content-Type": "text/plain"}, {}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, {}, 415),
        ({"Content-Type": "application/json"}, {}, 415),
    ],
    ids=["foreign", "null", "cross-site", "no token", "wrong token", "odd token", "plain", "multipart", "json"],
)
@pytest.mark.parametrize("path", ["answer", "revoke"])
async def test_a_form_that_is_not_ours_changes_nothing(
    site: Site, path: str, headers: dict[str, str], change: dict[str, str], status: int
) -> None:
    request_id, token = await _pending(site)
    body = {"csrf": token, "decision": "ask", "q": "May I?"} | change
    answer = await site.client.post(
        f"/requests/{request_id}/{path}", content=urlencode(body).encode(), headers={"Content-Type": FORM} | headers
    )
    assert answer.status_code == status
    assert "Nothing was changed." in answer.text or status == 415
    shown = await review(site.world.services, await site.world.visitor(HEAD), request_id)
    assert shown.messages == ()
    assert shown.status is Status.PENDING


async def test_a_form_without_any_header_of_its_browser_counts_by_its_token(site: Site) -> None:
    request_id, token = await _pending(site)
    answer = await site.client.post(
        f"/requests/{request_id}/answer", data={"csrf": token, "decision": "ask", "q": "May I?"}
    )
    assert answer.status_code == 303


async def test_the_token_of_one_session_is_none_of_anothers(site: Site) -> None:
    request_id, token = await _pending(site)
    site.enter(HEAD)
    answer = await site.client.post(
        f"/requests/{request_id}/answer", data={"csrf": token, "decision": "deny"}, headers={"Origin": BASE}
    )
    assert answer.status_code == 403


async def test_nobody_is_signed_in_by_a_foreign_form(site: Site) -> None:
    await site.open(f"/sign-in/{CODE}")
    token = dict(site.form(f"/sign-in/{CODE}").fields)["csrf"]
    site.leave()
    answer = await site.client.post(f"/sign-in/{CODE}", data={"csrf": token}, headers={"Origin": BASE})
    assert answer.status_code == 403


@pytest.mark.parametrize("body", [b"csrf=%ff", b"csrf=\xff", b"&".join([b"a=1"] * 300), b"a=" + b"x" * 300_000])
async def test_a_form_that_cannot_be_read_is_refused(site: Site, body: bytes) -> None:
    request_id, _ = await _pending(site)
    answer = await site.client.post(
        f"/requests/{request_id}/answer", content=body, headers={"Content-Type": FORM, "Origin": BASE}
    )
    assert answer.status_code in {403, 413, 422}
    assert "<h1>" in answer.text


async def test_pages_of_people_send_strangers_to_the_sign_in(site: Site) -> None:
    for path in ("/requests", "/requests/req_x", "/requests/req_x/check/dft_x", "/settings/people", "/trail"):
        answer = await site.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}")
    for path in ("/requests/req_x/answer", "/requests/req_x/check/dft_x", "/requests/req_x/revoke"):
        answer = await site.client.post(path, data={"csrf": "x"}, headers={"Origin": BASE})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/requests/req_x")
    for path in ("/settings/people", "/trail/export", "/sign-out", f"/enrol/{CODE}"):
        answer = await site.client.post(path, data={"csrf": "x"}, headers={"Origin": BASE})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/requests")


async def test_what_is_not_yours_looks_like_what_is_not_there(site: Site) -> None:
    filed = await site.world.file()
    site.enter(LIBRARIAN)
    theirs = await site.world.file(institution=OTHER, environment="alma-sandbox")
    nothing = (await site.get("/requests/req_01kdj4t8xqf5tb7rqk3mw2zn9c")).text
    own = (f"/requests/{filed.row.id}/check/dft_x", "/requests/x", "/settings/people", "/enrol/VENDOR")
    for path in (f"/requests/{theirs.row.id}", f"/requests/{theirs.row.id}/check/dft_x", f"/enrol/{OTHER}", *own):
        answer = await site.get(path)
        assert answer.status_code == 404
        assert _main(answer.text) == _main(nothing)
    assert (await site.get("/nowhere")).status_code == 404
    await site.open("/requests")
    assert theirs.row.id not in site.text
    token = dict(site.form("/sign-out").fields)["csrf"]
    for path in ("answer", "revoke", "check/dft_x"):
        body = {"csrf": token, "decision": "deny"}
        answer = await site.client.post(f"/requests/{theirs.row.id}/{path}", data=body, headers={"Origin": BASE})
        assert answer.status_code == 404
        assert _main(answer.text) == _main(nothing)


def _main(page: str) -> str:
    return page.partition("<main")[2].partition("</main>")[0]


async def test_another_persons_draft_is_not_there(site: Site) -> None:
    filed = await site.world.file()
    draft = await site.world.draft(HEAD, filed.row.id)
    site.enter(LIBRARIAN)
    assert (await site.get(f"/requests/{filed.row.id}/check/{draft}")).status_code == 404
    assert (await site.get(f"/requests/{filed.row.id}?draft={draft}")).status_code == 200


async def test_an_auditor_reads_but_finds_no_form_that_decides(site: Site) -> None:
    filed = await site.world.file()
    await site.world.approve(HEAD, filed.row.id)
    pending = await site.world.file()
    site.enter(AUDITOR)
    for path in ("/requests", f"/requests/{filed.row.id}", f"/requests/{pending.row.id}"):
        await site.open(path)
        assert "/revoke" not in site.text
        assert "/answer" not in site.text
    token = dict(site.form("/sign-out").fields)["csrf"]
    for path in (f"/requests/{filed.row.id}/revoke", f"/requests/{pending.row.id}/answer"):
        answer = await site.client.post(path, data={"csrf": token, "decision": "deny"}, headers={"Origin": BASE})
        assert answer.status_code == 403
        assert "No access was given, and no answer was recorded." in answer.text


@pytest.mark.parametrize("secure", [True, False])
async def test_cookies_are_bound_to_the_host_and_to_tls_where_there_is_tls(newcomer: Site, secure: bool) -> None:
    base = BASE.replace("http:", "https:") if secure else BASE
    async with visit(newcomer.world, app_of(newcomer.world, base)) as site:
        answer = await site.get(f"/sign-in/{CODE}")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-countersign-browser=") is secure
    assert ("; Secure" in cookie) is secure
    for part in ("; HttpOnly", "; Path=/", "; SameSite=lax"):
        assert part in cookie
    assert "Domain" not in cookie
    assert ("strict-transport-security" in answer.headers) is secure


async def test_the_session_cookie_changes_at_sign_in_and_countersignature(site: Site) -> None:
    filed = await site.world.file()
    await site.sign_in(LIBRARIAN)
    first = site.client.cookies[SESSION]
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="approve")
    await site.send(site.path)
    await site.through_provider(LIBRARIAN)
    assert site.client.cookies[SESSION] != first
    site.client.cookies.set(SESSION, first, domain="countersign.test")
    assert (await site.get("/requests")).status_code == 303
