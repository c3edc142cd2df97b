"""What every kind of mail is laid out by: its sheet, and the facts that each may name."""

from __future__ import annotations

from dataclasses import dataclass, fields

from app.notify.facts import RequestFacts
from app.notify.texts import Phrase, Values, Words


@dataclass(frozen=True, slots=True)
class Sheet:
    """One kind's layout: the section of the language table, its rows, its advice, and the facts they name.

    `listed` are rows before those, each with a label of its own.
    """

    section: str
    rows: tuple[str, ...]
    advice: tuple[str, ...]
    values: Values
    subject: str
    follows: bool = True
    calendar: bytes | None = None
    listed: tuple[tuple[Phrase, Phrase], ...] = ()


def common(request: RequestFacts, words: Words) -> dict[str, str | Phrase | None]:
    """The facts that every mail may name: the request's own strings, and phrases made of them."""
    own = {field.name: getattr(request, field.name) for field in fields(request)}
    strings: dict[str, str | Phrase | None] = {name: value for name, value in own.items() if isinstance(value, str)}
    duration = words.duration(request.minutes)
    window = words.span(request.start, request.end, offset=True) if request.start and request.end else None
    return {
        **strings,
        "duration": duration,
        "place": words.say(f"tier.{request.tier}", strings),
        "your": words.say(f"your.{request.tier}", strings),
        "asked_roles": roles_of(request.roles, words),
        "asked": window or words.say("window.asked_open", {"duration": duration}),
        "when": words.say(_window_text(request), {"span": window, "duration": duration}),
        "asked_at": words.moment(request.asked_at),
        "decide_by": words.moment(request.decide_by, request.at),
        "decide_by_short": words.short(request.decide_by, request.asked_at),
    }


def _window_text(request: RequestFacts) -> str:
    if request.start is None:
        return "window.open"
    return "window.begun" if request.start <= request.at else "window.fixed"


def roles_of(roles: tuple[str, ...], words: Words) -> Phrase:
    """The roles, or how many they are."""
    if not roles:
        return words.say("roles.all", {})
    return (
        words.say("roles.listed", {"roles": words.join(roles)})
        if len(roles) <= 3
        else words.count("roles.many", len(roles), {})
    )


def thread(request: RequestFacts) -> str:
    """The subject of the request's thread."""
    return "subject.asked" if request.ground == "approval" else "subject.given"
