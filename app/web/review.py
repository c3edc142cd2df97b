"""What the page of a request shows to one visitor: view models, pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.actions.answers import Answer
from app.actions.drafting import DraftView
from app.actions.signin import Visitor
from app.actions.views import DecisionView, RequestView
from app.domain.environment import Environment
from app.domain.errors import FieldError
from app.domain.request import Status, Terms
from app.domain.request.judge import needed
from app.domain.terms import intersect
from app.domain.times import wire
from app.domain.window import Span, cut, outside_working_hours
from app.web.language import of_others
from app.web.times import Times
from app.web.words import PRODUCTS, place_of

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_GIVEN = {Status.APPROVED, Status.ACTIVE}
# Of a span up to so long, choices stand so many minutes apart.
_STEPS = ((_DAY / 24, 5), (_DAY / 6, 15), (2 * _DAY, 30), (4 * _DAY, 60), (16 * _DAY, 240))
_LONG_STEP = 1440
_ANCHORS = {
    "/window": "w-full",
    "/from": "from",
    "/to": "to",
    "/role": "r1",
    "/note": "note",
    "/why": "why",
    "/q": "q",
    "/terms/not_before": "from",
    "/terms/not_after": "to",
    "/terms/minutes": "to",
    "/terms/roles": "r1",
}


@dataclass(frozen=True, slots=True)
class Message:
    """An error of the form: the id of the field it leads to, and what to do."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The selects of a shorter time: `(value, label)`, with what is chosen at first."""

    starts: tuple[tuple[str, str], ...]
    ends: tuple[tuple[str, str], ...]
    start: str
    end: str
    span: Span


@dataclass(frozen=True, slots=True)
class Standing:
    """A request as it stands for one visitor.

    `asked`: the asked window where its start is fixed. `full`: the window if it were approved as asked now, `cut_to`
    what the policy leaves of it; `more`: how many approvals are missing beside this visitor's own. `mine`: their latest
    vote.
    """

    view: RequestView
    times: Times
    place: str
    product: str
    live: bool
    asked: Span | None
    full: Span | None
    cut_to: Span | None
    outside_hours: bool
    more: int
    mine: DecisionView | None
    last: DecisionView | None
    may_answer: bool
    may_approve: bool
    may_end: bool
    may_ask: bool
    may_dispute: bool
    question_waits: bool

    @property
    def environment(self) -> Environment:
        """Where access is asked."""
        return self.view.institution.environments[self.view.request.environment]

    @property
    def granted(self) -> Span | None:
        """The grant's window."""
        return None if self.view.request.grant is None else self.view.request.grant.window

    @property
    def first(self) -> str:
        """The id of the form's first choice."""
        return "approve" if self.may_approve else "deny"

    @property
    def pending(self) -> bool:
        """Whether it waits for an answer."""
        return self.view.status is Status.PENDING


def standing(view: RequestView, visitor: Visitor) -> Standing:
    """How a request stands for the visitor."""
    state, request = view.institution, view.request
    environment = state.environments[request.environment]
    mine = [each for each in view.decisions if each.person == visitor.person]
    own = visitor.email.lower() == (view.asked.get("engineer_email") or "").lower()
    eligible = any(each.id == visitor.person and each.can_answer for each in view.people)
    pending = view.status is Status.PENDING
    full = _window(view, ()) if pending else None
    return Standing(
        view=view,
        times=Times(state.zone, view.now),
        place=place_of(environment.product, environment.tier),
        product=PRODUCTS[environment.product],
        live=environment.tier == "production",
        asked=span_of(request.asked),
        full=full,
        cut_to=None if full is None else cut(full, state.policy, state.zone, implementation=False),
        outside_hours=full is not None and outside_working_hours(full, state.policy, state.zone),
        more=_more(view, full),
        mine=mine[-1] if mine else None,
        last=view.decisions[-1] if view.decisions else None,
        may_answer=eligible and pending and not own,
        may_approve=not mine,
        may_end=eligible and view.status in _GIVEN,
        may_ask=eligible and (pending or view.status in _GIVEN),
        may_dispute=eligible and view.status is Status.COMPLETED and view.dispute is None,
        question_waits=bool(view.messages) and view.messages[-1].side == "institution",
    )


