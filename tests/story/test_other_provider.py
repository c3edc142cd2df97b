"""Countersign at a second provider of others, PyPI's `oidc-provider-mock`: the whole way, over its own forms.

It keeps no sessions and dates `auth_time` when it issues the token, and it minds no `acr`, no PKCE and no secret of
ours. So it shows that its tokens and keys are understood and judged, and nothing of an old sign-in, a weak one or a
foreign client: those stay with the certified provider and with the lying one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from app.domain.request import Status
from app.storage import requests
from demo.parts import run_part
from tests.actions.attacks import trail
from tests.actions.worlds import CODE, DEPUTY, LIBRARIAN, World, run_world
from tests.story.real_provider import Road
from tests.web.site import visit

_COMMAND = (sys.executable, "-m", "oidc_provider_mock", "--port", "0")
_READY = r"Uvicorn running on (http://127\.0\.0\.1:\d+) "


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose institution signs in there. Its accounts are whatever is typed: an address, the `sub` too."""
    with run_part(_COMMAND, _READY, env={"PATH": os.environ["PATH"]}) as part:
        issuer, url = part.wait()[1], f"sqlite:///{tmp_path}/countersign.db"
        async with run_world(url, None, tmp_path, lambda text: text.replace("$ISSUER", issuer)) as made:
            made.road = Road(issuer, lambda email: {"sub": email})
            yield made


async def _status(world: World, request: str) -> str:
    async with world.services.database.read() as tx:
        row = await requests.read(tx, request, CODE)
    assert row is not None
    return row.status


async def test_people_are_bound_and_countersign_and_the_verifier_agrees(world: World) -> None:
    assert world.road is not None
    await world.enrol()
    institution = await world.institution()
    assert institution.enrolled_at is not None
    assert [each.bound_at(world.road.issuer) is not None for each in institution.people.values()] == [True] * 4
    filed = (await world.file()).row.id
    await world.approve(LIBRARIAN, filed)
    assert await _status(world, filed) == Status.ACTIVE
    report = await world.verify(await world.bundle())
    assert (report.findings, report.anchored) == ((), True)
    assert [each.ground for each in report.grants] == ["approval"]


async def test_a_countersignature_by_another_account_there_leaves_a_refusal_and_nothing_else(world: World) -> None:
    assert world.road is not None
    await world.enrol()
    filed = (await world.file()).row.id
    before = len(await trail(world))
    async with visit(world) as site:
        site.enter(LIBRARIAN)
        await site.open(f"/requests/{filed}")
        await site.send("/answer", decision="approve", window="full", role="Fulfillment Administrator")
        await site.send(site.path)
        back = await world.road(site.answer.headers["location"], DEPUTY)
        await site.open(f"/callback/{CODE}?{urlencode(back)}")
    assert (site.status, "Somebody else confirmed" in site.text) == (403, True)
    assert "no answer was recorded" in site.text
    (refusal,) = await trail(world, before)
    told = {"problem": "other-person", "verdict": "approve", "count": 1}
    assert (refusal.type, refusal.subject, dict(refusal.data)) == ("decision.refused", filed, told)
    assert await _status(world, filed) == Status.PENDING
