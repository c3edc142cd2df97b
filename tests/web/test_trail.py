"""The pages of the trail: for auditors, with proofs that hold, and no reading of evidence unseen."""

from __future__ import annotations

from base64 import b64decode
from html import unescape
from typing import TYPE_CHECKING

import pytest

from app.actions.checkpoints import verifier_keys
from app.actions.derived import offers_parquet
from app.domain.events import CATALOGUE
from app.storage import entries, witnesses
from app.storage.entries import LeafFilter
from app.storage.witnesses import CosignatureRow, WitnessRow, WitnessSize
from app.trail.checkpoint import open_checkpoint
from app.trail.cosignature import CosignerKey
from app.trail.hashing import leaf_hash
from app.trail.note import VerifierKey
from app.trail.proofs import verify_inclusion
from app.web.call import SESSION
from app.web.trailwords import GROUPS, LABELS, WORDS
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, World
from tests.web.axe import beyond, faults
from tests.web.reading import judge
from tests.web.site import Site, complaints
from tests.web.test_pages import HOSTILE

if TYPE_CHECKING:
    from playwright.async_api import Browser


def test_every_type_of_entry_has_its_words_and_every_group_its_types() -> None:
    assert WORDS.keys() == CATALOGUE.keys()
    assert GROUPS.keys() == LABELS.keys()
    assert all(GROUPS.values())


async def _all(world: World, type_: str) -> list[int]:
    async with world.services.database.read() as tx:
        return [each.entry.index for each in await entries.find(tx, CODE, LeafFilter(type=type_), 1000)]


def _shown(site: Site) -> list[int]:
    links = (link.removeprefix("/trail/entries/") for link in judge(site.text).links)
    return sorted((int(link) for link in links if link.isdigit()), reverse=True)


async def test_an_auditor_sees_every_entry_newest_first_page_by_page(site: Site) -> None:
    world = site.world
    for _ in range(6):
        await world.approve(HEAD, (await world.file()).row.id)
    site.enter(AUDITOR)
    await site.open("/trail")
    assert ('value="parquet"' in site.text) == offers_parquet()
    seen, pages = _shown(site), 1
    assert len(seen) == 50
    while older := [link for link in judge(site.text).links if "below=" in link]:
        await site.open(unescape(older[0]))
        seen, pages = [*seen, *_shown(site)], pages + 1
    assert seen == list(range(len(seen) - 1, -1, -1))
    assert pages > 1


async def test_entries_are_sought_by_kind_by_request_and_by_day(site: Site) -> None:
    world = site.world
    first, second = await world.file(), await world.file()
    await world.deny(LIBRARIAN, first.row.id)
    site.enter(AUDITOR)
    await site.open("/trail?kind=answers")
    assert set(await _all(world, "decision.made")) <= set(_shown(site))
    assert not set(await _all(world, "request.created")) & set(_shown(site))
    for given in (second.row.number, second.row.id, f"%20{second.row.number}%20"):
        await site.open(f"/trail?request={given}")
        assert (await _all(world, "request.created"))[1] in _shown(site)
        assert (await _all(world, "request.created"))[0] not in _shown(site)
    assert f'name="request" value="{second.row.id}"' in site.text
    today = world.now().date().isoformat()
    await site.open(f"/trail?after={today}&before={today}")
    assert len(_shown(site)) > 5
    await site.open("/trail?before=2020-01-01")
    assert _shown(site) == []
    assert "No entry fits." in site.text
    for bad in ("after=x", "before=0001-01-01", "request=2026-9999", "request=req_x", "after=9999-12-31"):
        answer = await site.get(f"/trail?{bad}")
        assert (answer.status_code, "There is a problem" in answer.text) == (422, True), bad
        judge(answer.text)
    assert (await site.get("/trail?kind=nothing&below=x")).status_code == 200


async def test_the_proof_on_the_page_of_an_entry_holds(site: Site) -> None:
    world = site.world
    filed = await world.file(**HOSTILE)
    await world.approve(HEAD, filed.row.id, roles=HOSTILE["roles"])
    site.enter(AUDITOR)
    (key,) = await verifier_keys(world.services, CODE)
    for index in (0, (await _all(world, "request.created"))[-1], (await _all(world, "decision.made"))[-1]):
        await site.open(f"/trail/entries/{index}")
        judge(site.text)
        leaf, proof, note = (_pre(site, label) for label in ("Entry", "Inclusion proof hashes", "Checkpoint text"))
        head = open_checkpoint(note.encode(), [VerifierKey.parse(key)])
        hashes = list(map(b64decode, proof.split()))
        verify_inclusion(index, head.size, leaf_hash(leaf.encode()), hashes, head.root)
    assert await _all(world, "evidence.read") == []
    for nothing in ("999999", "-1", "x", "0x1", "1" * 30):
        assert (await site.get(f"/trail/entries/{nothing}")).status_code == 404


def _pre(site: Site, label: str) -> str:
    """The text of a block, as a reader copies it."""
    start = site.text.index(">", site.text.index(f'aria-label="{label}"')) + 1
    return unescape(site.text[start : site.text.index("</pre>", start)])