def span_of(terms: Terms) -> Span | None:
    """The window of terms that fix both ends."""
    return None if terms.not_before is None or terms.not_after is None else Span(terms.not_before, terms.not_after)


def choices(view: RequestView, answer: Answer) -> Choices:
    """The times that may be chosen, a day further than asked where the start is open."""
    asked, now = view.request.asked, view.now.replace(second=0, microsecond=0)
    span = span_of(asked) or Span(now, now + timedelta(minutes=asked.minutes) + _DAY)
    span = Span(max(span.start, now), span.end)
    times = Times(view.institution.zone, view.now)
    slots = [(wire(at), times.slot(at, span)) for at in _slots(span, times)]
    until = wire(span.start + timedelta(minutes=asked.minutes))
    starts, ends = tuple(slots[:-1]), tuple(slots[1:])
    return Choices(
        starts=starts,
        ends=ends,
        start=_among(answer.from_, starts) or starts[0][0],
        end=_among(answer.to, ends) or next((value for value, _ in ends if value >= until), ends[-1][0]),
        span=span,
    )


def messages(errors: Iterable[FieldError], first: str) -> tuple[Message, ...]:
    """The errors of a form, each leading to its field; what is of none leads to the `first`."""
    return tuple(Message(_ANCHORS.get(each.pointer, first), of_others(each.detail)) for each in errors)


def as_answer(draft: DraftView) -> Answer:
    """A draft's answer as its form would hold it."""
    terms = draft.terms
    if terms is None:
        return Answer("deny", why=draft.comment)
    asked = draft.request.request.asked
    full = (terms.not_before, terms.not_after, terms.minutes) == (asked.not_before, asked.not_after, asked.minutes)
    return Answer(
        "approve",
        "full" if full else "own",
        "" if terms.not_before is None else wire(terms.not_before),
        "" if terms.not_after is None else wire(terms.not_after),
        terms.roles,
        note=draft.comment,
    )


@dataclass(frozen=True, slots=True)
class Check:
    """A draft on its check page: what is given against what was asked. `more`: approvals missing beside this one."""

    draft: DraftView
    standing: Standing
    given: Span | None
    shorter: bool
    fewer_roles: bool
    cut_to: Span | None
    more: int


def check(draft: DraftView, visitor: Visitor) -> Check:
    """The check page of a draft."""
    view, terms = draft.request, draft.terms
    asked, state = view.request.asked, view.institution
    window = None if terms is None else _window(view, (terms,))
    left = None if window is None else cut(window, state.policy, state.zone, implementation=False)
    return Check(
        draft=draft,
        standing=standing(view, visitor),
        given=None if terms is None else span_of(terms),
        shorter=terms is not None
        and (terms.not_before, terms.not_after, terms.minutes) != (asked.not_before, asked.not_after, asked.minutes),
        fewer_roles=terms is not None and terms.roles != asked.roles,
        cut_to=None if left == window else left,
        more=_more(view, window),
    )


def _window(view: RequestView, terms: tuple[Terms, ...]) -> Span | None:
    """The window before policy cuts, if these terms were the last approval's, given now."""
    earlier = [vote.terms for vote in view.request.approving if vote.terms is not None]
    found = intersect(view.request.asked, [*earlier, *terms], view.now)
    return None if found is None else found[0]


def _more(view: RequestView, window: Span | None) -> int:
    if window is None:
        return 0
    return max(0, needed(view.institution.policy, window, view.institution) - view.given - 1)


def _slots(span: Span, times: Times) -> list[datetime]:
    """The span's ends, and between them whole steps of the zone's wall clock."""
    step = next((minutes for most, minutes in _STEPS if span.length <= most), _LONG_STEP) * _MINUTE
    local = span.start.astimezone(times.zone)
    into = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    at = span.start + step - into % step
    slots = [span.start]
    while at < span.end:
        slots.append(at)
        at += step
    return [*slots, span.end]


def _among(value: str, options: tuple[tuple[str, str], ...]) -> str | None:
    return value if any(value == known for known, _ in options) else None
