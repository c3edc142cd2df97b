"""Standing approvals on their page, as a browser without scripts gives and takes them back; and listed by API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, World, run_world
from tests.api.conftest import Api, calling
from tests.web.reading import judge
from tests.web.site import Site

PATH = "/settings/standing-approvals"
API = f"/v1/institutions/{CODE}/standing-approvals"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The policy allows standing approvals."""

    def configure(text: str) -> str:
        return text.replace("approvals_required = 1", "approvals_required = 2\nstanding_approvals_allowed = true")

    async with run_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path, configure) as made:
        yield made


async def give(site: Site) -> None:
    """The head gives one, by the form; the page is open again."""
    site.enter(HEAD)
    await site.open(PATH)
    judge(site.text)
    day = (site.world.now() + timedelta(days=5)).date().isoformat()
    fields = {"environment": "alma-production", "role": "Fulfillment Administrator", "minutes": "60", "uses": "1"}
    await site.send(PATH, **fields, not_after=day)
    outline = judge(site.text)
    assert "I approve in advance, once until" in outline.text_of("statement")
    assert "It opens once 1 more approver gives it." in site.text
    await site.send(site.path)
    await site.through_provider(HEAD)
    assert (site.status, site.path) == (200, PATH)


async def test_an_approver_gives_one_another_joins_and_a_request_is_approved_at_once(site: Site) -> None:
    await give(site)
    judge(site.text)
    assert "Not enough have given it" in site.text
    site.enter(LIBRARIAN)
    await site.open(PATH)
    join = next(form for form in judge(site.text).forms if form[0].startswith(f"{PATH}/sta_"))[0]
    await site.send(join, act="join")
    await site.send(site.path)
    await site.through_provider(LIBRARIAN)
    assert ">Open<" in site.text
    filed = await site.world.file(minutes=60)
    assert filed.status == "active"
    await site.open(f"/requests/{filed.row.id}")
    judge(site.text)
    assert "standing approval" in site.text
    await site.open(PATH)
    assert "Over: used up" in site.text


async def test_it_is_taken_back_in_one_press_and_by_api(site: Site) -> None:
    for way in ("page", "api"):
        site.world.people[HEAD] = ""
        await site.world.sign_in(HEAD)
        await give(site)
        form = next(each for each in judge(site.text).forms if each[0].startswith(f"{PATH}/sta_"))[0]
        async with calling(site.world) as calls:
            headers = {"Authorization": await calls.client(f"admin-{way}", ["admin"], [CODE], [])}
            listed = (await calls.http.get(API, headers=headers)).json()["items"]
            assert (listed[0]["state"], listed[0]["given_by"]) == ("waiting", ["Head of Systems"])
            assert (listed[0]["uses"], listed[0]["used"], listed[0]["givers_wanted"]) == (1, 0, 2)
            if way == "page":
                await site.send(form, act="end")
                assert "Over: taken back" in site.text
            else:
                await _revoked(calls, headers, form.rpartition("/")[2])


async def _revoked(calls: Api, headers: dict[str, str], standing: str) -> None:
    page = (await calls.http.get(API, params={"limit": "1"}, headers=headers)).json()
    assert page["next_cursor"] == standing
    assert (await calls.http.delete(f"{API}/{standing}")).status_code == 403, "the console has no scope for it"
    assert (await calls.http.delete(f"{API}/{standing}", headers=headers)).status_code == 204
    assert (await calls.http.delete(f"{API}/{standing}", headers=headers)).status_code == 409
    assert (await calls.http.delete(f"{API}/sta_nothing", headers=headers)).status_code == 404
    other = {"Authorization": await calls.client("others-admin", ["admin"], ["01NUL_INST"], [])}
    for answer in (
        await calls.http.get(API, headers=other),
        await calls.http.delete(f"{API}/{standing}", headers=other),
    ):
        assert answer.status_code == 404


async def test_the_form_names_what_is_wrong_and_others_find_none(site: Site) -> None:
    site.enter(HEAD)
    await site.open(PATH)
    answer = await site.post(site.form(PATH), environment="alma-production", minutes="x", uses="0", not_after="soon")
    assert answer.status_code == 422
    assert {"minutes", "uses", "not_after"} <= judge(answer.text).anchors
    answer = await site.post(site.form(PATH), minutes="60", uses="1", not_after="2099-01-01")
    assert {"environment", "not_after"} <= judge(answer.text).anchors
    form = site.form(PATH)
    site.enter(AUDITOR)
    await site.open(PATH)
    assert not [action for action, _ in judge(site.text).forms if action == PATH]
    token = dict(site.form("/sign-out").fields)["csrf"]
    day = (site.world.now() + timedelta(days=5)).date().isoformat()
    fields = {"environment": "alma-production", "minutes": "60", "uses": "1", "not_after": day}
    assert (await site.post(form, csrf=token, **fields)).status_code == 403
