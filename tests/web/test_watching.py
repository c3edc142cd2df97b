"""Sessions on the pages: one taken away, and what was recorded of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from app.actions.recordings import NewPart, add_part
from tests.actions.watching import approved, opened, row_of
from tests.actions.worlds import AUDITOR, HEAD
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
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sessions/{session}")
    assert (await row_of(site.world, session)).ended_because == "approver"
    assert (await site.client.post(path, data={"csrf": token}, headers=origin)).status_code == 409
    nothing = await site.client.post("/sessions/ses_none/end", data={"csrf": token}, headers=origin)
    assert nothing.status_code == 404
    site.leave()
    stranger = await site.client.post(path, data={"csrf": token}, headers=origin)
    assert stranger.headers["location"].startswith("/sign-in?next=")


async def test_a_part_is_a_file_for_auditors_and_nothing_for_strangers(site: Site) -> None:
    session = await opened(site.world)

    async def cast() -> AsyncIterator[bytes]:
        yield b"<script>alert(1)</script>"

    await add_part(site.world.services, session, site.world.client, NewPart(1, "text/html", {}, cast()))
    path = f"/sessions/{session}/recording/1"
    assert (await site.get(path)).headers["location"].startswith("/sign-in?next=")
    site.enter(AUDITOR)
    answer = await site.get(path)
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for wrong in ("2", "0", "one", "9" * 30):
        assert (await site.get(f"/sessions/{session}/recording/{wrong}")).status_code == 404
