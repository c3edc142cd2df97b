"""A request's life, driven at random, against a naive model that counts minutes and people.

The model knows no table, no spans and no zones but the wall clock: it keeps sets of minutes since `NOW`. Every command
is tried on two copies of the request, one that records the clock's events at every tick and one that never does before
it must; both always tell the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.domain import ids
from app.domain.errors import Refusal
from app.domain.events import SERVICE, Actor
from app.domain.policy import DAYS, Blackout, Hours, Policy
from app.domain.request import (
    TERMINAL,
    AccessRequest,
    Permit,
    Terms,
    complete,
    created,
    created_event,
    due,
    judge_ask,
    may_mint,
    reassess,
    revoke,
    status_at,
    withdraw,
)
from tests.counts import times
from tests.domain.worlds import CLIENT, MINUTE, NOW, PERSONAL, SHA, Log, ask, entry, library, per, person

VIENNA = ZoneInfo("Europe/Vienna")
ROLES = ("Cataloger", "Fulfillment Administrator", "Letter Administrator")
PEOPLE = (1, 2, 3, 4)

hours = st.lists(
    st.builds(
        lambda day, a, n: Hours(day, a * 30, min(1440, (a + n) * 30)),
        st.sampled_from(DAYS[1:3]),
        st.integers(10, 40),
        st.integers(1, 24),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
hours = st.just(()) | hours
blackouts = st.lists(
    st.sampled_from(
        [Blackout("2026-11-17T12:00", "2026-11-17T12:30"), Blackout("2026-11-17T14:00", "2026-11-18T08:00")]
    ),
    max_size=1,
).map(tuple)
policies = st.builds(
    Policy,
    approvals_required=st.integers(1, 3),
    second_approval_over_minutes=st.none() | st.integers(30, 300),
    working_hours=hours,
    access_hours=hours,
    blackouts=blackouts,
    max_window_minutes=st.integers(60, 480),
    decide_within_minutes=st.integers(60, 600),
)


seldom = st.integers(0, 4).map(lambda n: n == 4)
"""For what would end most lives early."""


def shown(minute: int) -> tuple[str, int, str]:
    wall = (NOW + minute * MINUTE).astimezone(VIENNA)
    return DAYS[wall.weekday()], wall.hour * 60 + wall.minute, wall.strftime("%Y-%m-%dT%H:%M")


def inside(minute: int, weekly: tuple[Hours, ...]) -> bool:
    day, at, _ = shown(minute)
    return not weekly or any(entry.day == day and entry.start <= at < entry.end for entry in weekly)


def open_minute(minute: int, policy: Policy) -> bool:
    text = shown(minute)[2]
    return inside(minute, policy.access_hours) and not any(b.start <= text < b.end for b in policy.blackouts)


@dataclass
class Model:
    """What should be true, in minutes since `NOW`."""

    policy: Policy
    asked: Terms
    decide_by: int
    given: dict[int, Terms] = field(default_factory=dict)
    roster: set[int] = field(default_factory=lambda: set(PEOPLE))
    end: str | None = None
    window: range | None = None

    def common(self, now: int) -> tuple[list[int], set[str]]:
        every = [self.asked, *self.given.values()]
        starts = [now] + [(t.not_before - NOW) // MINUTE for t in every if t.not_before]
        ends = [(t.not_after - NOW) // MINUTE for t in every if t.not_after]
        first = max(starts)
        minutes = [m for m in range(first, first + min(t.minutes for t in every)) if all(m < end for end in ends)]
        return minutes, set(self.asked.roles).intersection(*(t.roles for t in every))

    def quorum(self, minutes: list[int]) -> int:
        most = self.policy.second_approval_over_minutes
        long = most is not None and len(minutes) > most
        odd = any(not inside(m, self.policy.working_hours) for m in minutes)
        return self.policy.approvals_required + (1 if long or odd else 0)

    def settle(self, now: int) -> None:
        minutes, roles = self.common(now)
        if not minutes or (self.asked.roles and not roles):
            self.end = "denied"
        elif len(self.roster & set(self.given)) >= self.quorum(minutes):
            kept = minutes[: self.policy.max_window_minutes]
            while kept and not open_minute(kept[0], self.policy):
                kept = kept[1:]
            run = [m for i, m in enumerate(kept) if all(open_minute(k, self.policy) for k in kept[: i + 1])]
            self.window = range(run[0], run[-1] + 1) if run else None
            self.end = None if run else "denied"

    def status(self, now: int) -> str:
        if self.end is not None:
            return self.end
        if self.window is None:
            return "expired" if now >= self.decide_by else "pending"
        if now >= self.window.stop:
            return "elapsed"
        return "active" if now in self.window else "approved"


class RequestLife(RuleBasedStateMachine):
    """Commands at random, in any state."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.logs: tuple[Log, ...] = ()

    @precondition(lambda self: not self.logs)
    @rule(
        policy=policies,
        begins=st.none() | st.integers(0, 300),
        minutes=st.integers(15, 480),
        roles=st.sets(st.sampled_from(ROLES)),
    )
    def file(self, policy: Policy, begins: int | None, minutes: int, roles: set[str]) -> None:
        self.state = library(policy, [person(number, "approver", "admin") for number in PEOPLE])
        not_before = None if begins is None else NOW + begins * MINUTE
        wanted = ask(minutes=minutes, not_before=not_before, roles=tuple(sorted(roles)))
        permit = judge_ask(wanted, self.state, NOW)
        asked_minutes = range(begins or 0, (begins or 0) + minutes)
        if not isinstance(permit, Permit):
            closed = not any(open_minute(m, policy) for m in asked_minutes[: policy.max_window_minutes])
            assert permit.problem == ("window-too-long" if minutes > policy.max_window_minutes else "window-closed")
            assert permit.problem == "window-too-long" or closed
            return
        end = 10**9 if begins is None else begins + minutes
        self.model = Model(policy, wanted.terms, min(policy.decide_within_minutes, end))
        made = created_event(ids.encode("req", 1), wanted, permit, "2026-0001", CLIENT, PERSONAL)
        self.logs = tuple(Log(created(entry(made, 10, NOW), SHA)) for _ in range(2))

    @property
    def at(self) -> Any:
        return NOW + self.now * MINUTE

    def tell(self, command: Any) -> bool:
        """Whether the command was carried out, by both copies alike; what is due is recorded first."""
        done = set()
        for log in self.logs:
            log.append(due(log.request, self.at), self.at)
            made = command(log.request)
            done.add(not isinstance(made, Refusal))
            if isinstance(made, list):
                log.append(made, self.at)
        assert len(done) == 1
        return done.pop()

    def running(self) -> bool:
        return self.model.status(self.now) in {"approved", "active"}

    filed = precondition(lambda self: bool(self.logs))

    @filed
    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        self.now += minutes
        eager = self.logs[0]
        eager.append(due(eager.request, self.at), self.at)
        assert due(eager.request, self.at) == []

    @filed
    @rule(
        number=st.sampled_from(PEOPLE),
        minutes=st.integers(1, 500),
        begins=st.none() | st.integers(-10, 300),
        ends=st.none() | st.integers(1, 600),
        drop=st.none() | st.sampled_from(ROLES),
    )
    def narrow(self, number: int, minutes: int, begins: int | None, ends: int | None, drop: str | None) -> None:
        roles = tuple(role for role in self.model.asked.roles if role != drop)
        not_before = None if begins is None else NOW + (self.now + begins) * MINUTE
        not_after = None if ends is None else NOW + (self.now + ends) * MINUTE
        self.approve(number, Terms(not_before, not_after, minutes, roles), as_asked=False)

    @filed
    @rule(number=st.sampled_from(PEOPLE))
    def agree(self, number: int) -> None:
        self.approve(number, self.model.asked, as_asked=True)

    def approve(self, number: int, terms: Terms, *, as_asked: bool) -> None:
        pending = self.model.status(self.now) == "pending" and number in self.model.roster
        told = [log.decide(self.state, number, "approve", terms, now=self.at) for log in self.logs]
        assert len({answer.problem if answer else None for answer in told}) == 1
        if told[0] is not None:
            assert not (pending and as_asked and number not in self.model.given)
            return
        assert pending
        assert number not in self.model.given
        self.model.given[number] = terms
        self.model.settle(self.now)

    @filed
    @rule(number=st.sampled_from(PEOPLE), seldom=seldom)
    def deny(self, number: int, seldom: bool) -> None:
        if not seldom:
            return
        pending = self.model.status(self.now) == "pending" and number in self.model.roster
        told = [log.decide(self.state, number, "deny", now=self.at) for log in self.logs]
        assert [answer is None for answer in told] == [pending, pending]
        if pending:
            self.model.end = "denied"

    @filed
    @rule(seldom=seldom)
    def take_back(self, seldom: bool) -> None:
        if not seldom:
            return
        pending = self.model.status(self.now) == "pending"
        assert self.tell(lambda request: withdraw(request, CLIENT, "", self.at)) == pending
        if pending:
            self.model.end = "withdrawn"

    @filed
    @rule(by_vendor=st.booleans(), seldom=seldom)
    def end(self, by_vendor: bool, seldom: bool) -> None:
        if not seldom:
            return
        running = self.running()
        approver = Actor("person", per(1))
        done = self.tell(
            lambda request: (
                complete(request, CLIENT, "", self.at)
                if by_vendor
                else revoke(request, approver, "approver", "", self.at)
            )
        )
        assert done == running
        if running:
            self.model.end = "completed" if by_vendor else "revoked"

    @filed
    @rule(number=st.sampled_from(PEOPLE))
    def leave(self, number: int) -> None:
        self.model.roster.discard(number)
        left = replace(self.state.people[per(number)], removed=True)
        self.state = replace(self.state, people={**self.state.people, per(number): left})

    @filed
    @rule(policy=policies)
    def change_policy(self, policy: Policy) -> None:
        self.state, self.model.policy = replace(self.state, policy=policy), policy
        gone = [reassess(log.request, self.state, self.at) for log in self.logs]
        assert gone[0] == gone[1]
        if self.running() and self.model.window is not None:
            left = [m for m in self.model.window if m >= self.now]
            kept = len(self.model.window) <= policy.max_window_minutes and all(open_minute(m, policy) for m in left)
            assert kept or gone[0]
        if gone[0]:
            assert self.tell(lambda request: revoke(request, SERVICE, "rules", "", self.at))
            self.model.end = "revoked"

    @invariant()
    def both_copies_tell_what_the_model_tells(self) -> None:
        for log in self.logs:
            assert status_at(log.request, self.at) == self.model.status(self.now)
            assert AccessRequest.from_data(log.request.to_data()) == log.request
        settled = [self.caught_up(log.request, log.index) for log in self.logs]
        assert settled[:1] == settled[1:]

    def caught_up(self, request: AccessRequest, index: int) -> AccessRequest:
        """The request once the clock's events are recorded; when that happens is all that may differ."""
        log = Log(request)
        log.append(due(request, self.at), self.at)
        return replace(log.request, updated_at=NOW)

    @invariant()
    def a_grant_is_what_the_votes_and_the_policy_gave(self) -> None:
        for log in self.logs:
            grant, window = log.request.grant, self.model.window
            assert (grant is None) == (window is None)
            if grant is None or window is None:
                continue
            assert (grant.not_before, grant.not_after) == (NOW + window.start * MINUTE, NOW + window.stop * MINUTE)
            assert set(grant.roles) == self.model.common(0)[1]
            assert len(grant.decisions) == len(self.model.given)
            assert all(
                terms.not_before is None or terms.not_before <= grant.not_before for terms in self.model.given.values()
            )

    @invariant()
    def tokens_are_minted_inside_a_running_grant_alone(self) -> None:
        for log in self.logs:
            minted = not isinstance(may_mint(log.request, self.at), Refusal)
            assert minted == (self.model.status(self.now) == "active")

    @invariant()
    def there_is_one_terminal_state_and_nothing_after_it(self) -> None:
        for log in self.logs:
            ends = [made for made in log.entries if made.type.removeprefix("request.") in set(TERMINAL)]
            assert len(ends) == (log.request.status in TERMINAL)
            assert not ends or log.entries[-1] is ends[0]


RequestLife.TestCase.settings = settings(max_examples=times(60, 200), stateful_step_count=25, deadline=None)
TestRequestLife = RequestLife.TestCase
