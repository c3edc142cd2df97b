"""Taking a session away on the pages."""

from __future__ import annotations

from tests.actions.watching import approved, opened, row_of
from tests.actions.worlds import HEAD
from tests.web.site import BASE, Site


async def test_an_approver_ends_a_session_in_one_press_by_a_form_of_ours(site: Site) -> None:
    request = await approved(site.world)
    session = await opened(site.world, request)
    site.enter(HEAD)
    await site.open(f"/requests/{request}")
    token, origin = dict(site.form("/revoke").fields)["csrf"], {"Origin": BASE}
    path = f"/sessions/{session}/end"
    assert (await site.client.post(path, data={"csrf": "x"}, headers=origin)).status_code == 403
    assert (await row_of(site.world, session)).state == "open"
    answer = await site.client.post(path, data={"csrf": token}, headers=origin)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/requests/{request}")
    assert (await row_of(site.world, session)).ended_because == "approver"
    assert (await site.client.post(path, data={"csrf": token}, headers=origin)).status_code == 409
    nothing = await site.client.post("/sessions/ses_none/end", data={"csrf": token}, headers=origin)
    assert nothing.status_code == 404
    site.leave()
    stranger = await site.client.post(path, data={"csrf": token}, headers=origin)
    assert stranger.headers["location"].startswith("/sign-in?next=")