async def test_the_evidence_of_a_request_shows_who_answered_and_each_look_is_an_entry(site: Site) -> None:
    world = site.world
    filed = await world.file()
    await world.approve(LIBRARIAN, filed.row.id)
    site.enter(AUDITOR)
    await site.open(f"/requests/{filed.row.id}")
    assert f"/requests/{filed.row.id}/evidence" in judge(site.text).links
    assert await _all(world, "evidence.read") == []
    await site.open(f"/requests/{filed.row.id}/evidence")
    judge(site.text)
    assert len(await _all(world, "evidence.read")) == 1
    for told in (world.provider.issuer, f"sub-of-{LIBRARIAN}", "Systems Librarian", "carries</span>", "nonce"):
        assert told.removesuffix("</span>") in site.text, told
    assert "does not carry" not in site.text
    assert "I approve that" in site.text
    (made,) = await _all(world, "decision.made")
    assert f"/trail/entries/{made}" in judge(site.text).links
    await site.open(f"/trail/entries/{made}")
    (digest,) = (link for link in judge(site.text).links if "/trail/evidence/" in link)
    await site.open(digest)
    judge(site.text)
    assert "countersign/decision/1" in site.text
    assert len(await _all(world, "evidence.read")) == 2
    report = await world.verify(await world.bundle())
    assert report.findings == (), report.to_text()


async def test_witnesses_stand_on_the_page_with_how_far_they_followed(site: Site) -> None:
    world = site.world
    filed = await world.file()
    await world.approve(HEAD, filed.row.id)
    site.enter(AUDITOR)
    await site.open("/trail")
    assert "No witness is asked to sign along." in site.text
    good, late = (CosignerKey(f"{name}.example", bytes(32)).vkey for name in ("good", "late"))
    (made,) = await _all(world, "decision.made")
    async with world.services.database.begin() as tx:
        rows = [WitnessRow(good, "https://good.example"), WitnessRow(late, "https://late.example", problem="timeout")]
        await witnesses.declare(tx, rows)
        await witnesses.followed(tx, WitnessSize(CODE, good, made + 1, None, world.now()))
        await witnesses.keep(tx, CosignatureRow(CODE, made + 1, good, "", 1))
    await site.open("/trail")
    judge(site.text)
    for told in ("good.example", f"{made + 1} entries", "late.example", "Nothing yet", "timeout", "Not yet"):
        assert told in site.text, told
    async with world.services.database.begin() as tx:
        await witnesses.declare(tx, [WitnessRow(good, "https://good.example")])
    await site.open(f"/requests/{filed.row.id}/evidence")
    assert "under one that all 1 witnesses have signed" in site.text


async def test_a_request_without_an_approval_has_a_page_that_says_so(site: Site) -> None:
    world = site.world
    denied, given = await world.file(), await world.file(environment="esploro-sandbox")
    await world.deny(HEAD, denied.row.id)
    site.enter(AUDITOR)
    await site.open(f"/requests/{denied.row.id}/evidence")
    assert "There is no approval." in site.text
    await site.open(f"/requests/{given.row.id}/evidence")
    assert "on a ground that your institution laid down before" in site.text
    assert await _all(world, "evidence.read") == []
    judge(site.text)


async def test_whoever_is_no_auditor_reads_no_entry(site: Site) -> None:
    world = site.world
    filed = await world.file()
    await world.approve(HEAD, filed.row.id)
    site.enter(LIBRARIAN)
    await site.open("/trail")
    assert "You do not hold the role of an auditor" in site.text
    assert "/trail/entries/" not in site.text
    async with world.services.database.read() as tx:
        (told,) = await entries.find(tx, CODE, LeafFilter(type="decision.made"), 1)
    digest = told.entry.data["evidence"][0].removeprefix("sha256:")
    for path in ("/trail/entries/0", f"/requests/{filed.row.id}/evidence", f"/trail/evidence/{digest}"):
        assert (await site.get(path)).status_code == 403, path
    assert await _all(world, "evidence.read") == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_the_pages_have_no_fault_of_wcag_and_fit(world: World, base: str, browser: Browser, width: int) -> None:
    filed = await world.file(**HOSTILE)
    await world.approve(HEAD, filed.row.id, roles=HOSTILE["roles"], note="n" * 4000)
    context = await browser.new_context(viewport={"width": width, "height": 900})
    await context.add_cookies([{"name": SESSION, "value": world.people[AUDITOR], "url": base}])
    page = await context.new_page()
    said = complaints(page)
    created, made = (await _all(world, "request.created"))[-1], (await _all(world, "decision.made"))[-1]
    async with world.services.database.read() as tx:
        (told,) = await entries.read_leaves(tx, CODE, made, made + 1)
    evidence = f"/trail/evidence/{told.entry.data['evidence'][0].removeprefix('sha256:')}"
    places = ("/trail", f"/trail/entries/{created}", f"/trail/entries/{made}", f"/requests/{filed.row.id}/evidence")
    for place in (*places, evidence):
        await page.goto(base + place)
        await page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert (await faults(page), await beyond(page)) == ([], 0), place
    assert said == []
    await context.close()
