"""Access requests over HTTP: filed, read, ended, answered the same way twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.actions.worlds import CODE, HEAD
from tests.api.conftest import ACCESS, Api, asked, events, requests


async def test_a_request_comes_back_as_it_was_sent_with_what_the_service_knows_of_it(calls: Api) -> None:
    answer = await calls.http.post(ACCESS, json=asked())
    filed = answer.json()
    assert answer.status_code == 201
    assert {name: filed[name] for name in asked()} == asked()
    assert (filed["status"], filed["ground"], filed["number"][4:]) == ("active", "implementation", "-0001")
    assert filed["grant"].keys() == {"id", "not_before", "not_after", "roles", "ended_at", "ended_because"}
    assert len(filed["check_code"]) == 9
    assert filed["request_digest"].startswith("sha256:")
    assert filed["created_by"] == calls.world.client
    assert filed["created_at"].endswith("Z")
    assert filed["links"]["page"] == f"http://countersign.test/requests/{filed['id']}"
    assert answer.headers["location"] == filed["links"]["self"]
    read = await calls.http.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (filed, answer.headers["etag"])


async def test_what_is_optional_may_be_left_out(calls: Api) -> None:
    body = asked()
    for name in ("endorser", "extends", "roles"):
        del body[name]
    del body["case"]["url"], body["engineer"]["works_from"], body["window"]["not_before"]
    filed = (await calls.http.post(ACCESS, json=body)).json()
    assert (filed["endorser"], filed["extends"], filed["roles"]) == (None, None, [])
    assert (filed["case"]["url"], filed["engineer"]["works_from"], filed["window"]["not_before"]) == (None, None, None)


@pytest.mark.parametrize(
    "changes,problem",
    [
        ({"account": "exl_support"}, "account-deactivated"),
        ({"account": "exl_api"}, "account-technical"),
        ({"account": "exl_root"}, "account-unknown"),
        ({"environment": "alma-elsewhere"}, "environment-unknown"),
        ({"environment": "alma-production"}, "institution-not-enrolled"),
        ({"window": {"minutes": 60 * 24 * 31}}, "window-too-long"),
    ],
)
async def test_what_may_not_be_asked_is_refused_and_the_refusal_recorded(
    calls: Api, changes: dict[str, Any], problem: str
) -> None:
    answer = await calls.http.post(ACCESS, json=asked(**changes))
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, problem)
    assert await requests(calls) == 0
    assert [each["problem"] for each in await events(calls, "request.refused")] == [problem]


async def test_in_support_a_case_has_to_be_escalated(enrolled: Api) -> None:
    case = asked()["case"] | {"escalated": False}
    answer = await enrolled.http.post(ACCESS, json=asked(environment="alma-production", case=case))
    problem = answer.json()
    assert (answer.status_code, problem["type"].rpartition("/")[2]) == (422, "case-not-escalated")
    assert problem["errors"][0]["pointer"] == "/case/escalated"


async def test_an_institution_of_others_looks_like_one_that_is_not_there(calls: Api) -> None:
    token = await calls.client("elsewhere", ["requests", "requests:read", "tokens"], ["01OTHER_INST"], [])
    theirs = await calls.file()
    mine = {"Authorization": token}
    answers = [
        await calls.http.post(ACCESS, json=asked(institution=code), headers=mine)
        for code in (CODE, "01NOBODY_INST", "VENDOR", "no code at all")
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["type"].endswith("/institution-unknown")
    unknown = "req_01kam4x0a5e0a8gs2yt6y6a8nd"
    for path in ("", "/withdraw", "/complete", "/messages", "/token"):
        said = {"": None, "/withdraw": {"reason": "x"}, "/complete": {"summary": "x"}, "/messages": {"text": "x"}}
        told = []
        for request_id in (theirs["id"], unknown, "nonsense", "%00"):
            address = f"{ACCESS}/{request_id}{path}"
            method = "GET" if not path else "POST"
            answer = await calls.http.request(method, address, json=said.get(path), headers=mine)
            told.append((answer.status_code, answer.json() | {"instance": ""}))
        assert told[0][0] == 404
        assert all(each == told[0] for each in told), told
    assert (await calls.http.get(ACCESS, headers=mine)).json()["items"] == []
    assert (await calls.http.get(ACCESS, params={"institution": CODE}, headers=mine)).json()["items"] == []


async def test_the_same_key_and_body_replay_the_first_answer(calls: Api) -> None:
    key = {"Idempotency-Key": "a-key-of-the-console"}
    first = await calls.http.post(ACCESS, json=asked(), headers=key)
    again = await calls.http.post(ACCESS, json=asked(), headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert [again.headers[name] for name in ("location", "etag")] == [
        first.headers[name] for name in ("location", "etag")
    ]
    assert await requests(calls) == 1


async def test_a_key_is_good_for_one_body_of_one_client(calls: Api) -> None:
    key = {"Idempotency-Key": "k"}
    await calls.file(headers=key)
    other = await calls.http.post(ACCESS, json=asked(reason="Another reason, as long."), headers=key)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")
    token = await calls.client("another", ["requests"], ["*"], [])
    mine = await calls.http.post(ACCESS, json=asked(), headers=key | {"Authorization": token})
    assert (mine.status_code, "idempotency-replayed" in mine.headers) == (201, False)
    assert await requests(calls) == 2


async def test_a_refusal_is_not_kept_under_its_key(calls: Api) -> None:
    key = {"Idempotency-Key": "k"}
    bodies = (asked(account="exl_api"), asked())
    answers = [await calls.http.post(ACCESS, json=body, headers=key) for body in bodies]
    assert [answer.status_code for answer in answers] == [422, 201]


async def test_many_at_once_with_one_key_make_one_request(calls: Api) -> None:
    key = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(calls.http.post(ACCESS, json=asked(), headers=key) for _ in range(8)))
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 7


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "ü"])
async def test_a_key_of_another_form_is_refused(calls: Api, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await calls.http.post(ACCESS, json=asked(), headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/idempotency-key")


async def test_a_read_that_knows_the_tag_is_spared_the_body(calls: Api) -> None:
    filed = await calls.file()
    address = f"{ACCESS}/{filed['id']}"
    etag = (await calls.http.get(address)).headers["etag"]
    for known in (etag, f'"x", W/{etag}', "*"):
        answer = await calls.http.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await calls.http.get(address, headers={"If-None-Match": '"x"'})).status_code == 200


async def test_the_clock_alone_changes_status_tag_and_grant(calls: Api) -> None:
    filed = await calls.file()
    address = f"{ACCESS}/{filed['id']}"
    before = (await calls.http.get(address)).headers["etag"]
    calls.world.skip(timedelta(minutes=241))
    calls.http.headers["Authorization"] = await calls.token()
    answer = await calls.http.get(address, headers={"If-None-Match": before})
    now = answer.json()
    assert (answer.status_code, now["status"]) == (200, "elapsed")
    assert (now["grant"]["ended_at"], now["grant"]["ended_because"]) == (now["grant"]["not_after"], "elapsed")
    assert now["updated_at"] == now["grant"]["not_after"]
    for status, found in (("elapsed", 1), ("active", 0)):
        assert len((await calls.http.get(ACCESS, params={"status": status})).json()["items"]) == found


async def test_a_pending_request_is_withdrawn_once(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    assert (filed["status"], filed["grant"], filed["approvals"]) == ("pending", None, {"required": 1, "given": 0})
    address = f"{ACCESS}/{filed['id']}/withdraw"
    stale = await enrolled.http.post(address, json={"reason": "Solved."}, headers={"If-Match": '"other"'})
    assert (stale.status_code, stale.json()["type"].rpartition("/")[2]) == (412, "stale")
    tag = (await enrolled.http.get(f"{ACCESS}/{filed['id']}")).headers["ETag"]
    weak = await enrolled.http.post(address, json={"reason": "Solved."}, headers={"If-Match": f"W/{tag}"})
    assert weak.status_code == 412
    listed = {"If-Match": f'"other", {tag}'}
    answer = await enrolled.http.post(address, json={"reason": "Solved."}, headers=listed)
    assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn")
    again = await enrolled.http.post(address, json={"reason": "Solved."})
    problem = again.json()
    assert (again.status_code, problem["status"], problem["request_status"]) == (409, 409, "withdrawn")


async def test_an_approved_request_gives_a_token_until_it_is_completed(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    address = f"{ACCESS}/{filed['id']}"
    early = await enrolled.http.post(f"{address}/token")
    assert (early.status_code, early.json()["type"].rpartition("/")[2]) == (409, "not-approved")
    await enrolled.world.approve(HEAD, filed["id"])
    minted = await enrolled.http.post(f"{address}/token")
    token = minted.json()
    assert (minted.status_code, token["token_type"], minted.headers["cache-control"]) == (201, "Bearer", "no-store")
    assert 0 < token["expires_in"] <= 900
    introspected = await enrolled.http.post("/oauth2/introspect", data={"token": token["access_token"]})
    assert introspected.json()["authorization_details"][0]["request"] == filed["id"]
    done = await enrolled.http.post(f"{address}/complete", json={"summary": "Done."})
    ended = done.json()
    assert (ended["status"], ended["grant"]["ended_because"]) == ("completed", "completed")
    assert (await enrolled.http.post("/oauth2/introspect", data={"token": token["access_token"]})).json() == {
        "active": False
    }
    late = await enrolled.http.post(f"{address}/token")
    assert (late.status_code, late.json()["type"].rpartition("/")[2]) == (410, "grant-ended")


async def test_vendor_systems_see_a_name_and_never_an_address_or_a_subject(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    await enrolled.world.approve(HEAD, filed["id"], note="Only the job.")
    await enrolled.http.post(f"{ACCESS}/{filed['id']}/messages", json={"text": "Thank you.\n\tI begin."})
    read = await enrolled.http.get(f"{ACCESS}/{filed['id']}")
    listed = await enrolled.http.get(ACCESS)
    decision, message = read.json()["decisions"][0], read.json()["messages"][0]
    assert (decision["by"], decision["verdict"], decision["comment"]) == ("Head of Systems", "approve", "Only the job.")
    assert decision["terms"] == {
        "not_before": None,
        "not_after": None,
        "minutes": 240,
        "roles": ["Fulfillment Administrator"],
    }
    assert (message["from"], message["by"], message["text"]) == ("vendor", "Tier 3 engineer", "Thank you.\n\tI begin.")
    for secret in (HEAD, "sub-of-", "per_"):
        assert secret not in read.text + listed.text


@pytest.mark.parametrize(
    "path,body,pointer",
    [
        ("withdraw", {}, "/reason"),
        ("withdraw", {"reason": ""}, "/reason"),
        ("withdraw", {"reason": "x" * 4001}, "/reason"),
        ("complete", {"summary": "x", "reason": "y"}, "/reason"),
        ("messages", {"text": 5}, "/text"),
        ("messages", {"text": "\u001b[31m"}, "/text"),
    ],
)
async def test_words_that_end_or_explain_a_request_are_judged_too(
    calls: Api, path: str, body: dict[str, Any], pointer: str
) -> None:
    filed = await calls.file()
    answer = await calls.http.post(f"{ACCESS}/{filed['id']}/{path}", json=body)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
    assert (await calls.http.get(f"{ACCESS}/{filed['id']}")).json() == filed


HOSTILE = (
    "<script>alert(1)</script>",
    '=HYPERLINK("https://evil.example")',
    "'; DROP TABLE requests; --",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "{{7*7}} ${7*7} %s %n",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f469\u200d\U0001f4bb ﷽",
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_comes_back_as_it_was_sent(calls: Api, text: str) -> None:
    case = asked()["case"] | {"title": text}
    engineer = asked()["engineer"] | {"name": text}
    filed = await calls.file(case=case, engineer=engineer, reason=text + " " * 10, roles=[text])
    assert (filed["case"]["title"], filed["engineer"]["name"], filed["roles"]) == (text, text, [text])


@pytest.mark.parametrize("name", ["\u200b", " \u2066\u2069", "\ufeff\u00a0"])
async def test_a_name_that_nobody_can_see_is_refused(calls: Api, name: str) -> None:
    answer = await calls.http.post(ACCESS, json=asked(engineer=asked()["engineer"] | {"name": name}))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/engineer/name")


async def test_a_list_is_walked_page_by_page(calls: Api) -> None:
    filed = [await calls.file(case=asked()["case"] | {"number": str(n)}) for n in range(5)]
    address: str | None = f"{ACCESS}?limit=2&engineer=e1234"
    seen, pages = [], 0
    while address is not None:
        answer = await calls.http.get(address)
        page = answer.json()
        seen += [each["id"] for each in page["items"]]
        pages += 1
        assert (page["next_cursor"] is None) == ("link" not in answer.headers)
        address = answer.links["next"]["url"] if "link" in answer.headers else None
    assert (seen, pages) == ([each["id"] for each in reversed(filed)], 3)
    one = await calls.http.get(ACCESS, params={"case": "3"})
    assert [each["id"] for each in one.json()["items"]] == [filed[3]["id"]]
    later = {"created_after": datetime.now(UTC).isoformat()}
    assert (await calls.http.get(ACCESS, params=later)).json()["items"] == []


@pytest.mark.parametrize(
    "query,pointer",
    [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=many", "/limit"),
        ("status=open", "/status"),
        ("created_after=yesterday", "/created_after"),
        ("cursor=AA", "/cursor"),
        ("cursor=%C3%A4", "/cursor"),
        ("case=%00", "/case"),
        ("colour=blue", "/colour"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(calls: Api, query: str, pointer: str) -> None:
    answer = await calls.http.get(f"{ACCESS}?{query}")
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
