"""What the clock alone makes of a session, at every instant around its deadlines."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.actions import session_calls
from app.actions.sessions import view_of
from app.domain.recording import begun
from tests.actions.watching import approved, opened, report, row_of
from tests.actions.worlds import World
from tests.storage.test_activity import session
from tests.storage.worlds import at

MICRO = timedelta(microseconds=1)


@given(
    until=st.integers(1, 4000),
    seen=st.integers(0, 3999),
    delta=st.integers(-3, 3) | st.integers(-(10**8), 10**8),
    around=st.sampled_from(["end", "silence"]),
)
def test_a_session_is_open_before_the_end_of_its_window_and_while_it_is_heard(
    until: int, seen: int, delta: int, around: str
) -> None:
    seen = min(seen, until - 1)
    deadline = at(until) if around == "end" else at(seen + 90)
    now = max(deadline + delta * MICRO, at(seen))
    record = begun(at(), gate=True, owed=False).to_data()
    view = view_of(session(not_after=at(until), seen_at=at(seen), coverage=record), "gate", now)
    assert (view.state == "open") == (now < at(until) and now < at(seen + 90))
    if now >= at(until):
        assert (view.state, view.ended_because, view.ended_at) == ("terminated", "grant-over", at(until))
    elif now >= at(seen + 90):
        assert (view.state, view.ended_at) == ("lost", at(seen + 90))
    assert 0 <= view.coverage.covered_s <= view.coverage.open_s
    assert view.coverage.open_s <= (min(now, at(until)) - at()).total_seconds()


async def test_a_report_is_heard_up_to_the_last_instant_of_the_window_and_not_at_its_end(enrolled: World) -> None:
    request = await approved(enrolled, minutes=15)
    clock = enrolled.now()
    enrolled.services.database.clock = lambda: clock
    end = (await row_of(enrolled, await opened(enrolled, request))).not_after
    clock = end - timedelta(seconds=60)
    last = await opened(enrolled, request)
    clock = end - MICRO
    assert (await report(enrolled, last, "The last instant")).goes_on
    clock = end
    assert (await session_calls.read(enrolled.services, enrolled.caller, last)).state == "terminated"
    heard = await report(enrolled, last, "Too late")
    assert (heard.goes_on, heard.because) == (False, "grant-over")
