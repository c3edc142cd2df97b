"""The page of one person, for admins."""

from __future__ import annotations

from typing import Any

import pytest

from app.storage import roster
from tests.actions.worlds import CODE, DEPUTY, HEAD, LIBRARIAN
from tests.web.reading import judge
from tests.web.site import BASE, Site


async def _path(site: Site, email: str) -> str:
    async with site.world.services.database.read() as tx:
        found = await roster.of_email(tx, CODE, email)
    assert found is not None
    return f"/settings/people/{found.person}"


async def _open(site: Site, email: str, by: str = HEAD) -> str:
    path = await _path(site, email)
    site.enter(by)
    await site.open(path)
    return path


async def test_an_admin_removes_a_person_whose_next_click_finds_nobody(site: Site) -> None:
    site.enter(HEAD)
    await site.open("/settings/people")
    path = await _path(site, LIBRARIAN)
    assert path in judge(site.text).links
    await site.open(path)
    judge(site.text)
    await site.send(path, remove="1")
    assert site.path == "/settings/people"
    assert LIBRARIAN not in site.text
    assert (await site.get(path)).status_code == 404
    site.enter(LIBRARIAN)
    assert (await site.get("/requests")).headers["location"] == "/sign-in?next=/requests"


async def test_the_last_admin_is_told_why_they_stay(site: Site) -> None:
    path = await _open(site, HEAD)
    await site.send(path, remove="1")
    assert site.status == 409
    judge(site.text)
    assert "Nobody else is an admin who has signed in" in site.text
    assert (await site.get("/settings/people")).status_code == 200


async def test_days_away_are_saved_and_shown(site: Site) -> None:
    path = await _open(site, LIBRARIAN)
    await site.send(path, away_from="2026-11-18", away_to="2026-11-27")
    assert "from <time" in site.text
    assert "Wed 18 Nov 2026" in site.text
    assert "Fri 27 Nov 2026" in site.text
    await site.open(path)
    assert site.form(path).filled()["away_to"] == "2026-11-27"


@pytest.mark.parametrize(
    "changes, status, says",
    [
        ({"away_from": "2026-11-27", "away_to": "2026-11-26"}, 422, "comes before the first"),
        ({"away_from": "27.11.2026"}, 422, "Give a day as YYYY-MM-DD."),
        ({"away_to": "2026-02-30"}, 422, "Give a day as YYYY-MM-DD."),
        ({"away_to": "0001-01-01"}, 422, "Give a day as YYYY-MM-DD."),
        ({"roles": "operator"}, 422, "Choose from the roles"),
        ({"products": "</x>"}, 422, "Choose from the roles"),
    ],
)
async def test_what_is_refused_is_said_on_the_form(site: Site, changes: dict[str, Any], status: int, says: str) -> None:
    path = await _open(site, LIBRARIAN)
    await site.send(path, **changes)
    assert site.status == status
    judge(site.text)
    assert says in site.text
    assert "Nothing was changed" in site.text


async def test_others_see_no_page_of_a_person_and_change_nothing(site: Site) -> None:
    path = await _path(site, DEPUTY)
    site.enter(LIBRARIAN)
    assert (await site.get(path)).status_code == 404
    await site.open("/requests")
    token = dict(site.form("/sign-out").fields)["csrf"]
    answer = await site.client.post(path, data={"csrf": token, "remove": "1"}, headers={"Origin": BASE})
    assert answer.status_code == 404
    site.enter(HEAD)
    assert (await site.get(path)).status_code == 200
    answer = await site.client.post(path, data={"csrf": token, "remove": "1"}, headers={"Origin": BASE})
    assert answer.status_code == 403
    site.leave()
    assert (await site.get(path)).headers["location"] == f"/sign-in?next={path}"
