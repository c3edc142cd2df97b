"""One's own sessions: listed, and ended everywhere at once."""

from __future__ import annotations

from datetime import timedelta

from app.storage import entries
from app.web.call import SESSION
from tests.actions.worlds import AUDITOR, CODE, LIBRARIAN
from tests.web.reading import judge
from tests.web.site import BASE, Site

PATH = "/settings/sessions"


async def test_signing_out_everywhere_ends_every_session_of_ones_own(site: Site) -> None:
    world = site.world
    first = world.people.pop(LIBRARIAN)
    await world.sign_in(LIBRARIAN)
    site.enter(LIBRARIAN)
    await site.open("/requests")
    assert PATH in judge(site.text).links
    await site.open(PATH)
    judge(site.text)
    assert site.text.count("unless used") == 2
    assert site.text.count("This browser") == 1
    await site.send(PATH)
    assert site.path == "/sign-in"
    for cookie in (first, world.people[LIBRARIAN]):
        site.client.cookies.set(SESSION, cookie, domain="countersign.test")
        assert (await site.get("/requests")).status_code == 303
    site.enter(AUDITOR)
    assert (await site.get("/requests")).status_code == 200
    async with world.services.database.read() as tx:
        told = await entries.find(tx, CODE, entries.LeafFilter(type="sign_out.done"), 10)
    assert [each.entry.data for each in told] == [{"because": "person"}] * 2
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_sessions_that_are_over_are_not_listed(site: Site) -> None:
    site.world.people.pop(LIBRARIAN)
    site.world.skip(timedelta(hours=2))
    await site.world.sign_in(LIBRARIAN)
    site.enter(LIBRARIAN)
    await site.open(PATH)
    assert site.text.count("unless used") == 1


async def test_a_strange_form_signs_nobody_out(site: Site) -> None:
    assert (await site.get(PATH)).headers["location"] == f"/sign-in?next={PATH}"
    site.enter(LIBRARIAN)
    await site.open(PATH)
    token = dict(site.form(PATH).fields)["csrf"]
    for body, origin in (({"csrf": "x"}, BASE), ({"csrf": token}, "https://evil.example")):
        answer = await site.client.post(PATH, data=body, headers={"Origin": origin})
        assert answer.status_code == 403
    assert (await site.get(PATH)).status_code == 200
    assert (await site.get("/settings")).headers["location"] == PATH
