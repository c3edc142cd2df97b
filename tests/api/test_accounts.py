"""The vendor's accounts and scans by API: streamed, once a key, rows that are broken told, and nobody else's place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.accounts import ACCOUNTS
from tests.actions.attacks import trail
from tests.actions.keyed import let
from tests.actions.worlds import CODE
from tests.api.conftest import Api
from tests.fixtures.alma import KEY, run_alma, user

SCANS = f"/v1/institutions/{CODE}/account-scans"
PLACE = "esploro-sandbox"
HEADER = "primary_id,first_name,last_name,full_name,record_type,account_type,status,roles\n"
CSV = {"Content-Type": "text/csv"}


async def keeper(calls: Api) -> dict[str, str]:
    return {"Authorization": await calls.client("scanner", ["accounts"], [CODE], [])}


async def test_the_accounts_are_listed_with_every_name_seen(calls: Api) -> None:
    answer = await calls.http.get("/v1/accounts", headers=await keeper(calls))
    listed = answer.json()["items"]
    assert [each["id"] for each in listed] == list(ACCOUNTS)
    assert listed[1]["names"] == ["Support, Ex Libris", "Ex Libris, BLOCKED - Not in Use"]
    assert [each["may_be_requested"] for each in listed] == [True, False, False]
    assert (await calls.http.get("/v1/accounts")).status_code == 403


async def test_users_as_json_and_as_csv_are_scanned(calls: Api) -> None:
    head = await keeper(calls)
    body = {"environment": PLACE, "users": [user("exl_impl", "Ex Libris", "Staff"), user("x1", "Ex", "Libris")]}
    answer = await calls.http.post(SCANS, json=body, headers=head)
    assert answer.status_code == 201, answer.text
    done = answer.json()
    assert (done["users"], len(done["opened"]), done["closed"], done["broken"]) == (2, 1, [], 0)
    rows = HEADER + 'exl_impl,,,"Staff, Ex Libris",,,ACTIVE,\nbroken\n'
    answer = await calls.http.post(SCANS, content=rows, params={"environment": PLACE}, headers=head | CSV)
    assert answer.json()["broken_rows"] == [{"line": 3, "detail": "it has 1 fields and not 8"}]
    rows = rows.replace("broken\n", "")
    answer = await calls.http.post(SCANS, content=rows, params={"environment": PLACE}, headers=head | CSV)
    assert answer.json()["closed"] == done["opened"]
    listed = (await calls.http.get(f"/v1/institutions/{CODE}/findings", headers=head)).json()["items"]
    assert [(each["kind"], each["state"]) for each in listed] == [("unintended-user", "closed")]


async def test_a_key_scans_once(calls: Api) -> None:
    head = await keeper(calls) | {"Idempotency-Key": "a-scan"}
    body = {"environment": PLACE, "users": [user("x1", "Ex", "Libris")]}
    first = await calls.http.post(SCANS, json=body, headers=head)
    again = await calls.http.post(SCANS, json=body, headers=head)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert len([each for each in await trail(calls.world) if each.type == "scan.completed"]) == 1
    answer = await calls.http.post(SCANS, json=body | {"environment": "alma-production"}, headers=head)
    assert answer.json()["type"].endswith("/idempotency-mismatch")


@pytest.mark.parametrize(
    "body,pointer",
    [
        ({"environment": "nowhere", "users": [{"primary_id": "a"}]}, "/environment"),
        ({"users": [{"primary_id": "a"}]}, "/environment"),
        ({"environment": PLACE}, "/users"),
        ({"environment": PLACE, "users": []}, "/users"),
        ({"environment": PLACE, "users": [], "more": 1}, ""),
        ({"environment": PLACE, "source": "file", "users": [{"primary_id": "a"}]}, "/source"),
        ({"environment": PLACE, "source": "alma", "users": [{"primary_id": "a"}]}, "/source"),
        ({"environment": PLACE, "source": "alma"}, "/source"),
        ([{"primary_id": "a"}], "/environment"),
        ("<users/>", "/users"),
    ],
)
async def test_what_is_wrong_changes_nothing(calls: Api, body: Any, pointer: str) -> None:
    head, size = await keeper(calls), len(await trail(calls.world))
    content = body if isinstance(body, str) else json.dumps(body)
    answer = await calls.http.post(SCANS, content=content, headers=head | {"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert len(await trail(calls.world)) == size


async def test_other_types_and_other_places_are_refused(calls: Api) -> None:
    head = await keeper(calls)
    answer = await calls.http.post(SCANS, content="<users/>", headers=head | {"Content-Type": "application/xml"})
    assert answer.status_code == 415
    for code in ("01OTHER_INST", "VENDOR", "nothing"):
        answer = await calls.http.post(f"/v1/institutions/{code}/account-scans", json={}, headers=head)
        assert answer.status_code == 404
    answer = await calls.http.post(SCANS, json={}, headers={"Authorization": await calls.token()})
    assert answer.status_code == 403


async def test_a_long_file_is_streamed_past_the_limit_of_other_bodies(calls: Api) -> None:
    async def rows() -> AsyncIterator[bytes]:
        yield HEADER.encode()
        for place in range(40):
            yield b"".join(
                b"u%d,Anna,Meier,Anna Meier,PUBLIC,EXTERNAL,ACTIVE,Patron\n" % (place * 1000 + n) for n in range(1000)
            )
        yield b"exl_impl,,,Staff Ex Libris,,,,\n"

    head = await keeper(calls) | CSV
    answer = await calls.http.post(SCANS, content=rows(), params={"environment": PLACE}, headers=head)
    assert (answer.status_code, answer.json()["users"], answer.json()["opened"]) == (201, 40_001, [])


async def test_the_service_reads_alma_itself(calls: Api) -> None:
    head = await keeper(calls)
    async with run_alma(user("exl_impl", "Ex Libris", "Staff"), user("x1", "Ex", "Libris")) as alma:
        await let(calls.world.services, alma, KEY, PLACE)
        answer = await calls.http.post(SCANS, json={"environment": PLACE, "source": "alma"}, headers=head)
        assert (answer.status_code, answer.json()["users"], len(answer.json()["opened"])) == (201, 2, 1)
        alma.faults = ["xml"]
        answer = await calls.http.post(SCANS, json={"environment": PLACE, "source": "alma"}, headers=head)
        assert (answer.status_code, answer.json()["detail"]) == (
            502,
            "Alma did not answer in JSON. Nothing was changed.",
        )
        assert KEY not in answer.text


async def test_findings_come_in_pages_by_the_cursor_that_was_given_alone(calls: Api) -> None:
    head = await keeper(calls)
    users = [{"primary_id": f"x{n}", "full_name": "Ex Libris", "status": {"value": "ACTIVE"}} for n in range(5)]
    await calls.http.post(SCANS, json={"environment": PLACE, "users": users}, headers=head)
    path, seen, cursor = SCANS.replace("account-scans", "findings"), set[str](), None
    for _ in range(3):
        query = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        page = (await calls.http.get(path, params=query, headers=head)).json()
        seen |= {each["id"] for each in page["items"]}
        cursor = page["next_cursor"]
    assert (len(seen), cursor) == (6, None)
    for foreign in ("zzz", "", next(iter(seen))):
        answer = await calls.http.get(path, params={"cursor": foreign}, headers=head)
        assert answer.status_code == 422, foreign


async def test_a_key_that_was_answered_asks_alma_nothing_again(calls: Api) -> None:
    head = await keeper(calls) | {"Idempotency-Key": "scan-1"}
    async with run_alma(user("exl_impl", "Ex Libris", "Staff")) as alma:
        await let(calls.world.services, alma, KEY, PLACE)
        first = await calls.http.post(SCANS, json={"environment": PLACE, "source": "alma"}, headers=head)
        asked = len(alma.calls)
        again = await calls.http.post(SCANS, json={"environment": PLACE, "source": "alma"}, headers=head)
        assert (again.status_code, again.content, len(alma.calls)) == (201, first.content, asked)
        assert again.headers["Idempotency-Replayed"] == "true"
        other = await calls.http.post(SCANS, json={"source": "alma", "environment": PLACE}, headers=head)
        assert (other.status_code, len(alma.calls)) == (422, asked)
