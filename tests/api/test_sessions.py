"""Sessions over HTTP: opened by a token once, reported, ended; nobody sees those of other gateways."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.storage import activity
from tests.actions.worlds import CODE
from tests.api.conftest import ACCESS, CONSOLE, Api, basic, events
from tests.tokens.proofs import KEY, OTHER_KEY, proof

SESSIONS = "/v1/sessions"
AUDIENCE = "https://gateway.vendor.example/exu-esploro"
CLIENT = {"ip": "198.51.100.24", "user_agent": "Mozilla/5.0"}


@pytest.fixture
async def gateway(calls: Api) -> dict[str, str]:
    """The headers of a gateway's client."""
    return {"Authorization": await calls.client("gateway", ["sessions"], [CODE], [AUDIENCE])}


async def token(calls: Api, **changes: Any) -> tuple[str, str]:
    """A token, and its request."""
    filed = await calls.file(**changes)
    answer = await calls.http.post(f"{ACCESS}/{filed['id']}/token")
    assert answer.status_code == 201, answer.text
    return answer.json()["access_token"], filed["id"]


async def opened(calls: Api, gateway: dict[str, str], **changes: Any) -> dict[str, Any]:
    """A session, as the answer to its opening has it."""
    minted, _ = await token(calls, **changes)
    answer = await calls.http.post(SESSIONS, json={"token": minted, "client": CLIENT}, headers=gateway)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    assert answer.headers["location"].endswith(f"{SESSIONS}/{session['id']}")
    return session


def happened(calls: Api, *summaries: str) -> dict[str, Any]:
    """A report."""
    at = calls.world.now().isoformat().replace("+00:00", "Z")
    return {"events": [{"at": at, "kind": "page", "summary": each, "detail": {"n": 1.5}} for each in summaries]}


async def test_a_session_has_every_field_of_the_contract(calls: Api, gateway: dict[str, str]) -> None:
    session = await opened(calls, gateway)
    assert list(session) == [
        *("id", "grant", "request", "institution", "environment", "account", "engineer", "engineer_proved", "state"),
        *("opened_at", "ended_at", "ended_because", "not_after", "heartbeat_s", "coverage"),
    ]
    assert session["coverage"] == {"seconds": 0, "recorded_seconds": 0, "supplied_by": "gateway", "gaps": []}
    assert (session["state"], session["engineer"], session["engineer_proved"]) == ("open", "e1234", False)
    assert (session["heartbeat_s"], session["ended_at"], session["institution"]) == (30, None, CODE)
    read = await calls.http.get(f"{SESSIONS}/{session['id']}", headers=gateway)
    assert read.json()["id"] == session["id"]


async def test_reports_are_kept_and_told_whether_the_session_goes_on(calls: Api, gateway: dict[str, str]) -> None:
    session = await opened(calls, gateway)
    path = f"{SESSIONS}/{session['id']}"
    answer = await calls.http.post(f"{path}/activity", json=happened(calls, "Opened a job", ""), headers=gateway)
    assert (answer.status_code, answer.json()) == (200, {"continue": True, "not_after": session["not_after"]})
    ended = await calls.http.post(f"{path}/end", json={"summary": "Re-ran the job."}, headers=gateway)
    assert (ended.json()["state"], ended.json()["ended_because"]) == ("ended", "ended")
    again = await calls.http.post(f"{path}/end", json={"summary": "Re-ran the job."}, headers=gateway)
    assert (again.status_code, again.json()["request_status"]) == (409, "ended")
    late = await calls.http.post(f"{path}/activity", json=happened(calls, "Closed the job"), headers=gateway)
    assert late.json() == {"continue": False, "because": "ended"}
    sealed = await events(calls, "session.segment_sealed")
    assert [(each["n"], each["events"], each["late"]) for each in sealed] == [(1, 2, 0)]


async def test_a_key_repeats_the_answer_and_not_the_report(calls: Api, gateway: dict[str, str]) -> None:
    session = await opened(calls, gateway)
    body, keyed = happened(calls, "Opened a job"), gateway | {"Idempotency-Key": "once"}
    answers = [
        await calls.http.post(f"{SESSIONS}/{session['id']}/activity", json=body, headers=keyed) for _ in range(3)
    ]
    assert [each.headers.get("idempotency-replayed") for each in answers] == [None, "true", "true"]
    await calls.http.post(f"{SESSIONS}/{session['id']}/end", json={"summary": "Done."}, headers=gateway)
    assert [each["events"] for each in await events(calls, "session.segment_sealed")] == [1]


