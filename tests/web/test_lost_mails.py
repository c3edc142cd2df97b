"""A mail that did not arrive shows where people look: access stays closed, and nobody need wonder why."""

from __future__ import annotations

from dataclasses import replace

from app.actions import bounces
from app.actions.deliver import deliver
from tests.actions.test_mails import at
from tests.actions.worlds import HEAD, LIBRARIAN
from tests.fixtures.smtp import SmtpSink
from tests.notify.test_bounces import report
from tests.web.reading import judge
from tests.web.site import Site


async def test_a_bounce_shows_in_the_settings_on_the_list_and_on_the_request(site: Site, smtp_sink: SmtpSink) -> None:
    world = site.world
    kept = world.services
    at(world, smtp_sink.port)
    world.services = replace(world.services, bounces_to="bounces@countersign.example")
    filed = await world.file()
    while await deliver(world.services):
        pass
    sender = next(each.sender for each in smtp_sink.deliveries if each.recipients == (LIBRARIAN,))
    site.enter(HEAD)
    await site.open("/settings")
    assert "Mails that did not arrive" not in site.text
    said = "550 <script>alert(1)</script> \u202e" + "W" * 900
    assert await bounces.record(world.services, report(to=sender, said=said)) == "recorded"
    await site.open("/settings")
    judge(site.text)
    assert "Mails that did not arrive" in site.text
    assert f"/requests/{filed.row.id}" in judge(site.text).links
    assert LIBRARIAN in site.text
    assert "<script>alert" not in site.text
    await site.open("/requests")
    judge(site.text)
    assert "Access stays closed until somebody answers." in site.text
    await site.open(f"/requests/{filed.row.id}")
    judge(site.text)
    assert "the mail did not arrive" in site.text
    world.services = kept
