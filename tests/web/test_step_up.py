"""What a page says when the provider did not sign somebody in as freshly or strongly as the policy asks."""

from __future__ import annotations

import pytest

from tests.actions.worlds import HEAD
from tests.identity.lies import plus, said
from tests.identity.malicious_provider import Evil
from tests.web.reading import judge
from tests.web.site import Site


@pytest.mark.parametrize(
    "evil, says",
    [
        (said("auth-time", auth_time=plus(-600)), "did not ask you anew"),
    ],
)
async def test_a_sign_in_that_was_not_fresh_is_explained(site: Site, evil: Evil, says: str) -> None:
    filed = await site.world.file()
    site.enter(HEAD)
    await site.open(f"/requests/{filed.row.id}")
    await site.send("/answer", decision="approve", window="full", role="Fulfillment Administrator")
    site.world.provider.evil = evil
    await site.send(site.path)
    await site.through_provider(HEAD)
    assert site.status == 403
    judge(site.text)
    assert says in site.text
    assert "no answer was recorded" in site.text
