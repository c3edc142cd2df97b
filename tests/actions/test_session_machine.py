"""Sessions driven at random over a whole service on SQLite, against a naive model that knows deadlines alone.

After every run the exported trail verifies, and the doctor finds the rows to be what the trail tells.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.actions import decisions, doctor, session_calls
from app.actions.recordings import NewPart, add_part
from app.actions.session_access import end_access
from app.actions.session_clock import watch_over
from app.domain.errors import Refused
from tests.actions.watching import approved, opened, report
from tests.actions.worlds import HEAD, World, run_world
from tests.counts import times

T = TypeVar("T")
MINUTES = 15
SILENCE, RECORDING = timedelta(seconds=90), timedelta(seconds=120)


@dataclass
class Model:
    """What a session should be, by deadlines alone."""

    id: str
    seen: datetime
    part_by: datetime
    parts: int = 0
    state: str = "open"
    because: str | None = None

    def pass_time(self, now: datetime, over: datetime | None, until: datetime) -> None:
        """What became of it since it was looked at last, in the order of the deadlines."""
        silent = self.seen + SILENCE
        if self.state == "open" and self.part_by <= now and self.part_by < min(silent, until):
            self.state, self.because = "terminated", "not-recorded"
        elif self.state in {"open", "lost"} and until <= now and over is None:
            self.state, self.because = "terminated", "grant-over"
        elif self.state == "open" and silent <= now:
            self.state, self.because = "lost", "lost"


class Sessions(RuleBasedStateMachine):
    """Several sessions on one request; its window ends on the way, or is taken back."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.sessions: list[Model] = []
        self.over: datetime | None = None
        self.clock = datetime.now(UTC)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder}/countersign.db"
        self.world: World = await self.stack.enter_async_context(run_world(url, None, folder))
        await self.world.enrol()
        self.request = await approved(self.world, minutes=MINUTES)
        view = await session_calls.find(self.world.services, self.world.caller, None, None, None, 1, None)
        assert view.items == ()
        self.clock = self.world.now()
        self.world.services.database.clock = lambda: self.clock
        self.world.now = lambda: self.clock  # type: ignore[method-assign]  # one clock, which only `wait` moves
        probe = await opened(self.world, self.request)
        self.until = (await session_calls.read(self.world.services, self.world.caller, probe)).row.not_after
        self.sessions.append(self._model(probe))

    def _model(self, session: str) -> Model:
        return Model(session, self.clock, self.clock + RECORDING)

    @property
    def open(self) -> bool:
        """Whether the grant runs."""
        return self.over is None and self.clock < self.until

    def chosen(self, number: int) -> Model:
        """One of the sessions, as time left it."""
        model = self.sessions[number % len(self.sessions)]
        model.pass_time(self.clock, self.over, self.until)
        return model

    @precondition(lambda self: self.open and len(self.sessions) < 4)
    @rule()
    def open_another(self) -> None:
        self.sessions.append(self._model(self.run(opened(self.world, self.request))))

    @rule(seconds=st.sampled_from([1, 15, 29, 30, 45, 60, 89, 90, 91, 119, 120, 200]))
    def wait(self, seconds: int) -> None:
        self.clock += timedelta(seconds=seconds)

    @rule(number=st.integers(0, 3), events=st.integers(1, 3))
    def tell(self, number: int, events: int) -> None:
        model = self.chosen(number)
        heard = self.run(report(self.world, model.id, *["Something"] * events))
        assert heard.goes_on == (model.state in {"open", "lost"})
        if heard.goes_on:
            self._heard(model)
        else:
            assert heard.because == model.because

    def _heard(self, model: Model) -> None:
        if model.state == "lost":
            model.state, model.because, model.part_by = "open", None, self.clock + RECORDING
        model.seen = self.clock

    @rule(number=st.integers(0, 3))
    def record(self, number: int) -> None:
        async def cast() -> AsyncIterator[bytes]:
            yield b"a part"

        model = self.chosen(number)
        part = NewPart(model.parts + 1, "text/plain", {}, cast())
        self.run(add_part(self.world.services, model.id, self.world.client, part))
        model.parts += 1
        if model.state in {"open", "lost"}:
            self._heard(model)
            model.part_by = self.clock + RECORDING

    @rule(number=st.integers(0, 3), by_approver=st.booleans())
    def end(self, number: int, by_approver: bool) -> None:
        model = self.chosen(number)
        if model.state in {"ended", "terminated"}:
            with pytest.raises(Refused, match="wrong-state"):
                self.run(self._end(model, by_approver=by_approver))
            return
        self.run(self._end(model, by_approver=by_approver))
        model.state, model.because = ("terminated", "approver") if by_approver else ("ended", "ended")

    async def _end(self, model: Model, *, by_approver: bool) -> None:
        services = self.world.services
        if by_approver:
            await end_access(services, await self.world.visitor(HEAD), model.id)
        else:
            await session_calls.end(services, self.world.caller, model.id, "Done.")

    @precondition(lambda self: self.open and len(self.sessions) > 2)
    @rule()
    def revoke(self) -> None:
        for number in range(len(self.sessions)):
            self.chosen(number)
        self.run(self._revoke())
        self.over = self.clock
        for model in self.sessions:
            if model.state in {"open", "lost"}:
                model.state, model.because = "terminated", "revoked"

    async def _revoke(self) -> None:
        await watch_over(self.world.services)  # what was due before is recorded as that
        await decisions.revoke(self.world.services, await self.world.visitor(HEAD), self.request, "")

    @rule()
    def work(self) -> None:
        for number in range(len(self.sessions)):
            self.chosen(number)
        self.run(watch_over(self.world.services))

    @invariant()
    def states_are_those_of_the_model(self) -> None:
        for number in range(len(self.sessions)):
            model = self.sessions[number]
            view = self.run(session_calls.read(self.world.services, self.world.caller, model.id))
            expected = self.chosen(number)
            if expected.because != "not-recorded":  # that one shows when it is recorded
                assert (view.state, view.ended_because) == (expected.state, expected.because)
            assert view.coverage.covered_s <= view.coverage.open_s

    def teardown(self) -> None:
        try:
            if self.sessions:
                self.run(self._judge())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()

    async def _judge(self) -> None:
        self.clock += timedelta(minutes=MINUTES + 1)
        await watch_over(self.world.services)
        rows = [await session_calls.read(self.world.services, self.world.caller, each.id) for each in self.sessions]
        assert {each.row.state for each in rows} <= {"ended", "terminated"}
        assert await doctor.examine(self.world.services) == []
        report = await self.world.verify(await self.world.bundle())
        assert (report.findings, report.missing, report.exit_code) == ((), (), 0)


Sessions.TestCase.settings = settings(max_examples=times(3, 25), stateful_step_count=25, deadline=None)
test_sessions_are_what_clocks_and_deadlines_make_of_them = pytest.mark.timeout(900)(Sessions.TestCase)