async def test_reports_that_come_at_once_are_each_kept_once_and_in_whole(calls: Api, gateway: dict[str, str]) -> None:
    sessions = [(await opened(calls, gateway))["id"] for _ in range(2)]
    ended = await calls.http.post(f"{SESSIONS}/{sessions[1]}/end", json={"summary": "Done."}, headers=gateway)
    assert ended.is_success
    work = [
        calls.http.post(f"{SESSIONS}/{session}/activity", json=happened(calls, f"a{n}", f"b{n}"), headers=gateway)
        for n in range(20)
        for session in (*sessions, "ses_01kam57d3cf6v9q0m1x2z8e4rt")
    ]
    answers = await asyncio.gather(*work)
    assert [each.status_code for each in answers] == [200, 200, 404] * 20
    assert [each.json()["continue"] for each in answers if each.is_success] == [True, False] * 20
    async with calls.world.services.database.read() as tx:
        for session in sessions:
            kept = await activity.read(tx, CODE, session, 1, 100, 100)
            assert [each.n for each in kept] == list(range(1, 41))
            assert sorted(each.summary for each in kept) == sorted(f"{x}{n}" for n in range(20) for x in "ab")
            assert all(b.summary == f"b{a.summary[1:]}" for a, b in zip(kept[::2], kept[1::2], strict=True))


async def test_a_report_is_refused_for_whoever_calls_before_anything_else_is_looked_at(
    calls: Api, gateway: dict[str, str]
) -> None:
    path = f"{SESSIONS}/{(await opened(calls, gateway))['id']}/activity"
    keyed = gateway | {"Idempotency-Key": "a key with blanks"}
    plain = gateway | {"Content-Type": "text/plain"}
    answers = [
        await calls.http.post(path, content=b"no JSON", headers={"Authorization": "Bearer x"}),
        await calls.http.post(path, content=b"no JSON", headers={"Authorization": await calls.token(scope="requests")}),
        await calls.http.post(path, json=happened(calls, "x"), headers=keyed),
        await calls.http.post(f"{SESSIONS}/ses_none/activity", json=happened(calls, "x"), headers=gateway),
        await calls.http.post(path, content=b"{}", headers=plain),
        await calls.http.post(path, content=b"{", headers=gateway | {"Content-Type": "application/json"}),
    ]
    assert [each.status_code for each in answers] == [401, 403, 422, 404, 415, 400]
    assert answers[2].json()["errors"][0]["pointer"] == "/idempotency-key"
    assert (await calls.http.get(path, headers=gateway)).status_code == 405


async def test_a_session_learns_at_its_next_call_that_its_access_was_given_back(
    calls: Api, gateway: dict[str, str]
) -> None:
    session = await opened(calls, gateway)
    done = await calls.http.post(f"{ACCESS}/{session['request']}/complete", json={"summary": "Done."})
    assert done.status_code == 200
    told = await calls.http.post(
        f"{SESSIONS}/{session['id']}/activity", json=happened(calls, "One more"), headers=gateway
    )
    assert told.json() == {"continue": False, "because": "completed"}
    read = await calls.http.get(f"{SESSIONS}/{session['id']}", headers=gateway)
    assert (read.json()["state"], read.json()["ended_because"]) == ("terminated", "completed")


async def test_a_token_is_inactive_alike_for_whatever_reason(calls: Api, gateway: dict[str, str]) -> None:
    used, _ = await token(calls)
    ended, request = await token(calls)
    await calls.http.post(f"{ACCESS}/{request}/complete", json={"summary": "Done."})
    revoked, _ = await token(calls)
    stranger = {"Authorization": await calls.client("stranger", ["sessions"], [CODE], ["https://other.example"])}
    elsewhere = {"Authorization": await calls.client("elsewhere", ["sessions"], ["02OTHER_INST"], [AUDIENCE])}
    fresh, _ = await token(calls)
    old, _ = await token(calls)
    assert (await calls.http.post(SESSIONS, json={"token": used, "client": CLIENT}, headers=gateway)).status_code == 201
    proof = {"Authorization": basic(*CONSOLE)}
    assert (await calls.http.post("/oauth2/revoke", data={"token": revoked}, headers=proof)).status_code == 200
    bodies = set()
    for minted, headers in (
        *((each, gateway) for each in (used, ended, revoked, "nonsense", fresh[:-4] + "AAAA")),
        *((fresh, each) for each in (stranger, elsewhere)),
    ):
        answer = await calls.http.post(SESSIONS, json={"token": minted, "client": CLIENT}, headers=headers)
        assert answer.status_code == 403, answer.text
        bodies.add(answer.text)
    calls.world.skip(timedelta(minutes=9))
    assert (await calls.http.post(SESSIONS, json={"token": old, "client": CLIENT}, headers=gateway)).status_code == 201
    assert len(bodies) == 1
    told = [each["problem"] for each in await events(calls, "gate.refused")]
    assert told == ["token-used", "token-revoked", "token-foreign", "token-foreign"]


