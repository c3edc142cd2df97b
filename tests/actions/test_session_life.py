"""The life of sessions: what opens one, what ends it, and that the trail tells exactly that."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.actions import decisions, doctor, requests, session_calls, sessions
from app.actions.session_access import end_access
from app.actions.session_clock import watch_over
from app.audit.segment import Told, segment_digest
from app.domain.errors import Refused
from app.storage import activity, entries, tables
from app.storage import sessions as rows
from tests.actions.attacks import behind
from tests.actions.watching import approved, opened, report, row_of, token
from tests.actions.worlds import AUDITOR, CODE, HEAD, WHERE, World


async def _verified(world: World) -> None:
    report = await world.verify(await world.bundle())
    assert (report.findings, report.missing, report.exit_code) == ((), (), 0)


async def _state(world: World, session: str) -> tuple[str, str | None]:
    row = await row_of(world, session)
    return row.state, row.ended_because


async def test_a_session_is_opened_reported_and_ends_with_a_revocation(enrolled: World) -> None:
    request = await approved(enrolled)
    first, second = await opened(enrolled, request), await opened(enrolled, request)
    other = await opened(enrolled)
    heard = await report(enrolled, first, "Opened the job list", "Opened a job")
    assert (heard.goes_on, heard.because) == (True, None)
    await decisions.revoke(enrolled.services, await enrolled.visitor(HEAD), request, "Enough.")
    assert await _state(enrolled, first) == await _state(enrolled, second) == ("terminated", "revoked")
    assert await _state(enrolled, other) == ("open", None)
    heard = await report(enrolled, first, "Closed the job")
    assert (heard.goes_on, heard.because) == (False, "revoked")
    await _verified(enrolled)


async def test_a_token_opens_one_session_however_often_it_is_shown_at_once(enrolled: World) -> None:
    minted = await token(enrolled, await approved(enrolled))

    async def one() -> str:
        try:
            view = await sessions.open_session(enrolled.services, enrolled.caller, minted, WHERE)
        except Refused as refused:
            return refused.refusal.problem
        return view.row.id[:4]

    told = await asyncio.gather(*(one() for _ in range(6)))
    assert sorted(told) == ["ses_"] + ["token-inactive"] * 5
    await _verified(enrolled)


@pytest.mark.parametrize("how", ["complete", "elapse"])
async def test_whatever_ends_the_grant_ends_the_session(enrolled: World, how: str) -> None:
    request = await approved(enrolled, minutes=15)
    session = await opened(enrolled, request)
    if how == "complete":
        await requests.complete(enrolled.services, enrolled.caller, request, "Done.", None)
        assert await _state(enrolled, session) == ("terminated", "completed")
    else:
        enrolled.skip(timedelta(minutes=15, seconds=30))
        heard = await report(enrolled, session, "Still here")
        assert (heard.goes_on, heard.because) == (False, "grant-over")
    await _verified(enrolled)


async def test_a_silent_session_is_lost_and_resumes(enrolled: World) -> None:
    session = await opened(enrolled)
    enrolled.skip(timedelta(seconds=100))
    assert (await report(enrolled, session, "Back again")).goes_on
    assert await _state(enrolled, session) == ("open", None)
    await _verified(enrolled)


async def _types(world: World, session: str) -> list[str]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, CODE, entries.LeafFilter(subject=session), 1000)
    return [each.entry.type.removeprefix("session.") for each in found]


async def test_the_worker_seals_loses_and_ends_what_does_not_call(enrolled: World) -> None:
    request = await approved(enrolled, minutes=15)
    silent, busy = await opened(enrolled, request), await opened(enrolled, request)
    await report(enrolled, silent, "Opened the job list")
    assert await watch_over(enrolled.services) == 0
    enrolled.skip(timedelta(seconds=61))
    await report(enrolled, busy, "Opened a job")
    assert await watch_over(enrolled.services) == 1
    assert await _types(enrolled, silent) == ["opened", "segment_sealed"]
    enrolled.skip(timedelta(seconds=35))
    assert await watch_over(enrolled.services) == 1
    assert await _types(enrolled, silent) == ["opened", "segment_sealed", "lost"]
    enrolled.skip(timedelta(seconds=30))
    assert await watch_over(enrolled.services) == 1
    assert await _types(enrolled, busy) == ["opened", "segment_sealed", "terminated"]
    assert await _state(enrolled, busy) == ("terminated", "not-recorded")
    enrolled.skip(timedelta(minutes=13))
    assert await watch_over(enrolled.services) == 1
    assert await _state(enrolled, silent) == ("terminated", "grant-over")
    assert await watch_over(enrolled.services) == 0
    await _verified(enrolled)


async def test_what_comes_late_is_flagged_and_sealed_until_a_minute_after_the_grant(enrolled: World) -> None:
    request = await approved(enrolled, minutes=15)
    session = await opened(enrolled, request)
    await decisions.revoke(enrolled.services, await enrolled.visitor(HEAD), request, "")
    enrolled.skip(timedelta(seconds=50))
    await report(enrolled, session, "Late", "Later")
    enrolled.skip(timedelta(seconds=20))
    assert not (await report(enrolled, session, "Too late")).goes_on
    enrolled.skip(timedelta(seconds=60))
    assert await watch_over(enrolled.services) == 1
    assert await watch_over(enrolled.services) == 0
    row = await row_of(enrolled, session)
    async with enrolled.services.database.read() as tx:
        told = await activity.read(tx, CODE, session, 1, 10, 10)
        sealed = await entries.find(tx, CODE, entries.LeafFilter(type="session.segment_sealed"), 10)
        (segment,) = await activity.segments(tx, CODE, session)
    assert [(each.summary, each.late) for each in told] == [("Late", True), ("Later", True), ("Too late", True)]
    assert [(each.entry.data["events"], each.entry.data["late"]) for each in sealed] == [(2, 2)]
    assert (row.events, row.sealed, row.seal_at) == (3, 2, None)
    parts = [Told(e.n, e.at, e.received_at, e.kind, e.summary, e.detail, e.late) for e in told[:2]]
    assert sealed[0].entry.data["digest"] == segment.digest == segment_digest(session, 1, segment.salt, parts)
    await _verified(enrolled)


async def test_an_approver_ends_one_session_and_the_window_stays_open(enrolled: World) -> None:
    request = await approved(enrolled)
    first, second = await opened(enrolled, request), await opened(enrolled, request)
    with pytest.raises(Refused, match="not-approver"):
        await end_access(enrolled.services, await enrolled.sign_in(AUDITOR), first)
    assert await end_access(enrolled.services, await enrolled.visitor(HEAD), first) == request
    with pytest.raises(Refused, match="wrong-state"):
        await end_access(enrolled.services, await enrolled.visitor(HEAD), first)
    heard = await report(enrolled, first, "One more")
    assert (heard.goes_on, heard.because) == (False, "approver")
    assert (await report(enrolled, second, "Goes on")).goes_on
    assert await _state(enrolled, await opened(enrolled, request)) == ("open", None)
    await _verified(enrolled)


async def test_approvers_are_told_when_a_session_is_opened_and_how_it_ended(enrolled: World) -> None:
    session = await opened(enrolled)
    await report(enrolled, session, "Opened a job")
    await session_calls.end(enrolled.services, enrolled.caller, session, "Re-ran the job.")
    async with enrolled.services.database.read() as tx:
        queued = await entries.find(tx, CODE, entries.LeafFilter(type="mail.queued"), 1000)
    kinds = Counter(each.entry.data["kind"] for each in queued)
    assert kinds["session-opened"] == kinds["session-ended"] == kinds["request"] > 0


async def test_the_doctor_names_every_segment_that_does_not_hold_what_the_trail_tells_of(enrolled: World) -> None:
    sessions = [await opened(enrolled) for _ in range(4)]
    for session in sessions:
        await report(enrolled, session, "Opened a job", "Closed the job")
        await session_calls.end(enrolled.services, enrolled.caller, session, "Done.")
    changed, dropped, gone, _ = sessions
    async with behind(enrolled) as connection:
        events, segments = tables.session_events, tables.session_segments
        one = sa.and_(events.c.session == changed, events.c.n == 1)
        await connection.execute(sa.update(events).where(one).values(summary="Nothing much"))
        await connection.execute(sa.delete(events).where(events.c.session == dropped, events.c.n == 2))
        await connection.execute(sa.delete(segments).where(segments.c.session == gone))
    found = {each.words for each in await doctor.examine(enrolled.services)}
    assert found == {f"segment 1 of {each} does not hold what the trail tells of" for each in sessions[:3]}


async def test_rows_of_sessions_written_behind_the_back_open_nothing_and_the_doctor_names_them(enrolled: World) -> None:
    request = await approved(enrolled)
    forged, back, ended = [await opened(enrolled, request) for _ in range(3)]
    old = await row_of(enrolled, back)
    for session in (back, ended):
        await session_calls.end(enrolled.services, enrolled.caller, session, "Done.")
    async with enrolled.services.database.begin() as tx:
        await rows.save(tx, replace(await row_of(enrolled, forged), account="exl_other"))
        await rows.save(tx, old)  # its MAC holds: only the trail tells that it is over
    for session in (forged, back):
        with pytest.raises(Refused, match="not-found"):
            await report(enrolled, session, "Still here")
    found = {each.words for each in await doctor.examine(enrolled.services)}
    assert found == {f"the row of {session} is not as the trail tells it" for session in (forged, back)}
