"""Trails as tiled logs: a reader of tlog-tiles finds and checks everything, and no address has a second spelling."""

from __future__ import annotations

from base64 import b64decode
from datetime import timedelta
from hashlib import sha256

import orjson

from app.actions.publishing import publish
from app.storage import witnesses
from app.storage.witnesses import WitnessRow
from tests.actions.worlds import CODE
from tests.api.conftest import Api
from tests.api.tlog_reader import Log, climb, cosigned_at, open_note
from tests.fixtures.witness import Witness, witnessing
from tests.storage.bulk import grow

SIZE = 70_000
IMMUTABLE = "private, max-age=31536000, immutable"


async def log_of(calls: Api, code: str = CODE) -> Log:
    """The log as a stranger reads it, who was given its key once."""

    async def fetch(path: str) -> bytes:
        answer = await calls.http.get(f"/trail/{code}/{path}")
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"].startswith("application/octet-stream")
        assert answer.headers["cache-control"] == ("private, max-age=60" if ".p/" in path else IMMUTABLE)
        return answer.content

    vkey = (await calls.http.get(f"/trail/{code}/verifier-keys")).text.strip()
    return Log(fetch, open_note((await calls.http.get(f"/trail/{code}/checkpoint")).content, vkey))


async def test_an_independent_reader_checks_a_log_of_seventy_thousand_entries(calls: Api) -> None:
    old = await log_of(calls)
    assert await old.mth(0, old.head.size) == old.head.root
    await grow(calls.world.services.database, CODE, SIZE)
    log = await log_of(calls)
    assert (log.head.origin, log.head.size) == (old.head.origin, SIZE)

    assert await log.mth(0, SIZE) == log.head.root
    widths = [len(await log.tile(*at)) for at in ((0, 272), (0, 273), (1, 0), (1, 1), (2, 0))]
    assert widths == [256, 112, 256, 17, 1]
    assert "tile/2/000.p/1" in log.fetched
    assert await log.mth(0, old.head.size) == old.head.root  # the log only grew: the old tree is its beginning

    for bundle in (0, 100, 273):
        found = await log.entries(bundle)
        assert [sha256(b"\x00" + leaf).digest() for leaf in found] == await log.tile(0, bundle)
        for index, leaf in list(enumerate(found, bundle * 256))[:: len(found) // 3]:
            assert orjson.loads(leaf)["index"] == index
            path = await log.inclusion(index, 0, SIZE)
            assert climb(index, SIZE, leaf, path) == log.head.root
            given = await calls.http.get(f"/v1/institutions/{CODE}/trail/proof/inclusion", params={"index": index})
            assert list(map(b64decode, given.json()["hashes"])) == path


async def test_an_independent_reader_checks_the_cosignatures_of_a_witness(calls: Api) -> None:
    services = calls.world.services
    missing = await calls.http.get(f"/trail/{CODE}/checkpoint/witnessed")
    assert (missing.status_code, missing.json()["type"].endswith("/not-found")) == (404, True)
    vkey = (await calls.http.get(f"/trail/{CODE}/verifier-keys")).text.strip()
    witness = Witness(logs=[vkey], clock=lambda: calls.world.now().timestamp())
    async with witnessing(witness):
        async with services.database.begin() as tx:
            await witnesses.declare(tx, [WitnessRow(witness.vkey, witness.url)])
        before = int(calls.world.now().timestamp())
        calls.world.skip(timedelta(minutes=11))
        while await publish(services):
            pass
    calls.http.headers["Authorization"] = await calls.token()
    log = await log_of(calls)
    await grow(services.database, CODE, log.head.size + 300)
    answer = await calls.http.get(f"/trail/{CODE}/checkpoint/witnessed")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert before < cosigned_at(answer.content, witness.vkey)
    witnessed, fresh = open_note(answer.content, vkey), await log_of(calls)
    assert (witnessed, fresh.head.size) == (log.head, log.head.size + 300)
    assert await fresh.mth(0, witnessed.size) == witnessed.root  # what was cosigned is the beginning of what there is


async def test_a_partial_tile_stays_at_its_width_when_the_tree_has_outgrown_it(calls: Api) -> None:
    old = await log_of(calls)
    path = f"tile/0/000.p/{old.head.size}"
    before = b"".join(await old.tile(0, 0))
    assert (await calls.http.get(f"/trail/{CODE}/tile/0/000")).status_code == 404
    await grow(calls.world.services.database, CODE, 1000)
    assert (await calls.http.get(f"/trail/{CODE}/{path}")).content == before
    full = await calls.http.get(f"/trail/{CODE}/tile/0/000")
    assert (len(full.content), full.content[: len(before)]) == (8192, before)
    upper = [(await calls.http.get(f"/trail/{CODE}/tile/1/000.p/{width}")).content for width in (1, 2, 3)]
    assert [len(each) for each in upper] == [32, 64, 96]
    assert upper[2].startswith(upper[1])
    first = await calls.http.get(f"/trail/{CODE}/tile/entries/000.p/2")
    assert (await calls.http.get(f"/trail/{CODE}/tile/entries/000")).content.startswith(first.content)


NOT_THERE = [
    *("0/003", "0/003.p/233", "0/004", "0/004.p/1", "1/000", "1/000.p/4", "2/000", "2/000.p/1", "63/000.p/1"),
    *("0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/-1", "0/000.p/", "0/000.p", "0/000.p/1/", "0/000.P/1"),
    *("00/000", "01/000", "64/000.p/1", "-1/000", "0/0", "0/00", "0/0000", "0/x000/000", "0/000/000", "0/000/"),
    *("0/x001", "0/001/x000", "0/٠٠٠", "0/%2e%2e/000", "0//000", "0/", "0", "", "x/000", "0/000%0A", "0/%20000"),
    *("0/" + "x999/" * 5 + "999", "0/" + "x001/" * 2000 + "000"),
    *("entries/003", "entries/003.p/233", "entries/x000/000", "entries/000.p/0", "entries/0", "entries/", "entries"),
]


async def test_what_is_no_tile_of_the_tree_is_not_there(calls: Api) -> None:
    await grow(calls.world.services.database, CODE, 1000)
    for path in ("0/002", "0/003.p/232", "1/000.p/3", "entries/002", "entries/003.p/232"):
        assert (await calls.http.get(f"/trail/{CODE}/tile/{path}")).status_code == 200, path
    for path in NOT_THERE:
        answer = await calls.http.get(f"/trail/{CODE}/tile/{path}")
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), path
        assert answer.json()["type"].endswith("/not-found")


async def test_hashes_of_the_vendors_log_are_every_readers_its_entries_are_not(calls: Api) -> None:
    vendor = await log_of(calls, "VENDOR")
    assert await vendor.mth(0, vendor.head.size) == vendor.head.root
    calls.http.headers["Authorization"] = await calls.client("elsewhere", ["trail:read"], ["01OTHER_INST"], [])
    assert (await calls.http.get("/trail/VENDOR/tile/0/000.p/1")).status_code == 200
    assert (await calls.http.get("/trail/VENDOR/tile/entries/000.p/1")).status_code == 404
