"""Requirements of pages that no flow shows by itself, by their numbers."""

from __future__ import annotations

import re
from datetime import timedelta

from app.domain.times import parse_wire
from tests.actions.worlds import HEAD
from tests.web.reading import judge
from tests.web.site import Site


async def test_times_are_chosen_from_lists_and_roles_go_by_the_apis_names(site: Site) -> None:
    """U10: values in UTC, labels in the institution's zone."""
    begins = site.world.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    roles = ("Fulfillment Administrator", "Letter Administrator")
    filed = await site.world.file(not_before=begins, minutes=240, roles=roles)
    site.enter(HEAD)
    await site.open(f"/requests/{filed.row.id}")
    judge(site.text)
    assert '<input type="time"' not in site.text
    values = re.findall(r'<option value="([^"]+)"', site.text)
    assert values
    for value in values:
        assert begins <= parse_wire(value) <= begins + timedelta(minutes=240)
        assert value.endswith("Z")
    assert re.findall(r'name="role" value="([^"]+)"', site.text) == sorted(roles)
    assert set(re.findall(r'name="window" id="[^"]+" value="([^"]+)"', site.text)) == {"full", "own"}


async def test_the_check_code_stands_on_the_page_and_not_behind_the_mails_link(site: Site) -> None:
    """U13."""
    filed = await site.world.file()
    await site.open(f"/r/{filed.row.short}")
    assert filed.check_code not in site.text
    site.enter(HEAD)
    await site.open(f"/requests/{filed.row.id}")
    assert f'<bdi class="code">{filed.check_code}</bdi>' in site.text


async def test_a_lapse_leaves_access_closed_and_says_so(site: Site) -> None:
    """U14."""
    filed = await site.world.file()
    site.world.skip(timedelta(days=4))
    await site.world.sign_in(HEAD)
    site.enter(HEAD)
    await site.open(f"/requests/{filed.row.id}")
    assert "This request has lapsed" in site.text
    assert "No access was given." in site.text
    assert "/revoke" not in site.text
