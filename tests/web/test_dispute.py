"""Disputing a completion report on the request's page; the finding by API."""

from __future__ import annotations

from app.actions.requests import complete
from tests.actions.worlds import AUDITOR, CODE, HEAD
from tests.api.conftest import calling
from tests.web.reading import judge
from tests.web.site import Site

API = f"/v1/institutions/{CODE}/findings"


async def test_a_report_is_disputed_in_one_press_and_explained_by_api(site: Site) -> None:
    request = (await site.world.file()).row.id
    await site.world.approve(HEAD, request)
    await complete(site.world.services, site.world.caller, request, "We <b>changed</b> nothing.", None)
    site.enter(AUDITOR)
    await site.open(f"/requests/{request}")
    assert "We &lt;b&gt;changed&lt;/b&gt; nothing." in site.text
    assert not [action for action, _ in judge(site.text).forms if action.endswith("/dispute")]
    site.enter(HEAD)
    await site.open(f"/requests/{request}")
    empty = await site.post(site.form("/dispute"), why=" ")
    assert empty.status_code == 422
    assert "why" in judge(empty.text).anchors
    await site.send("/dispute", why="A rule was <i>saved</i>.")
    assert (site.status, site.path) == (200, f"/requests/{request}")
    judge(site.text)
    assert "Your objection is recorded" in site.text
    assert "A rule was &lt;i&gt;saved&lt;/i&gt;." in site.text
    async with calling(site.world) as calls:
        assert (await calls.http.get(API)).status_code == 403
        headers = {"Authorization": await calls.client("accounts-keeper", ["accounts"], [CODE], [])}
        (found,) = (await calls.http.get(API, headers=headers)).json()["items"]
        assert (found["kind"], found["state"], found["request"]) == ("work-disputed", "open", request)
        assert (found["subject"], found["explanation"]) == ("A rule was <i>saved</i>.", None)
        path = f"{API}/{found['id']}/explain"
        answer = await calls.http.post(path, json={"text": "By a job."}, headers=headers)
        assert (answer.status_code, answer.json()["state"], answer.json()["explanation"]) == (
            200, "explained", "By a job.",
        )  # fmt: skip
        assert (await calls.http.post(path, json={"text": "By a job."})).status_code == 403
        missing = path.replace(found["id"], "fnd_nothing")
        assert (await calls.http.post(missing, json={"text": "x"}, headers=headers)).status_code == 404
        other = {"Authorization": await calls.client("others-accounts", ["accounts"], ["01NUL_INST"], [])}
        assert (await calls.http.get(API, headers=other)).status_code == 404
        assert (await calls.http.post(path, json={"text": "x"}, headers=other)).status_code == 404
