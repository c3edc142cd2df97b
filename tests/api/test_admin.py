"""Administration by vendor systems: the switch to support."""

from __future__ import annotations

from app.tokens.clients import EVERY_INSTITUTION
from tests.actions.worlds import CODE
from tests.api.conftest import ACCESS, Api, events

SANDBOX = f"/v1/institutions/{CODE}/environments/esploro-sandbox/switch-to-support"
GATEWAY = "https://gateway.vendor.example/exu-esploro"


async def _administrator(calls: Api) -> dict[str, str]:
    token = await calls.client("administration", ["admin"], [CODE], [])
    return {"Authorization": token}


async def test_an_environment_is_switched_to_support_once(enrolled: Api) -> None:
    filed, headers = await enrolled.file(), await _administrator(enrolled)
    answer = await enrolled.http.post(SANDBOX, headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {
        "name": "esploro-sandbox",
        "product": "esploro",
        "tier": "sandbox",
        "phase": "support",
        "implementation_ends": None,
        "url": "https://exu.esploro.vendor.example",
        "gateway_audience": GATEWAY,
    }
    found = (await enrolled.http.get(f"{ACCESS}/{filed['id']}")).json()
    assert (found["status"], found["grant"]["ended_because"]) == ("revoked", "rules")
    again = await enrolled.http.post(SANDBOX, headers=headers)
    assert again.status_code == 409
    assert again.json()["type"].endswith("/problems/wrong-state")
    assert await events(enrolled, "environment.switched_to_support") == [{"environment": "esploro-sandbox"}]
    report = await enrolled.world.verify(await enrolled.world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_who_may_not_learns_of_nothing_that_is_not_theirs(enrolled: Api) -> None:
    admin = await enrolled.client("elsewhere", ["admin"], ["01NUL_INST"], [])
    reader = await enrolled.client("reader", ["requests:read"], [EVERY_INSTITUTION], [])
    told = []
    for token, path, status in (
        (admin, SANDBOX, 404),
        (admin, SANDBOX.replace(CODE, "01NUL_INST"), 404),
        (reader, SANDBOX.replace("esploro", "nothing"), 404),
        (reader, SANDBOX.replace(CODE, "01NUL_INST"), 404),
        (reader, SANDBOX.replace(CODE, "%00"), 404),
        (reader, SANDBOX, 403),
    ):
        answer = await enrolled.http.post(path, headers={"Authorization": token})
        assert answer.status_code == status, path
        if status == 404:
            told.append({name: value for name, value in answer.json().items() if name != "instance"})
    assert told == [told[0]] * 5
    assert (await enrolled.http.post(SANDBOX, headers={"Authorization": ""})).status_code == 401
    assert await events(enrolled, "environment.switched_to_support") == []
