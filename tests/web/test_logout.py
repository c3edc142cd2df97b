"""Signing out over HTTP: on to the provider from a page that may lead there, and by the provider's own call."""

from __future__ import annotations

from datetime import timedelta

from tests.actions.test_logout import made
from tests.actions.worlds import CODE, LIBRARIAN
from tests.identity.lies import instead
from tests.identity.malicious_provider import Evil
from tests.web.site import Site

PATH = f"/backchannel-logout/{CODE}"


async def test_signing_out_goes_on_to_the_provider_and_the_page_may_lead_there(site: Site) -> None:
    world = site.world
    end = f"{world.provider.issuer}/session/end"
    world.provider.evil = Evil("", discovery=instead(end_session_endpoint=end))
    world.skip(timedelta(minutes=11))
    await world.sign_in(LIBRARIAN)
    site.enter(LIBRARIAN)
    await site.open("/requests")
    policy = site.answer.headers["content-security-policy"]
    assert f"form-action 'self' {world.provider.issuer}" in policy
    answer = await site.post(site.form("/sign-out"))
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, end)
    site.enter(LIBRARIAN)
    assert (await site.get("/requests")).headers["location"] == "/sign-in?next=/requests"
    assert (await site.get("/sign-in?state=x")).status_code == 200, "where the provider sends the browser back to"


async def test_a_provider_calls_with_a_form_and_learns_nothing_but_whether_it_counted(site: Site) -> None:
    world = site.world
    token = made(world).token()
    for path, body in (
        (PATH, {"logout_token": "x"}),
        (PATH, {"x": "y"}),
        ("/backchannel-logout/01NOBODY", {"logout_token": token}),
    ):
        answer = await site.client.post(path, data=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert answer.headers["cache-control"] == "no-store"
    answers = {
        (await site.client.post(path, data={"logout_token": "x"})).text
        for path in (PATH, "/backchannel-logout/01NOBODY", "/backchannel-logout/%00")
    }
    assert len(answers) == 1
    assert (await site.get(PATH)).status_code == 405
    from_a_page = await site.client.post(
        PATH, data={"logout_token": token}, headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    )
    assert from_a_page.status_code == 403
    site.enter(LIBRARIAN)
    assert (await site.get("/requests")).status_code == 200
    answer = await site.client.post(PATH, data={"logout_token": token})
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, b"", "no-store")
    assert (await site.get("/requests")).headers["location"] == "/sign-in?next=/requests"
