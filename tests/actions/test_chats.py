"""Channels of Slack and Teams: told by the outbox of webhooks, and nothing of what the vendor typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.actions import webhooks
from app.actions.deliver_webhooks import deliver_webhooks
from app.actions.webhooks import Wanted
from app.api import representation
from app.domain.errors import Refused
from app.storage import tables
from tests.actions.test_webhooks import admin, logged
from tests.actions.worlds import HEAD, World
from tests.fixtures.chat import SLACK, TEAMS, Chat, chatting

TYPES = ("request.*", "message.*")


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with chatting() as running:
        yield running


async def _listen(world: World, chat: Chat, form: str) -> str:
    url = chat.url(SLACK if form == "slack" else TEAMS)
    view, _ = await webhooks.create(world.services, await world.visitor(HEAD), Wanted(url, TYPES, form=form))
    return view.row.id


async def _deliver(world: World) -> None:
    while await deliver_webhooks(world.services, representation.body):
        pass


async def test_both_are_told_of_a_requests_life_in_lines_with_a_link(enrolled: World, chat: Chat) -> None:
    world = enrolled
    for form in ("slack", "teams"):
        await _listen(world, chat, form)
    filed = await world.file(case_title="Typed by somebody", reason="Typed by somebody, at length")
    await world.approve(HEAD, filed.row.id)
    await _deliver(world)
    slack = [told for path, told in chat.posts if path == SLACK]
    teams = [told for path, told in chat.posts if path == TEAMS]
    assert len(slack) == len(teams) == 3, "created, approved, activated"
    assert "asks for access to Alma production" in slack[0]["text"]
    assert "is approved" in slack[1]["text"]
    link = f"http://countersign.test/r/{filed.row.short}"
    assert all(f"<{link}|" in told["blocks"][0]["text"]["text"] for told in slack)
    assert all(told["attachments"][0]["content"]["actions"][0]["url"] == link for told in teams)
    everything = repr(chat.posts)
    for typed in ("Typed", "Tier 3", filed.row.case_number, "e1234"):
        assert typed not in everything
    assert not any(name.startswith("webhook-") for name in chat.headers)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())


async def test_a_channels_address_is_kept_sealed_and_told_to_nobody(enrolled: World, chat: Chat) -> None:
    world = enrolled
    name = await _listen(world, chat, "slack")
    async with world.services.database.read() as tx:
        (row,) = (await tx.connection.execute(sa.select(tables.webhooks))).all()
    assert b"a-secret" not in repr(row).encode()
    (told,) = await logged(world, "webhook.set")
    assert b"a-secret" not in told.leaf + (told.private or b"")
    view = await webhooks.read(world.services, await world.visitor(HEAD), name)
    assert "a-secret" not in repr(view)
    assert view.row.url == chat.url("/…")


async def test_a_channel_that_is_busy_waits_and_one_that_is_gone_is_told_nothing_more(
    enrolled: World, chat: Chat
) -> None:
    world = enrolled
    name = await _listen(world, chat, "slack")
    await world.file()
    chat.status, chat.retry_after = 429, "30"
    await _deliver(world)
    chat.status = chat.retry_after = None
    await _deliver(world)
    assert chat.posts == []
    world.skip(timedelta(minutes=2))
    await _deliver(world)
    assert len(chat.posts) == 1
    await world.file()
    chat.status = 410
    await _deliver(world)
    view = await webhooks.read(world.services, await world.visitor(HEAD), name)
    assert (view.row.enabled, len(chat.posts)) == (False, 1)


async def test_what_is_no_channel_or_leads_inside_is_refused(enrolled: World, chat: Chat) -> None:
    head = await enrolled.visitor(HEAD)
    for url, form in (
        (chat.url(SLACK), "irc"),
        ("ftp://hooks.example/x", "slack"),
        ("https://u:p@h.example/", "teams"),
    ):
        with pytest.raises(Refused) as no:
            await webhooks.create(enrolled.services, head, Wanted(url, TYPES, form=form))
        assert no.value.refusal.problem == "validation"
    with pytest.raises(Refused):
        await webhooks.create(enrolled.services, await admin(enrolled), Wanted(chat.url(SLACK), TYPES, form="slack"))
