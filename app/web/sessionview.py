"""What the page of a session shows to one visitor: view models, pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.actions.signin import Visitor
from app.actions.watching import Happening, SessionPage
from app.domain.languages import msg
from app.domain.session import State
from app.domain.window import Span, subtract
from app.web.language import _, in_context
from app.web.review import Standing, standing

WIDTH = 640
_LEAST = 3.0
ROWS = 200
_READS = {"GET", "HEAD", "OPTIONS"}
_METHODS = {*_READS, "POST", "PUT", "PATCH", "DELETE"}
REPLAYED = ("application/x-asciicast", "application/vnd.countersign.rrweb+json")
"""The content types of parts that our own page can play."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of the figure, in its units; `kind` is `rec`, `gap` or `away`."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """The same as a row of the table."""

    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Line:
    """A line of what happened. `icon`, `tone`: how it looks; `masked`: the request as the gate wrote it down; `detail`:
    what the reporter added, as text.
    """

    happening: Happening
    icon: str
    tone: str
    title: str
    masked: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class SessionShown:
    """A session as its page shows it. `percent` of its open time is recorded; `until` is its end, or now; `plays` are
    the parts that our own page can play.
    """

    page: SessionPage
    r: Standing
    title: str
    tag: str
    tone: str
    until: datetime
    percent: int
    stretches: tuple[Stretch, ...]
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    plays: frozenset[int]

    @property
    def gate(self) -> bool:
        """Whether the gate opened it, which saw the engineer sign in."""
        return self.page.session.row.client is None


def session_shown(page: SessionPage, visitor: Visitor) -> SessionShown:
    """How a session looks to the visitor."""
    seen = page.session
    until = seen.now if seen.ended_at is None or seen.state is State.LOST else seen.ended_at
    stretches = tuple(_stretches(page, until))
    tag, tone = _tag(page, visitor)
    r = standing(page.request, visitor)
    return SessionShown(
        page=page,
        r=r,
        title=_title(page, r),
        tag=tag,
        tone=tone,
        until=until,
        percent=100 * seen.coverage.covered_s // seen.coverage.open_s if seen.coverage.open_s else 100,
        stretches=stretches[:ROWS],
        bars=tuple(_bars(stretches, Span(seen.row.opened_at, until))) if stretches else (),
        lines=tuple(map(_line, page.happenings)),
        plays=frozenset(each.n for each in page.parts if not each.erased and _plays(each.content_type)),
    )


def _plays(content_type: str) -> bool:
    """Whether our own page can play a part of this type."""
    return content_type.partition(";")[0].strip().lower() in REPLAYED


def _title(page: SessionPage, r: Standing) -> str:
    if page.session.state is State.OPEN:
        return _("%(vendor)s is signed in to your %(product)s", vendor=page.request.vendor_name, product=r.product)
    if page.session.state is State.LOST:
        return _("%(vendor)s is silent in your %(product)s", vendor=page.request.vendor_name, product=r.product)
    return _("Session in %(place)s", place=r.place)


def _tag(page: SessionPage, visitor: Visitor) -> tuple[str, str]:
    """What the page says first of how the session stands, and its tone."""
    seen, ending = page.session, page.ending
    if seen.state is State.OPEN:
        return _("In use now"), "live"
    if seen.state is State.LOST:
        return _("Silent, may go on"), "wait"
    if ending is not None and ending.because == "approver" and ending.by is not None:
        return (_("Ended by you") if ending.person == visitor.person else _("Ended by %(name)s", name=ending.by)), ""
    return _(_ENDED.get(seen.ended_because or "", msg("Over"))), "no" if seen.ended_because == "not-recorded" else ""


_ENDED = {
    "ended": msg("Ended by the engineer’s side"),
    "grant-over": msg("Ended with its window"),
    "revoked": msg("Ended, access was taken back"),
    "completed": msg("Ended, the work is completed"),
    "not-recorded": msg("Ended, it was not recorded"),
}


def _stretches(page: SessionPage, until: datetime) -> Iterator[Stretch]:
    """The whole time in order, each instant once."""
    opened_at = page.session.row.opened_at
    if until <= opened_at:
        return
    gaps = [span for span in page.session.coverage.gaps if span.start < until]
    found = [Stretch("gap", each) for each in gaps] + [Stretch("away", each) for each in page.away]
    found += [Stretch("rec", each) for each in subtract(Span(opened_at, until), [*gaps, *page.away])]
    yield from sorted(found, key=lambda each: each.span.start)


def _bars(stretches: tuple[Stretch, ...], whole: Span) -> Iterator[Bar]:
    for each in stretches:
        x = WIDTH * ((each.span.start - whole.start) / whole.length)
        width = WIDTH * (each.span.length / whole.length)
        # What is not recorded is never too narrow to be seen.
        yield Bar(each.kind, round(x, 1), round(width if each.kind == "rec" else max(width, _LEAST), 1))


_LIVES = {
    "opened": ("check", "k", msg("Session opened")),
    "lost": ("clock", "w", msg("Silent since then")),
    "resumed": ("clock", "", msg("The silence ended")),
    "ended": ("stop", "", msg("Session ended")),
    "terminated": ("stop", "w", msg("Session ended")),
}
_BECAUSE = {
    "approver": msg("Session ended by an approver"),
    "grant-over": msg("Session ended with its window"),
    "revoked": msg("Session ended, because access was taken back"),
    "completed": msg("Session ended, because the work is completed"),
    "not-recorded": msg("Session ended, because it was not recorded"),
}


def _line(each: Happening) -> Line:
    if each.what != "activity":
        icon, tone, title = _LIVES[each.what]
        return Line(each, icon, tone, _(_BECAUSE.get(each.because or "", title)), None, None)
    method = each.words.partition(" ")[0]
    if each.kind == "request" and method in _METHODS:
        reads = method in _READS
        return Line(
            each,
            "eye" if reads else "doc",
            "" if reads else "w",
            in_context("a page", "Opened") if reads else in_context("a form", "Sent"),
            each.words,
            None,
        )
    return Line(each, "eye", "", each.words or _("No words"), None, _text(each.detail))


def _text(detail: str | None) -> str | None:
    """The detail as people read it, a text without its quotes."""
    if detail is None:
        return None
    value = json.loads(detail)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
