"""Pages of the vendor's own people, and of nobody else."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.actions.vendors import OPERATOR, VENDOR_AUDITOR, run_vendor_world, vendor_signs_in
from tests.actions.worlds import AUDITOR, CODE, HEAD
from tests.web.reading import judge
from tests.web.site import Site, visit


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A browser that nobody is signed in with; the vendor's people signed in before."""
    async with run_vendor_world(f"sqlite:///{tmp_path}/countersign.db", None, tmp_path) as (world, provider):
        await world.enrol()
        for email in (VENDOR_AUDITOR, OPERATOR):
            await vendor_signs_in(world, provider, email)
        async with visit(world) as made:
            yield made


async def test_a_vendor_auditor_chooses_an_institution_and_takes_its_trail_home(site: Site) -> None:
    site.enter(VENDOR_AUDITOR)
    await site.open("/requests")
    assert site.path == "/institutions"
    page = judge(site.text)
    assert page.faults == []
    assert f"/institutions/{CODE}" in page.links
    assert "/trail" not in page.links
    await site.open(f"/institutions/{CODE}")
    assert judge(site.text).faults == []
    assert "keeps names, words and evidence from the vendor" in site.text
    answer = await site.post(site.form("/export"), **{"as": "bundle"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    members = zipfile.ZipFile(BytesIO(answer.content)).namelist()
    assert "data/entries.jsonl" in members
    assert not any(name.startswith("data/evidence/") for name in members)
    for form in ("csv", "jsonl"):
        answer = await site.post(site.form("/export"), **{"as": form})
        assert answer.status_code == 200
        assert HEAD not in answer.text


async def test_an_operator_sees_the_list_alone(site: Site) -> None:
    site.enter(OPERATOR)
    await site.open("/requests")
    assert site.path == "/institutions"
    assert CODE in site.text
    assert f"/institutions/{CODE}" not in judge(site.text).links
    assert (await site.get(f"/institutions/{CODE}")).status_code == 404
    form = site.form("/sign-out")
    token = form.filled()["csrf"]
    answer = await site.client.post(
        f"/institutions/{CODE}/export",
        data={"csrf": token, "as": "bundle"},
        headers={"Origin": "http://countersign.test", "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 404


async def test_the_institutions_own_people_find_nothing_there(site: Site) -> None:
    for email in (HEAD, AUDITOR):
        site.enter(email)
        for path in ("/institutions", f"/institutions/{CODE}", "/institutions/01NOBODY"):
            assert (await site.get(path)).status_code == 404
    site.leave()
    assert (await site.get("/institutions")).headers["location"].startswith("/sign-in?")


async def test_the_vendors_people_find_no_page_of_an_institutions_people(site: Site) -> None:
    filed = await site.world.file()
    for email in (VENDOR_AUDITOR, OPERATOR):
        site.enter(email)
        for path in ("/settings/people", "/settings/stop-codes", "/settings/environments", f"/requests/{filed.row.id}"):
            assert (await site.get(path)).status_code == 404, path
        for path in ("/enrol/VENDOR", f"/enrol/{CODE}"):
            assert (await site.get(path)).status_code == 404, path
        assert (await site.get("/settings/sessions")).status_code == 200
