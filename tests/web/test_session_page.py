"""The page of a session: who, how much is recorded, what was done; as people see it, and as it changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from app.actions import own_sessions
from app.actions.live import WATCHES, Live
from app.actions.recordings import NewPart, add_part
from app.actions.signin import Visitor
from app.actions.watched import Reported
from app.actions.watching import SHOWN, SessionPage
from app.domain.errors import Refused
from app.storage import leaves
from tests.actions.watching import approved, opened, report, report_all
from tests.actions.worlds import AUDITOR, CODE, HEAD, LIBRARIAN, WHERE, World
from tests.web.reading import judge
from tests.web.site import Site

HOSTILE = (
    "<script>alert(1)</script></bdi></li></ol><form action=//evil.example>",
    "\u202egnp.exe\u2069 right to left \u2066",
    "x" * 1000,
    "{{ 7*7 }}{% raw %}",
)


async def _part(world: World, session: str, n: int, content: bytes = b"{}", kind: str = "video/webm") -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    await add_part(world.services, session, world.client, NewPart(n, kind, {}, pieces()))


async def test_a_session_in_use_says_who_how_much_and_what(site: Site) -> None:
    world = site.world
    request = await approved(world)
    session = await opened(world, request)
    await _part(world, session, 1)
    await report(world, session, "Opened: Authority control", "Changed: schedule")
    world.skip(timedelta(seconds=60))
    await report(world, session, "Read a list")
    site.enter(HEAD)
    await site.open(f"/sessions/{session}")
    judge(site.text, scripts=("session.js",))
    for words in (
        "In use now",
        "Stated by the vendor.",
        "Changed: schedule",
        "Session opened",
        "1 part",
        "support-console",
    ):
        assert words in site.text, words
    assert site.text.index("Read a list") < site.text.index("Changed: schedule") < site.text.index("Session opened")
    policy = site.answer.headers["content-security-policy"]
    assert "script-src http://countersign.test/static/" in policy
    assert "unsafe" not in policy
    await site.open(f"/requests/{request}")
    assert f"/sessions/{session}" in judge(site.text).links
    await site.open("/requests")
    assert f"/sessions/{session}" in judge(site.text).links


async def test_the_figure_has_its_gaps_and_a_table_says_the_same(site: Site) -> None:
    world = site.world
    session = await opened(world)
    world.skip(timedelta(seconds=60))
    await _part(world, session, 1)
    await report(world, session, "One")
    world.skip(timedelta(minutes=10))
    site.enter(AUDITOR)
    await site.open(f"/sessions/{session}")
    for words in ("Silent, may go on", "Gap: not recorded", "the session was lost", 'class="gap"', 'class="away"'):
        assert words in site.text, words
    assert "60 s" not in site.text
    assert "1 min of 2 min 30 s are recorded, with 1 gap." in site.text
    judge(site.text, scripts=("session.js",))
    assert "/end" not in site.text, "an auditor ends nothing"
    await report(world, session, "Another")
    await site.open(f"/sessions/{session}")
    assert "The silence ended" in site.text
    assert 'class="away"' not in site.text, "nobody had recorded the loss before it was heard again"


async def test_one_press_ends_this_session_alone_and_says_so(site: Site) -> None:
    world = site.world
    session = await opened(world)
    site.enter(HEAD)
    await site.open(f"/sessions/{session}")
    await site.send(f"/sessions/{session}/end")
    assert site.path == f"/sessions/{session}"
    assert "Ended by you" in site.text
    assert "Session ended by an approver" in site.text
    assert "<script" not in site.text
    assert "script-src 'none'" in site.answer.headers["content-security-policy"]
    judge(site.text)
    site.enter(LIBRARIAN)
    await site.open(f"/sessions/{session}")
    assert "Ended by Head of Systems" in site.text
    await site.send("/revoke")
    assert "Access has ended" in site.text


async def test_hostile_activity_stays_text(site: Site) -> None:
    world = site.world
    session = await opened(world)
    events = tuple(Reported(world.now(), "<b>kind", words, json.dumps({words: words})) for words in HOSTILE)
    await report_all(world, session, *events)
    site.enter(HEAD)
    await site.open(f"/sessions/{session}")
    outline = judge(site.text, scripts=("session.js",))
    assert not [action for action, _ in outline.forms if "evil" in action]
    for character in ("\u202e", "\u2066", "\u2069"):
        assert character not in site.text
    assert "&lt;script&gt;alert(1)" in site.text
    assert "{{ 7*7 }}" in site.text


async def test_what_happened_is_walked_page_by_page_and_nothing_is_missing(site: Site) -> None:
    world = site.world
    session = await opened(world)
    for step in range(3):
        await report(world, session, *(f"event {step * SHOWN + n}." for n in range(SHOWN)))
        world.skip(timedelta(seconds=100))
    site.enter(HEAD)
    await site.open(f"/sessions/{session}")
    pages = [site.text]
    while earlier := [link for link in judge(site.text, scripts=("session.js",)).links if "?before=" in link]:
        await site.open(earlier[0])
        assert "<script" not in site.text, "an earlier page stays as it is"
        pages.append(site.text)
    whole = "".join(pages)
    assert [whole.count(f"event {n}.") for n in range(3 * SHOWN)] == [1] * (3 * SHOWN)
    assert whole.count("The silence ended") == 2
    assert whole.count("Session opened") == 1
    for wrong in ("x", "-1", "9" * 30, "0"):
        assert (await site.get(f"/sessions/{session}?before={wrong}&parts={wrong}")).status_code == 200


async def test_parts_are_for_those_who_may_read_them_and_looking_reads_none(site: Site) -> None:
    world = site.world
    session = await opened(world)
    for n in range(1, SHOWN + 3):
        await _part(world, session, n)
    site.enter(AUDITOR)
    size = await _size(world)
    await site.open(f"/sessions/{session}")
    assert f"/sessions/{session}/recording/{SHOWN + 2}" in judge(site.text, scripts=("session.js",)).links
    await site.open(f"/sessions/{session}?parts=3")
    assert f"/sessions/{session}/recording/2" in judge(site.text).links
    assert await _size(world) == size


async def test_the_watch_shows_what_happens_and_ends_with_the_session(site: Site) -> None:
    world = site.world
    session = await opened(world)
    who = await world.visitor(HEAD)
    live = Live(world.services, world.people[HEAD], session)
    async with asyncio.timeout(60), aclosing(live.run(who)) as pages:
        _, page = await anext(pages)
        assert _words(page) == [WHERE.ip]
        await report(world, session, "Opened a list")
        _, page = await anext(pages)
        assert "Opened a list" in _words(page)
        site.enter(LIBRARIAN)
        await site.open(f"/sessions/{session}")
        await site.send("/revoke")
        last = [page async for _, page in pages]
    assert [each.living for each in last] == [False]
    assert world.services.database.bell.watched == 0


@pytest.mark.parametrize("how", ["signed out", "role gone", "idle"])
async def test_the_watch_ends_with_the_sign_in_and_is_no_use_of_it(site: Site, how: str) -> None:
    world = site.world
    session = await opened(world)
    who = await world.visitor(LIBRARIAN)
    live = Live(world.services, world.people[LIBRARIAN], session)
    async with asyncio.timeout(60), aclosing(live.run(who)) as pages:
        await anext(pages)
        if how == "signed out":
            await own_sessions.sign_out_everywhere(world.services, who)
        elif how == "role gone":
            site.enter(HEAD)
            await site.open(f"/settings/people/{who.person}")
            await site.send(f"/settings/people/{who.person}", remove="1")
        else:
            for _ in range(5):
                world.skip(timedelta(minutes=14))
                await report(world, session, "Still here")
                if await _next(pages) is None:
                    break
            else:
                pytest.fail("watching kept the sign-in alive")
        rest = [page async for page in pages]
    assert rest == []


async def test_one_visitor_has_so_many_watches_and_strangers_none(site: Site) -> None:
    world = site.world
    session = await opened(world)
    path = f"/sessions/{session}/events"
    assert (await site.get(path)).headers["location"].startswith("/sign-in?next=")
    site.enter(HEAD)
    who = await world.visitor(HEAD)
    live = Live(world.services, world.people[HEAD], session)
    watches = [live.run(who) for _ in range(WATCHES)]
    for watch in watches:
        await anext(watch)
    with pytest.raises(Refused) as refused:
        live.admit(who)
    assert refused.value.refusal.problem == "too-many-requests"
    assert (await site.get(path)).status_code == 429
    for watch in watches:
        await watch.aclose()
    live.admit(who)
    assert (await site.get("/sessions/ses_none/events")).status_code == 404


async def test_the_stream_holds_the_places_of_the_page(site: Site) -> None:
    world = site.world
    session = await opened(world)
    await report(world, session, "</bdi>\n\ndata: forged")
    site.enter(HEAD)
    await site.open(f"/sessions/{session}")
    await site.send(f"/sessions/{session}/end")
    answer = await site.get(f"/sessions/{session}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    (event,) = [each for each in answer.text.split("\n\n") if each.startswith("event: page")]
    data = json.loads(event.partition("data: ")[2])
    assert data["over"] is True
    assert "Ended by you" in data["head"]
    assert "data: forged" in data["log"]
    assert {"head", "acts", "coverage", "log", "over"} == data.keys()


def _words(page: SessionPage) -> list[str]:
    return [each.words for each in page.happenings]


async def _next(pages: AsyncIterator[tuple[Visitor, SessionPage]]) -> SessionPage | None:
    try:
        return (await anext(pages))[1]
    except StopAsyncIteration:
        return None


async def _size(world: World) -> int:
    async with world.services.database.begin() as tx:
        return (await leaves.lock(tx, CODE)).size
