"""The answer form: what an approver chose, as terms; every wrong field is named, with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.errors import FieldError, Refusal
from app.domain.request import AccessRequest, Terms
from app.domain.terms import widened
from app.domain.times import parse_wire

MAX_WORDS = 4000
_MINUTE = timedelta(minutes=1)
_FIELDS = {"/terms/not_before": "/from", "/terms/not_after": "/to", "/terms/minutes": "/to", "/terms/roles": "/role"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The form as it was posted: `decision` approve, deny or ask; `window` full or own, with `from_` and `to`."""

    decision: str = ""
    window: str = ""
    from_: str = ""
    to: str = ""
    roles: tuple[str, ...] = ()
    note: str = ""
    why: str = ""
    q: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A form that says something: `verdict` approve (with terms), deny or ask; `words` the note, reason or question."""

    verdict: str
    terms: Terms | None
    words: str


def read_answer(answer: Answer, request: AccessRequest, now: datetime) -> Chosen | Refusal:
    """What the form says of this request at `now`; or every field that is wrong (`/decision`, `/from`, …)."""
    words = {"approve": ("/note", answer.note), "deny": ("/why", answer.why), "ask": ("/q", answer.q)}
    if answer.decision not in words:
        return _wrong(("/decision", "Choose whether to approve, to deny or to ask."))
    pointer, text = words[answer.decision]
    text = text.replace("\r\n", "\n").strip()
    errors = list(_words(pointer, text, needed=answer.decision == "ask"))
    terms: Terms | None = None
    if answer.decision == "approve":
        read = _terms(answer, request, now)
        if isinstance(read, Terms):
            terms = read
            errors += [
                (_FIELDS[each.pointer], f"It has to be {each.detail}.") for each in widened(request.asked, read, now)
            ]
        else:
            errors += read
    return _wrong(*errors) if errors else Chosen(answer.decision, terms, text)


def _words(pointer: str, text: str, *, needed: bool) -> list[tuple[str, str]]:
    if needed and not text:
        return [(pointer, "Write your question.")]
    if len(text) > MAX_WORDS:
        return [(pointer, f"At most {MAX_WORDS} characters; shorten it.")]
    if any(not (char.isprintable() or char in "\n\t") and ord(char) < 0xA0 for char in text):
        return [(pointer, "Leave out control characters.")]
    return []


def _terms(answer: Answer, request: AccessRequest, now: datetime) -> Terms | list[tuple[str, str]]:
    asked = request.asked
    roles = tuple(sorted(set(answer.roles)))
    if asked.roles and not roles:
        return [("/role", "Choose at least one role, or deny the request.")]
    if answer.window == "full":
        return Terms(asked.not_before, asked.not_after, asked.minutes, roles)
    if answer.window != "own":
        return [("/window", "Choose how long they may have access.")]
    begins, ends = _instant(answer.from_), _instant(answer.to)
    wrong = [(name, "Choose one of the times.") for name, at in (("/from", begins), ("/to", ends)) if at is None]
    if begins is None or ends is None:
        return wrong
    if ends <= max(begins, now):
        return [("/to", "Choose an end after the beginning, and not past.")]
    return Terms(begins, ends, min(asked.minutes, max(1, (ends - begins) // _MINUTE)), roles)


def _instant(text: str) -> datetime | None:
    try:
        return parse_wire(text)
    except ValueError:
        return None


def _wrong(*errors: tuple[str, str]) -> Refusal:
    return Refusal("validation", errors[0][1], tuple(FieldError(pointer, detail) for pointer, detail in errors))
