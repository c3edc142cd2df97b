"""Answers that come back after somebody else's."""

from __future__ import annotations

from app.actions.reviews import review
from app.domain.request import Status
from tests.actions.worlds import HEAD, LIBRARIAN
from tests.web.site import Site


async def test_a_countersignature_that_comes_after_a_colleagues_is_told_who_was_first(site: Site) -> None:
    world = site.world
    filed = await world.file()
    site.enter(LIBRARIAN)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="approve")
    await site.send(site.path)
    await world.approve(HEAD, filed.row.id)
    await site.through_provider(LIBRARIAN)
    assert site.status == 409
    assert "A colleague has already answered" in site.text
    await site.send("/revoke")
    view = await review(world.services, await world.visitor(HEAD), filed.row.id)
    assert view.status is Status.REVOKED
