"""Bodies with one thing wrong: pointed at, in plain words, and nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import ACCESS, Api, asked, requests

WRONG: list[tuple[str, Any, str]] = [
    ("institution", None, "/institution"),
    ("institution", 7, "/institution"),
    ("institution", "", "/institution"),
    ("environment", ["alma-production"], "/environment"),
    ("account", {}, "/account"),
    ("case", "06543210", "/case"),
    ("case.number", "", "/case/number"),
    ("case.number", "0" * 41, "/case/number"),
    ("case.number", 6543210, "/case/number"),
    ("case.title", "x" * 201, "/case/title"),
    ("case.title", "two\nlines", "/case/title"),
    ("case.title", "   ", "/case/title"),
    ("case.severity", "urgent", "/case/severity"),
    ("case.escalated", "true", "/case/escalated"),
    ("case.escalated", 1, "/case/escalated"),
    ("case.url", "javascript:alert(1)", "/case/url"),
    ("case.url", "https://", "/case/url"),
    ("case.url", "https://user:secret@vendor.example/", "/case/url"),
    ("case.url", "https://vendor.example/a b", "/case/url"),
    ("case.url", "https://[::1", "/case/url"),
    ("case.owner", "somebody", "/case/owner"),
    ("engineer.id", "", "/engineer/id"),
    ("engineer.name", "Eve\u0000", "/engineer/name"),
    ("engineer.name", "Eve\u0085", "/engineer/name"),
    ("engineer.email", "nobody", "/engineer/email"),
    ("engineer.email", "a@b.example\r\nBcc: c@d.example", "/engineer/email"),
    ("engineer.email", "a@b.example, c@d.example", "/engineer/email"),
    ("engineer.works_from", "Ireland", "/engineer/works_from"),
    ("endorser", {"id": "e1200"}, "/endorser/name"),
    ("extends", "req_1", "/extends"),
    ("extends", "req_01kam4x0a5e0a8gs2yt6y6a8nd", "/extends"),
    ("reason", "too short", "/reason"),
    ("reason", "x" * 4001, "/reason"),
    ("reason", "a bell \u0007 in the text", "/reason"),
    ("roles", "Fulfillment Administrator", "/roles"),
    ("roles", [""], "/roles/0"),
    ("roles", ["ok", "x" * 101], "/roles/1"),
    ("roles", [f"role {n}" for n in range(41)], "/roles"),
    ("window.minutes", "240", "/window/minutes"),
    ("window.minutes", 240.0, "/window/minutes"),
    ("window.minutes", True, "/window/minutes"),
    ("window.minutes", 14, "/window/minutes"),
    ("window.minutes", 129_601, "/window/minutes"),
    ("window.not_before", "2026-11-22T09:00:00", "/window/not_before"),
    ("window.not_before", "2001-01-01T00:00:00Z", "/window/not_before"),
    ("window.not_before", "9999-12-31T23:59:59Z", "/window/not_before"),
    ("window.not_before", "0001-01-01T00:00:00+01:00", "/window/not_before"),
    ("window.not_before", "2026-13-01T00:00:00Z", "/window/not_before"),
    ("window.not_before", 1_800_000_000, "/window/not_before"),
    ("window", None, "/window"),
    ("colour", "blue", "/colour"),
    ("a/b~c", 1, "/a~1b~0c"),
    ("x" * 500, 1, ""),
]


async def test_each_wrong_field_is_pointed_at_and_nothing_is_changed(calls: Api) -> None:
    for path, value, pointer in WRONG:
        body = asked()
        *parents, name = path.split(".")
        place: dict[str, Any] = body
        for parent in parents:
            place = place[parent]
        place[name] = value
        answer = await calls.http.post(ACCESS, json=body)
        problem = answer.json()
        assert answer.status_code == 422, (path, value, answer.text)
        assert problem["type"] == "http://countersign.test/problems/validation"
        assert [each["pointer"] for each in problem["errors"]] == [pointer], (path, value, answer.text)
        assert problem["errors"][0]["detail"]
    assert await requests(calls) == 0


async def test_every_missing_field_is_pointed_at_at_once(calls: Api) -> None:
    problem = (await calls.http.post(ACCESS, json={})).json()
    pointers = {each["pointer"] for each in problem["errors"]}
    assert pointers == {f"/{name}" for name in "institution environment account case engineer reason window".split()}


@pytest.mark.parametrize(
    "body,media_type,status,problem",
    [
        (b"{", "application/json", 400, "malformed"),
        (b"", "application/json", 400, "malformed"),
        (b'{"reason": "a", "reason": "b"}', "application/json", 400, "malformed"),
        (b'{"reason": NaN}', "application/json", 400, "malformed"),
        (b'{"reason": "\\ud800"}', "application/json", 400, "malformed"),
        (b"\xff\xfe", "application/json", 400, "malformed"),
        (b"[" * 100_000, "application/json", 400, "malformed"),
        (b"9" * 10_000, "application/json", 400, "malformed"),
        (b"[]", "application/json; charset=utf-8", 422, "validation"),
        (b"null", "application/json", 422, "validation"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"{}", "", 415, "unsupported-media-type"),
        (b'{"reason": "' + b"x" * (1 << 20) + b'"}', "application/json", 413, "too-large"),
        (b'{"' + b"x" * 100_000 + b'": 1}', "application/json", 422, "validation"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_in_so_many_words(
    calls: Api, body: bytes, media_type: str, status: int, problem: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await calls.http.post(ACCESS, content=body, headers=headers)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, problem)
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 5000
    assert await requests(calls) == 0
