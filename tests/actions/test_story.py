"""The main job through the actions, the trail verified after each step."""

from __future__ import annotations

import pytest

from app.actions import decisions, grants, introspection
from app.domain.errors import Refused
from tests.actions.worlds import HEAD, World


async def test_a_request_goes_the_whole_way(enrolled: World) -> None:
    world = enrolled
    view = await world.file()
    assert view.status == "pending"
    await world.approve(HEAD, view.row.id)
    minted = await grants.mint(world.services, world.caller, view.row.id)
    claims = await introspection.introspect(world.services, world.caller, minted.access_token)
    assert claims["active"] is True
    await decisions.revoke(world.services, await world.visitor(HEAD), view.row.id, "Enough.")
    assert await introspection.introspect(world.services, world.caller, minted.access_token) == {"active": False}
    with pytest.raises(Refused, match="grant-ended"):
        await grants.mint(world.services, world.caller, view.row.id)
    for request in (None, view.row.id):
        report = await world.verify(await world.bundle(request))
        assert (report.error, report.findings, report.missing) == (None, (), ())
        assert [grant.ground for grant in report.grants] == ["approval"]
