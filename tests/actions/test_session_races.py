"""Reports, endings and revocations of the same sessions at once: each ends once, no event is lost or doubled."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta

from app.actions import decisions, doctor, requests, session_calls
from app.actions.session_access import end_access
from app.actions.session_clock import watch_over
from app.domain.errors import Refused
from app.storage import activity, entries
from tests.actions.watching import approved, opened, report, row_of
from tests.actions.worlds import CODE, HEAD, LIBRARIAN, World

REPORTS = 8


async def _allowed(work: Awaitable[object]) -> None:
    try:
        await work
    except Refused as refused:
        if refused.refusal.problem != "wrong-state":
            raise


async def test_reports_ends_and_revocations_that_race_lose_no_event_and_end_each_session_once(enrolled: World) -> None:
    world, chance = enrolled, random.Random(2026)
    first, second = await approved(world), await approved(world)
    ids = [await opened(world, request) for request in (first, first, first, second, second)]
    work: list[Awaitable[object]] = [report(world, each, "Something") for each in ids for _ in range(REPORTS)]
    work += [
        _allowed(session_calls.end(world.services, world.caller, ids[0], "Done.")),
        _allowed(end_access(world.services, await world.visitor(HEAD), ids[1])),
        _allowed(end_access(world.services, await world.visitor(LIBRARIAN), ids[3])),
        _allowed(decisions.revoke(world.services, await world.visitor(HEAD), first, "")),
        _allowed(requests.complete(world.services, world.caller, second, "Done.", None)),
        watch_over(world.services),
    ]
    chance.shuffle(work)
    await asyncio.gather(*work)
    world.skip(timedelta(seconds=61))
    await watch_over(world.services)
    for each in ids:
        row = await row_of(world, each)
        async with world.services.database.read() as tx:
            told = await activity.read(tx, CODE, each, 1, 1000, 1000)
            types = Counter(
                found.entry.type for found in await entries.find(tx, CODE, entries.LeafFilter(subject=each), 1000)
            )
            sealed = await activity.segments(tx, CODE, each)
        assert row.state in {"ended", "terminated"}
        assert types["session.ended"] + types["session.terminated"] == 1
        assert [event.n for event in told] == list(range(1, REPORTS + 1))
        assert [event.late for event in told] == sorted(event.late for event in told)
        assert (row.events, row.sealed, sealed[-1].last) == (REPORTS, REPORTS, REPORTS)
    assert await doctor.examine(world.services) == []
    verified = await world.verify(await world.bundle())
    assert (verified.findings, verified.missing, verified.exit_code) == ((), (), 0)
