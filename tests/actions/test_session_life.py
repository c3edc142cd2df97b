"""The life of sessions: what opens one, what ends it, and that the trail tells exactly that."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.actions import decisions, requests, sessions
from app.domain.errors import Refused
from tests.actions.watching import approved, opened, report, row_of, token
from tests.actions.worlds import HEAD, WHERE, World


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
