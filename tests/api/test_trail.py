"""Trails over HTTP: what is served proves itself, to those it belongs to."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.actions import trail
from app.api.guard import SESSION
from app.audit.verify import verify_bundle
from app.trail import canonical
from app.trail.checkpoint import open_checkpoint
from app.trail.hashing import leaf_hash
from app.trail.note import VerifierKey
from app.trail.proofs import verify_consistency, verify_inclusion
from app.web import call
from tests.actions.worlds import AUDITOR, CODE, HEAD
from tests.api.conftest import Api, signed_in
from tests.storage.bulk import grow

TRAIL = f"/v1/institutions/{CODE}/trail"


def test_the_session_is_the_one_of_the_pages() -> None:
    assert SESSION == call.SESSION


async def test_checkpoint_keys_entries_and_proofs_fit_together(calls: Api) -> None:
    await calls.file()
    keys = (await calls.http.get(f"/trail/{CODE}/verifier-keys")).text.splitlines()
    first = await calls.http.get(f"/trail/{CODE}/checkpoint")
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    old = open_checkpoint(first.content, [VerifierKey.parse(key) for key in keys])
    await calls.file()
    size = old.size + 1
    inclusion = (await calls.http.get(f"{TRAIL}/proof/inclusion", params={"index": 1, "size": size})).json()
    entry = (await calls.http.get(f"{TRAIL}/entries", params={"from": 1, "limit": 1})).json()["items"][0]
    hashes = list(map(b64decode, inclusion["hashes"]))
    verify_inclusion(1, size, bytes.fromhex(entry["leaf_hash"]), hashes, b64decode(inclusion["root"]))
    consistency = (await calls.http.get(f"{TRAIL}/proof/consistency", params={"from": old.size, "to": size})).json()
    assert consistency["root"] == inclusion["root"]
    proof = list(map(b64decode, consistency["hashes"]))
    verify_consistency(old.size, size, old.root, b64decode(consistency["root"]), proof)


async def test_every_trail_begins_with_the_empty_one(calls: Api) -> None:
    proof = (await calls.http.get(f"{TRAIL}/proof/consistency", params={"from": 0})).json()
    assert (proof["hashes"], proof["size"] > 0) == ([], True)


async def test_entries_come_page_by_page_whole_and_without_what_the_caller_may_not_see(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    items: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = (await enrolled.http.get(f"{TRAIL}/entries", params={"limit": 7, "cursor": cursor})).json()
        items += page["items"]
        cursor = page["next_cursor"]
    assert [item["index"] for item in items] == list(range(len(items)))
    assert items[0]["entry"]["type"] == "trail.opened"
    for item in items:
        leaf = orjson.dumps(item["entry"], option=orjson.OPT_SORT_KEYS)
        assert leaf_hash(leaf).hex() == item["leaf_hash"]
    assert [item["private"] for item in items] == [None] * len(items)
    auditor = await signed_in(enrolled, AUDITOR)
    wanted = {"type": "request.created", "request": filed["id"]}
    seen = (await enrolled.http.get(f"{TRAIL}/entries", params=wanted, headers=auditor)).json()["items"]
    assert [item["private"]["fields"]["engineer_name"] for item in seen] == ["Tier 3 engineer"]


async def test_a_page_of_entries_links_to_the_next(calls: Api) -> None:
    filed = await calls.file()
    address, seen = f"{TRAIL}/entries?from=1&limit=1&request={filed['id']}", list[int]()
    while address:
        answer = await calls.http.get(address)
        seen += [item["index"] for item in answer.json()["items"]]
        assert (answer.json()["next_cursor"] is None) == ("link" not in answer.headers)
        address = answer.links["next"]["url"] if "link" in answer.headers else ""
    assert len(seen) > 1
    assert seen == sorted(set(seen))


async def test_entries_are_found_by_actor_and_time(calls: Api) -> None:
    first, _ = await calls.file(), await calls.file()

    async def found(**query: Any) -> list[dict[str, Any]]:
        page = (await calls.http.get(f"{TRAIL}/entries", params=query)).json()
        assert page["next_cursor"] is None
        return [item["entry"] for item in page["items"]]

    every = await found()
    for actor in sorted({entry["actor"]["id"] for entry in every}):
        assert await found(actor=actor) == [entry for entry in every if entry["actor"]["id"] == actor]
    created = next(entry for entry in every if entry["subject"] == first["id"])
    at = created["at"]
    assert await found(after=at) == [entry for entry in every if entry["at"] > at]
    assert await found(before=at) == [entry for entry in every if entry["at"] < at]
    assert await found(after=at, before=at) == []
    wanted = {"actor": created["actor"]["id"], "type": "request.created", "before": every[-1]["at"]}
    assert await found(**wanted) == [created]


async def test_a_page_by_actor_looks_at_no_more_than_so_many_entries(
    calls: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "SCAN", 10)
    await grow(calls.world.services.database, CODE, 45)
    whole = (await calls.http.get(f"{TRAIL}/entries", params={"actor": "worker"})).json()["items"]
    pages, cursor = [], "0"
    while cursor is not None:
        page = (await calls.http.get(f"{TRAIL}/entries", params={"actor": "worker", "cursor": cursor})).json()
        pages.append([item["index"] for item in page["items"]])
        cursor = page["next_cursor"]
    first = next(index for page in pages for index in page)
    assert [len(page) for page in pages[1:]] == [10, 10, 10, 5]
    assert [index for page in pages for index in page] == list(range(first, 45))
    assert len(whole) < 10


async def test_an_auditor_takes_a_bundle_that_verifies(enrolled: Api, tmp_path: Path) -> None:
    filed = await enrolled.file(environment="alma-production")
    await enrolled.world.approve(HEAD, filed["id"])
    auditor = await signed_in(enrolled, AUDITOR)
    keys = (await enrolled.http.get(f"/trail/{CODE}/verifier-keys", headers=auditor)).text.splitlines()
    for request in ({}, {"request": filed["id"]}):
        answer = await enrolled.http.get(f"{TRAIL}/export", params={"format": "bundle"} | request, headers=auditor)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
        path = tmp_path / answer.headers["content-disposition"].partition('"')[2].strip('"')
        path.write_bytes(answer.content)
        report = verify_bundle(path, vkeys=keys)
        assert (report.error, report.findings) == (None, ())


async def test_a_trail_is_closed_to_others_as_if_there_were_none(enrolled: Api) -> None:
    paths = ["entries", "export?format=bundle", "proof/inclusion?index=0", "proof/consistency?from=1"]
    console = {"Authorization": await enrolled.token(scope="requests")}
    elsewhere = {"Authorization": await enrolled.client("elsewhere", ["trail:read"], ["01OTHER_INST"], [])}
    auditor = await signed_in(enrolled, AUDITOR)
    approver = await signed_in(enrolled, HEAD)
    crossed = auditor | {"Sec-Fetch-Site": "cross-site"}

    def addresses(code: str) -> list[str]:
        of_code = [f"/v1/institutions/{code}/trail/{path}" for path in paths]
        tiles = [f"/trail/{code}/tile/{path}" for path in ("0/000.p/1", "entries/000.p/1")]
        return [*of_code, *tiles, f"/trail/{code}/checkpoint", f"/trail/{code}/verifier-keys"]

    async def told(code: str, headers: dict[str, str]) -> list[tuple[int, str]]:
        answers = [await enrolled.http.get(address, headers=headers) for address in addresses(code)]
        return [(answer.status_code, answer.json()["type"].rpartition("/")[2]) for answer in answers]

    assert await told(CODE, {}) == [(401, "unauthorized")] * 8
    assert await told(CODE, crossed) == [(401, "unauthorized")] * 8
    assert await told(CODE, console) == [(403, "insufficient-scope")] * 8
    assert await told(CODE, approver) == [(403, "forbidden")] * 8
    for headers, code in ((elsewhere, CODE), (elsewhere, "01OTHER_INST"), (auditor, "01OTHER_INST"), (auditor, "%00")):
        assert await told(code, headers) == [(404, "not-found")] * 8, (headers, code)
    assert (await enrolled.http.get("/trail/VENDOR/checkpoint", headers=auditor)).status_code == 200
    assert (await enrolled.http.get("/v1/institutions/VENDOR/trail/entries", headers=auditor)).status_code == 404


@pytest.mark.parametrize(
    "query,pointers",
    [
        ("export?format=xlsx", ["/format"]),
        ("export?format=bundle&from=1", ["/from"]),
        ("export?format=csv&from=99999", ["/from"]),
        ("export?format=csv&from=1&to=1", ["/from"]),
        ("export", ["/format"]),
        ("export?format=bundle&request=x", ["/request"]),
        ("entries?type=no.such", ["/type"]),
        ("entries?cursor=x", ["/cursor"]),
        ("entries?actor=x&after=yesterday&before=2026-11-22", ["/actor", "/after", "/before"]),
        ("entries?from=-1&limit=1000", ["/from", "/limit"]),
        ("entries?since=yesterday", ["/since"]),
        ("proof/inclusion", ["/index"]),
        ("proof/inclusion?index=99999", None),
        ("proof/inclusion?index=0&size=99999", None),
        ("proof/inclusion?index=0&size=0", None),
        ("proof/consistency?from=2&to=1", None),
    ],
)
async def test_what_a_trail_does_not_have_is_refused(calls: Api, query: str, pointers: list[str] | None) -> None:
    answer = await calls.http.get(f"{TRAIL}/{query}")
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "validation")
    assert [each["pointer"] for each in answer.json().get("errors", [])] == (pointers or [])


async def test_evidence_is_read_by_its_own_institution_and_never_unseen(enrolled: Api) -> None:
    filed = await enrolled.file(environment="alma-production")
    await enrolled.world.approve(HEAD, filed["id"])
    told = (await enrolled.http.get(f"{TRAIL}/entries", params={"type": "decision.made"})).json()["items"]
    digest = told[0]["entry"]["data"]["evidence"][0]
    refused = await enrolled.http.get(f"{TRAIL}/evidence/{digest}")
    assert refused.status_code == 403  # the vendor's client: the institution's policy keeps evidence from it
    auditor = await signed_in(enrolled, AUDITOR)
    read = await enrolled.http.get(f"{TRAIL}/evidence/{digest}", headers=auditor)
    bare = await enrolled.http.get(f"{TRAIL}/evidence/{digest.removeprefix('sha256:')}", headers=auditor)
    assert (read.status_code, read.headers["content-type"]) == (200, "application/json")
    assert read.content == bare.content
    assert canonical.sha(read.content) == digest
    assert read.json()["statement"]["request"] == filed["id"]
    for nothing in ("0" * 64, "sha256:x", f"{digest}0", "x"):
        assert (await enrolled.http.get(f"{TRAIL}/evidence/{nothing}", headers=auditor)).status_code == 404
    head = await signed_in(enrolled, HEAD)
    assert (await enrolled.http.get(f"{TRAIL}/evidence/{digest}", headers=head)).status_code == 403
    wanted = {"type": "evidence.read"}
    reads = (await enrolled.http.get(f"{TRAIL}/entries", params=wanted, headers=auditor)).json()["items"]
    assert [each["entry"]["data"]["digest"] for each in reads] == [digest, digest]
    assert {each["entry"]["actor"]["kind"] for each in reads} == {"person"}
    report = await enrolled.world.verify(await enrolled.world.bundle())
    assert report.findings == (), report.to_text()
