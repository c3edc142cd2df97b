"""The settings page of environments."""

from __future__ import annotations

from app.actions.reviews import review
from app.domain.request import Status
from tests.actions.worlds import HEAD, LIBRARIAN
from tests.web.reading import judge
from tests.web.site import BASE, Site

PATH = "/settings/environments"


async def test_an_admin_switches_to_support_in_one_press(site: Site) -> None:
    filed = await site.world.file(environment="esploro-sandbox")
    assert filed.status is Status.ACTIVE
    site.enter(HEAD)
    await site.open(PATH)
    judge(site.text)
    assert "Implementation until" in site.text
    await site.send(PATH)
    assert (site.status, site.path) == (200, PATH)
    judge(site.text)
    assert "Implementation until" not in site.text
    assert not [action for action, _ in judge(site.text).forms if action == PATH]
    shown = await review(site.world.services, await site.world.visitor(HEAD), filed.row.id)
    assert shown.status is Status.REVOKED
    await site.open(f"/requests/{filed.row.id}")
    judge(site.text)
    assert "Access ended by your rules" in site.text


async def test_others_see_no_page_and_switch_nothing(site: Site) -> None:
    site.enter(HEAD)
    await site.open(PATH)
    form = site.form(PATH)
    site.enter(LIBRARIAN)
    assert (await site.get(PATH)).status_code == 404
    await site.open("/requests")
    token = dict(site.form("/sign-out").fields)["csrf"]
    assert (await site.post(form, csrf=token)).status_code == 404
    assert (await site.post(form)).status_code == 403
    site.enter(HEAD)
    assert (await site.post(form, environment="nothing")).status_code == 404
    assert (
        await site.client.post(PATH, data=form.filled(), headers={"Origin": "https://x.example"})
    ).status_code == 403
    assert (await site.client.post(PATH, data=form.filled(), headers={"Origin": BASE})).status_code == 303
    assert (await site.post(form)).status_code == 409
