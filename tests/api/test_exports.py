"""Exports as rows over HTTP: whole, recorded first, with private parts for those alone who may see them."""

from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs
import pytest
from pyarrow import parquet

from app.actions import derived
from app.actions.derived import take
from app.actions.export import Asked
from app.actions.operators import operator
from app.audit.rows import COLUMNS
from app.audit.verify import verify_bundle
from app.domain.times import stamp
from app.trail.hashing import leaf_hash
from tests.actions.worlds import AUDITOR, CODE
from tests.api.conftest import Api, events, signed_in
from tests.storage.bulk import grow

EXPORT = f"/v1/institutions/{CODE}/trail/export"


async def exported(
    calls: Api, headers: dict[str, str] | None = None, **query: int | str
) -> tuple[list[dict[str, Any]], Any]:
    """The rows of a JSON Lines export, and its end marker."""
    answer = await calls.http.get(EXPORT, params={"format": "jsonl", **query}, headers=headers or {})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    *rows, end = map(orjson.loads, answer.content.splitlines())
    return rows, end


async def test_the_rows_are_the_whole_trail_and_their_event_is_the_last(enrolled: Api, tmp_path: Path) -> None:
    filed = await enrolled.file(environment="alma-production")
    rows, end = await exported(enrolled)
    assert [row["index"] for row in rows] == list(range(len(rows)))
    for row in rows:
        assert leaf_hash(orjson.dumps(row["entry"], option=orjson.OPT_SORT_KEYS)).hex() == row["leaf_hash"]
    told = {"from": 0, "to": len(rows), "request": None, "with_private": False}
    assert end == {"end": True, "entries": len(rows)} | told
    assert rows[-1]["entry"]["data"] == {"format": "jsonl"} | told
    assert rows[-1]["entry"]["actor"]["kind"] == "client"
    assert {row["private"] for row in rows} == {None}

    some, end = await exported(enrolled, None, **{"from": 2, "to": 5})
    assert ([row["index"] for row in some], end["from"], end["to"]) == ([2, 3, 4], 2, 5)
    own, end = await exported(enrolled, request=filed["id"])
    listed = (await enrolled.http.get(EXPORT.replace("export", "entries"), params={"request": filed["id"]})).json()
    assert own == listed["items"]
    assert (end["entries"], end["request"]) == (len(own), filed["id"])
    assert own[-1]["entry"]["type"] == "trail.exported"

    auditor = await signed_in(enrolled, AUDITOR)
    bundle = await enrolled.http.get(EXPORT, params={"format": "bundle"}, headers=auditor)
    (tmp_path / "bundle.zip").write_bytes(bundle.content)
    report = verify_bundle(tmp_path / "bundle.zip")
    assert (report.error, report.findings) == (None, ())


async def test_an_auditor_of_the_institution_gets_private_parts(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    auditor = await signed_in(enrolled, AUDITOR)
    rows, end = await exported(enrolled, auditor)
    created = next(row for row in rows if row["entry"]["type"] == "request.created")
    assert created["private"]["fields"]["engineer_name"] == filed["engineer"]["name"]
    assert end["with_private"] is True
    answer = await enrolled.http.get(EXPORT, params={"format": "csv"}, headers=auditor)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == f'attachment; filename="{CODE}.csv"'
    found = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
    assert [row["leaf_hash"] for row in found[:-2]] == [row["leaf_hash"] for row in rows]
    assert [orjson.loads(row["private"]) if row["private"] else None for row in found[:-2]] == [
        row["private"] for row in rows
    ]
    assert found[-1]["index"] == "end"
    assert orjson.loads(found[-1]["data"])["entries"] == len(found) - 1
    assert [event["format"] for event in await events(enrolled, "trail.exported")] == ["jsonl", "csv"]


async def test_what_is_refused_is_no_export(calls: Api) -> None:
    for query in ("format=xlsx", "format=csv&from=99999", "format=bundle&to=3"):
        answer = await calls.http.get(f"{EXPORT}?{query}")
        assert answer.status_code == 422
    unknown = "req_" + "0" * 26
    assert (await calls.http.get(f"{EXPORT}?format=csv&request={unknown}")).status_code == 404
    assert await events(calls, "trail.exported") == []


async def test_a_service_without_pyarrow_says_so(calls: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "find_spec", lambda _: None)
    answer = await calls.http.get(f"{EXPORT}?format=parquet")
    assert answer.status_code == 422
    assert "without Parquet" in answer.json()["errors"][0]["detail"]
    assert await events(calls, "trail.exported") == []


async def test_a_parquet_file_holds_the_rows_typed_and_its_footer_the_marker(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    auditor = await signed_in(enrolled, AUDITOR)
    rows, _ = await exported(enrolled, auditor)
    answer = await enrolled.http.get(EXPORT, params={"format": "parquet"}, headers=auditor)
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert answer.headers["content-disposition"] == f'attachment; filename="{CODE}.parquet"'
    file = parquet.ParquetFile(io.BytesIO(answer.content))
    table = file.read().to_pylist()
    assert tuple(table[0]) == COLUMNS
    assert [row["leaf_hash"] for row in table[:-1]] == [row["leaf_hash"] for row in rows]
    for row in table:
        entry = {name: row[name] for name in ("type", "subject", "institution", "id", "index", "v")}
        entry |= {"actor": {"id": row["actor_id"], "kind": row["actor_kind"]}, "data": orjson.loads(row["data"])}
        entry |= {"at": stamp(row["at"])} | ({"private": row["private_hash"]} if row["private_hash"] else {})
        assert leaf_hash(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)).hex() == row["leaf_hash"]
    created = next(row for row in table if row["type"] == "request.created")
    assert orjson.loads(created["private"])["fields"]["engineer_name"] == filed["engineer"]["name"]
    end = orjson.loads(file.metadata.metadata[b"countersign.end"])
    assert (end["entries"], end["with_private"]) == (len(table), True)
    assert [event["format"] for event in await events(enrolled, "trail.exported")] == ["jsonl", "parquet"]
    with pytest.raises(pa.ArrowInvalid):
        parquet.ParquetFile(io.BytesIO(answer.content[:-20]))


@pytest.mark.parametrize("form, size", [("jsonl", 100_000), ("csv", 20_000)])
async def test_memory_does_not_grow_with_the_rows(calls: Api, form: str, size: int) -> None:
    services = calls.world.services
    await grow(services.database, CODE, size - 1)
    download = await take(services, operator(services, "tests"), CODE, Asked(form))
    lines, early, last = 0, 0, b""
    tracemalloc.start()
    try:
        async for piece in download.pieces:
            lines += piece.count(b"\n")
            last = piece
            if lines <= size // 10:
                early = tracemalloc.get_traced_memory()[1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == size + (2 if form == "csv" else 1)
    assert b'"end"' in last or b'""end""' in last
    assert peak - early < 1 << 20
