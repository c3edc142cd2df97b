"""Sign-in records over HTTP: as JSON and as files, good, broken, hostile and large."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.api.sign_ins import CSV
from app.domain.times import wire
from tests.actions.worlds import CODE
from tests.api.conftest import Api, events
from tests.counts import times
from tests.domain.test_rows_of_text import UNREADABLE

PATH = f"/v1/institutions/{CODE}/sign-ins"
KEY = {"Idempotency-Key": "records-of-november"}
PLACE = "esploro-sandbox"


@pytest.fixture
async def keeper(calls: Api) -> Api:
    """A client that keeps accounts."""
    calls.http.headers["Authorization"] = await calls.client("keeper", ["accounts"], [CODE], [])
    return calls


def record(at: datetime, **changes: Any) -> dict[str, Any]:
    return {"at": wire(at), "user_name": "exl_impl", "ip": "203.0.113.90", "result": "success"} | changes


def body(*records: dict[str, Any], **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    span = {"from": wire(now - timedelta(days=2)), "to": wire(now)}
    return {"environment": PLACE, **span, "source": "institution", "records": list(records)} | changes


def query(**changes: str) -> dict[str, str]:
    span = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
    return {"environment": PLACE, **span, "source": "institution"} | changes


async def test_the_same_record_twice_counts_once_in_one_call_and_in_two(keeper: Api) -> None:
    at = datetime.now(UTC) - timedelta(hours=3)
    sent = body(record(at), record(at), record(at, user_name="somebody"), record(at, user_name="EXL_IMPL"))
    first = await keeper.http.post(PATH, json=sent)
    assert (first.status_code, first.json()["matched"], len(first.json()["opened"])) == (201, 0, 1)
    assert set(first.json()) == {"matched", "opened"}
    again = await keeper.http.post(PATH, json=sent)
    assert (again.status_code, again.json()) == (201, {"matched": 0, "opened": []})
    (found,) = (await keeper.http.get(f"/v1/institutions/{CODE}/findings")).json()["items"]
    assert (found["id"], found["kind"], found["state"]) == (first.json()["opened"][0], "sign-in-unmatched", "open")
    assert (found["environment"], found["session"], found["request"]) == (PLACE, None, None)
    assert "203.0.113.90" in found["subject"]
    told = await events(keeper, "sign_ins.reconciled")
    assert [(each["records"], each["matched"], each["source"]) for each in told] == [(1, 0, "institution")] * 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no records": ({"records": None}, "/records"),
    "a record without a time": ({"records": [{"user_name": "exl_impl"}]}, "/records/0/at"),
    "a time without a zone": ({"records": [{"at": "2026-11-14T02:41:00", "user_name": "exl_impl"}]}, "/records/0/at"),
    "a record of another time": ({"records": [record(datetime(2020, 1, 1, tzinfo=UTC))]}, "/records/0/at"),
    "an unknown field": ({"records": [record(datetime.now(UTC), session="ses_1")]}, "/records/0/session"),
    "no address": ({"records": [record(datetime.now(UTC), ip="localhost")]}, "/records/0/ip"),
    "another source": ({"source": "hearsay"}, "/source"),
    "no period": ({"from": "2026-11-14T00:00:00Z", "to": "2026-11-14T00:00:00Z"}, "/to"),
    "a long period": ({"from": "2020-11-14T00:00:00Z"}, "/to"),
}


async def test_what_cannot_be_judged_is_said_field_by_field_and_changes_nothing(keeper: Api) -> None:
    for name, (changes, pointer) in WRONG.items():
        answer = await keeper.http.post(PATH, json=body(**changes))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), name
    unknown = await keeper.http.post(PATH, json=body(environment="primo"))
    assert (unknown.status_code, unknown.json()["type"].rpartition("/")[2]) == (422, "environment-unknown")
    xml = await keeper.http.post(
        PATH, content=UNREADABLE["a bomb of entities"], headers={"Content-Type": "application/xml"}
    )
    assert xml.status_code == 415
    assert await events(keeper, "sign_ins.reconciled") == []


async def give(
    calls: Api, data: bytes | AsyncIterator[bytes], headers: dict[str, str] | None = None, **changes: str
) -> Any:
    kind = {"Content-Type": f"{CSV}; charset=utf-16"} | (headers or {})
    return await calls.http.post(PATH, params=query(**changes), content=data, headers=kind)


EXPORT = (
    "Accessing User ID\tUser ID\tEvent Start Date and Time\tUser Accessing Operation\tUser Sub Entity List Name\r\n"
    "exl_impl\t8812\t11/14/2026 2:41:00 AM\tViewed\tidentifiersList\r\n"
    "exl_impl\t8812\t11/14/2026 2:41:00 AM\tViewed\tidentifiersList\r\n"
    "librarian\t8812\t11/14/2026 2:42:00 AM\tViewed\tidentifiersList\r\n"
    "exl_impl\t8812\tlast Tuesday\tViewed\tidentifiersList\r\n"
    '=HYPERLINK("https://evil.example")\t8812\t11/14/2026 2:42:00 AM\tViewed\t\r\n'
    'exl_impl\t"x"y\t11/14/2026 2:41:00 AM\tViewed\t\r\n'
)


async def test_an_export_in_utf_16_is_used_but_for_its_broken_rows(keeper: Api) -> None:
    answer = await give(keeper, EXPORT.encode("utf-16"), dates="mdy")
    assert answer.status_code == 201, answer.text
    assert answer.json() | {"opened": len(answer.json()["opened"])} == {
        "matched": 0,
        "opened": 1,
        "rows": 5,
        "broken": 2,
        "broken_rows": [
            {"line": 5, "detail": "its time cannot be read"},
            {"line": 7, "detail": "it is no row of delimited text"},
        ],
    }
    (found,) = (await keeper.http.get(f"/v1/institutions/{CODE}/findings")).json()["items"]
    assert "2026-11-14 02:41:00 CET (01:41:00 UTC)" in found["subject"]


async def test_a_file_is_answered_once_to_a_key_though_it_is_never_held_whole(keeper: Api) -> None:
    first = await give(keeper, EXPORT.encode("utf-16"), KEY, dates="mdy")
    again = await give(keeper, EXPORT.encode("utf-16"), KEY, dates="mdy")
    assert (first.content, again.headers["idempotency-replayed"]) == (again.content, "true")
    other = await give(keeper, EXPORT.encode("utf-8"), KEY, dates="mdy")
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")
    assert len(await events(keeper, "sign_ins.reconciled")) == 1


async def test_a_file_that_cannot_be_read_changes_nothing(keeper: Api) -> None:
    for name, data in UNREADABLE.items():
        answer = await give(keeper, data)
        assert (answer.status_code, answer.json()["detail"][-20:]) == (422, "Nothing was changed."), name
    unsaid = await keeper.http.post(PATH, content=b"at,user_name\n", headers={"Content-Type": CSV})
    assert [each["pointer"] for each in unsaid.json()["errors"]] == ["/environment", "/from", "/to", "/source"]
    assert await events(keeper, "sign_ins.reconciled") == []


async def test_a_large_file_takes_no_more_memory_than_a_small_one(keeper: Api) -> None:
    async def rows(count: int) -> AsyncIterator[bytes]:
        yield b"at,user_name,ip,result\n2026-11-14 02:41:00,exl_impl,203.0.113.90,success\n"
        for _ in range(count // 1_000):
            yield b"2026-11-14 02:41:00,librarian,198.51.100.4,success\n" * 1_000

    peaks = []
    for count in (10_000, times(40_000, 1_000_000)):
        tracemalloc.start()
        answer = await give(keeper, rows(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (answer.status_code, answer.json()["rows"]) == (201, count + 1)
    assert peaks[1] < peaks[0] + (4 << 20)


async def test_whose_records_they_are_is_judged_before_they_are_read(calls: Api) -> None:
    stranger = await calls.client("stranger", ["accounts"], ["02EXU_OTHER"], [])
    unscoped = await calls.client("reader", ["requests:read"], [CODE], [])
    for token, status in ((stranger, 404), (unscoped, 403)):
        answer = await calls.http.post(PATH, json=body(), headers={"Authorization": token})
        assert answer.status_code == status