async def test_of_two_that_show_a_token_at_once_one_opens_the_session(calls: Api, gateway: dict[str, str]) -> None:
    minted, _ = await token(calls)
    body = {"token": minted, "client": CLIENT}
    answers = await asyncio.gather(*(calls.http.post(SESSIONS, json=body, headers=gateway) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403]


async def test_sessions_of_another_gateway_are_not_there(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]
    peer = {"Authorization": await calls.client("peer", ["sessions"], [CODE], [AUDIENCE])}
    stranger = {"Authorization": await calls.client("stranger", ["sessions"], ["*"], ["https://other.example"])}
    tried = (("GET", "", None), ("POST", "/activity", happened(calls, "x")), ("POST", "/end", {"summary": "Done."}))
    for headers, seen in ((peer, [200, 404, 404]), (stranger, [404, 404, 404])):
        answers = [
            await calls.http.request(method, f"{SESSIONS}/{session}{path}", json=body, headers=headers)
            for method, path, body in tried
        ]
        assert [answer.status_code for answer in answers] == seen
        nothing = [
            await calls.http.request(method, f"{SESSIONS}/{session[:-4]}zzzz{path}", json=body, headers=headers)
            for method, path, body in tried
        ]
        for there, not_there in zip(answers, nothing, strict=True):
            if there.status_code == 404:
                ours = there.json() | {"instance": ""}
                assert ours == not_there.json() | {"instance": ""}
        assert len((await calls.http.get(SESSIONS, headers=headers)).json()["items"]) == (seen[0] == 200)
    console = await calls.http.get(f"{SESSIONS}/{session}")
    assert (console.status_code, console.json()["detail"]) == (404, "There is nothing here, or it is not yours to see.")


async def test_lists_go_page_by_page_and_follow_the_clock(calls: Api, gateway: dict[str, str]) -> None:
    ids = [(await opened(calls, gateway))["id"] for _ in range(3)]
    first = await calls.http.get(SESSIONS, params={"limit": 2, "state": "open"}, headers=gateway)
    assert [each["id"] for each in first.json()["items"]] == ids[:0:-1]
    assert 'rel="next"' in first.headers["link"]
    rest = await calls.http.get(SESSIONS, params={"cursor": first.json()["next_cursor"]}, headers=gateway)
    assert ([each["id"] for each in rest.json()["items"]], rest.json()["next_cursor"]) == (ids[:1], None)
    calls.world.skip(timedelta(seconds=91))
    lost = await calls.http.get(SESSIONS, params={"state": "lost", "institution": CODE}, headers=gateway)
    assert [each["id"] for each in lost.json()["items"]] == ids[::-1]
    assert (await calls.http.get(SESSIONS, params={"state": "open"}, headers=gateway)).json()["items"] == []
    wrong = await calls.http.get(SESSIONS, params={"cursor": "nonsense"}, headers=gateway)
    assert wrong.json()["errors"][0]["pointer"] == "/cursor"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"at": "yesterday"}, "/events/0/at"),
    ({"kind": ""}, "/events/0/kind"),
    ({"summary": "a\u0000b"}, "/events/0/summary"),
    ({"detail": "d" * 9000}, "/events/0/detail"),
    ({"who": "me"}, "/events/0/who"),
]


async def test_a_report_of_another_form_points_at_what_is_wrong(calls: Api, gateway: dict[str, str]) -> None:
    session = (await opened(calls, gateway))["id"]
    event = happened(calls, "x")["events"][0]
    bodies = [({"events": [event | changes]}, pointer) for changes, pointer in WRONG]
    for body, pointer in [({"events": []}, "/events"), ({"events": [event] * 501}, "/events"), *bodies]:
        answer = await calls.http.post(f"{SESSIONS}/{session}/activity", json=body, headers=gateway)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    whole = {"events": [event] * 500}
    assert (await calls.http.post(f"{SESSIONS}/{session}/activity", json=whole, headers=gateway)).status_code == 200


async def test_a_bound_token_opens_its_session_with_a_proof_by_its_key_alone(
    calls: Api, gateway: dict[str, str]
) -> None:
    def by(key: Any, path: str, **changes: Any) -> dict[str, str]:
        return {"DPoP": proof(calls.world.services.page(path), calls.world.now(), key=key, **changes)}

    path = f"{ACCESS}/{(await calls.file())['id']}/token"
    minted = (await calls.http.post(path, headers=by(KEY, path))).json()
    assert minted["token_type"] == "DPoP"
    body = {"token": minted["access_token"], "client": CLIENT}
    proofs: list[dict[str, str]] = [
        {},
        by(OTHER_KEY, SESSIONS, token=minted["access_token"]),
        by(KEY, SESSIONS, token="another"),
        by(KEY, SESSIONS, token=minted["access_token"]),
    ]
    told = [(await calls.http.post(SESSIONS, json=body, headers=gateway | each)).status_code for each in proofs]
    assert told == [403, 403, 401, 201]
    assert [each["problem"] for each in await events(calls, "gate.refused")] == ["token-bound"]
