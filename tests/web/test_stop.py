"""The page that ends all access without a sign-in, and the one that makes its codes."""

from __future__ import annotations

import re

from app.actions.reviews import review
from app.domain.request import Status
from tests.actions.worlds import CODE, HEAD, LIBRARIAN
from tests.web.conftest import OTHER
from tests.web.reading import judge
from tests.web.site import BASE, Site

SETTINGS = "/settings/stop-codes"
_CODE = re.compile(r'<bdi class="code">([A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4})</bdi>')


async def _codes(site: Site) -> list[str]:
    """Ten new codes, made on the page by an admin; nobody is signed in afterwards."""
    site.enter(HEAD)
    await site.open(SETTINGS)
    judge(site.text)
    await site.send(SETTINGS)
    judge(site.text)
    found = _CODE.findall(site.text)
    assert len(set(found)) == 10
    site.leave()
    return found


async def _active(site: Site) -> str:
    filed = await site.world.file()
    await site.world.approve(HEAD, filed.row.id)
    return filed.row.id


async def _status(site: Site, request: str) -> Status:
    return (await review(site.world.services, await site.world.visitor(HEAD), request)).status


async def test_a_printed_code_ends_all_access_by_nobody_who_is_signed_in(site: Site) -> None:
    request, codes = await _active(site), await _codes(site)
    await site.open("/stop")
    judge(site.text)
    await site.send("/stop", institution=CODE.lower(), stop_code=codes[0].lower())
    assert site.status == 200
    judge(site.text)
    assert "All access has ended" in site.text
    assert "1 window was ended: 1 open, 0 approved for later." in site.text
    assert await _status(site, request) is Status.REVOKED
    site.enter(HEAD)
    await site.open(f"/requests/{request}")
    assert "stop code" in site.text
    await site.open(SETTINGS)
    assert "9 of 10" in site.text
    assert "It ended 1 access." in site.text
    assert not _CODE.findall(site.text)
    judge(site.text)


async def test_what_does_not_fit_looks_alike_and_ends_nothing(site: Site) -> None:
    request, codes = await _active(site), await _codes(site)
    await site.open("/stop")
    told = set()
    for institution, code in (
        (CODE, "AAAA-AAAA-AAAA"),
        (OTHER, codes[0]),
        ("NOBODY", codes[0]),
        ("\x00", codes[0]),
        ("</p><b>", '"><i>'),
    ):
        await site.open("/stop")
        answer = await site.post(site.form("/stop"), institution=institution, stop_code=code)
        assert answer.status_code == 403
        judge(answer.text)
        assert "Nothing was ended" in answer.text
        told.add(re.sub(r' value="[^"]*"|You can try .*?\.', "", answer.text))
    assert len(told) == 1
    assert await _status(site, request) is Status.ACTIVE


async def test_after_five_tries_even_the_right_code_waits(site: Site) -> None:
    request, codes = await _active(site), await _codes(site)
    await site.open("/stop")
    form = site.form("/stop")
    for left in ("4 more times", "3 more times", "2 more times", "1 more time ", "again in 15 minutes"):
        answer = await site.post(form, institution=CODE, stop_code="AAAA-AAAA-AAAA")
        assert f"You can try {left}" in answer.text
    answer = await site.post(form, institution=CODE, stop_code=codes[0])
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    judge(answer.text)
    assert "Nothing was ended" in answer.text
    assert "this one was not looked at" in answer.text
    assert await _status(site, request) is Status.ACTIVE


async def test_a_strange_form_ends_nothing(site: Site) -> None:
    request, codes = await _active(site), await _codes(site)
    await site.open("/stop")
    body = site.form("/stop").filled() | {"institution": CODE, "stop_code": codes[0]}
    for change, headers in (
        ({"csrf": "x"}, {"Origin": BASE}),
        ({}, {"Origin": "https://evil.example"}),
        ({}, {"Origin": BASE, "Sec-Fetch-Site": "cross-site"}),
    ):
        answer = await site.client.post("/stop", data=body | change, headers=headers)
        assert answer.status_code == 403
    site.leave()
    assert (await site.client.post("/stop", data=body, headers={"Origin": BASE})).status_code == 403
    assert await _status(site, request) is Status.ACTIVE


async def test_looking_makes_no_code_and_others_see_no_page(site: Site) -> None:
    assert (await site.get(SETTINGS)).headers["location"] == f"/sign-in?next={SETTINGS}"
    site.enter(LIBRARIAN)
    assert (await site.get(SETTINGS)).status_code == 404
    await site.open("/requests")
    token = dict(site.form("/sign-out").fields)["csrf"]
    answer = await site.client.post(SETTINGS, data={"csrf": token}, headers={"Origin": BASE})
    assert answer.status_code == 404
    site.enter(HEAD)
    await site.open(SETTINGS)
    assert "None have been made yet." in site.text
