"""Facts → message, pure: what each kind of mail says, in text and HTML.

One link and none that decides, no images, nothing the vendor typed in a subject that approvers read, what silence does,
and at the end the receipt. A row or piece of advice whose fact is null is left out. Words stand in `languages/`, the
look in `templates/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.domain.languages import direction
from app.notify.calendar import calendar
from app.notify.calendar_windows import CALENDARS, published, window_of
from app.notify.change_messages import change_sheet
from app.notify.digest_messages import digest_sheet
from app.notify.facts import (
    ApprovalNeeded,
    Conversation,
    Facts,
    ImplementationNotice,
    Outcome,
    RequestFacts,
    SessionNotice,
    frame,
)
from app.notify.finding_messages import finding_sheet
from app.notify.session_messages import session_sheet
from app.notify.settings_facts import ChangeFacts, ChangeNotice, Digest, FindingNotice, ReviewDue, StandingOffered
from app.notify.settings_messages import offered_sheet, review_sheet
from app.notify.sheets import Sheet, common, roles_of, thread
from app.notify.texts import Phrase, Values, Words, prose

_LINK = re.compile(r"https?://[!-~]+")
_TEMPLATES = Environment(
    loader=PackageLoader("app.notify"),
    autoescape=select_autoescape(("html",)),
    trim_blocks=True,
    undefined=StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Message:
    """A mail's content. `sender` and `list_name` are display names; `calendar` is an iCalendar file or null."""

    kind: str
    subject: str
    sender: str
    list_name: str
    text: str
    html: str
    calendar: bytes | None = None


def render(facts: Facts, receipt: bytes) -> Message:
    """The mail that tells `facts`, with `receipt` (a signed note) as its last block.

    Raises `ValueError` for a link that is not plain http or https, and `KeyError` where the language lacks a text.
    """
    about = frame(facts)
    if not _LINK.fullmatch(about.link):
        raise ValueError("a mail's link is an absolute http or https address")
    words = Words(about.locale, about.time_zone)
    sheet = _sheet(facts, words)
    parts = _parts(about, words, sheet, receipt.decode())
    subject = words.say(sheet.subject, sheet.values)
    if sheet.follows:
        subject = words.say("subject.reply", {"subject": subject})
    return Message(
        facts.kind,
        subject.text,
        words.say("sender.name", sheet.values).text,
        words.say("sender.list", sheet.values).text,
        _TEMPLATES.get_template("mail.txt").render(m=parts),
        _TEMPLATES.get_template("mail.html").render(m=parts),
        sheet.calendar,
    )


def _parts(about: RequestFacts | ChangeFacts, words: Words, sheet: Sheet, receipt: str) -> dict[str, object]:
    values, side = sheet.values, "vendor" if about.reader in {"engineer", "vendor_auditor"} else "institution"

    def pairs(names: tuple[str, ...], first: str, second: str) -> list[tuple[Phrase, Phrase]]:
        told = [name for name in names if words.knows_all(second.format(name), values)]
        return [(words.say(first.format(name), values), words.say(second.format(name), values)) for name in told]

    return {
        "language": words.language,
        "direction": direction(words.language),
        **{
            part: words.say(f"{sheet.section}.{part}", values)
            for part in ("title", "preheader", "heading", "text", "button")
        },
        "rows": [*sheet.listed, *pairs(sheet.rows, "label.{}", "row.{}")],
        "advice": pairs(sheet.advice, "advice.{}.lead", "advice.{}.text"),
        "link": about.link,
        "shown_link": re.sub(r"^https?://", "", about.link),
        "address": words.say("address.lead", {}),
        "brand": words.say("sender.brand", values),
        "sentence": words.say(f"receipt.{side}", {}),
        "receipt": receipt.removesuffix("\n"),
        "foot": words.say(f"foot.{about.reader}", values),
    }


def _sheet(facts: Facts, words: Words) -> Sheet:
    match facts:
        case ApprovalNeeded():
            return _approval_needed(facts, words)
        case Outcome(request=RequestFacts(reader="engineer")):
            return _outcome_vendor(facts, words)
        case Outcome():
            return _outcome(facts, words)
        case Conversation():
            return _conversation(facts, words)
        case ImplementationNotice():
            return _implementation(facts, words)
        case SessionNotice():
            return session_sheet(facts, words)
        case ChangeNotice():
            return change_sheet(facts, words)
        case ReviewDue():
            return review_sheet(facts, words)
        case StandingOffered():
            return offered_sheet(facts, words)
        case FindingNotice():
            return finding_sheet(facts, words)
        case Digest():
            return digest_sheet(facts, words)


def _approval_needed(facts: ApprovalNeeded, words: Words) -> Sheet:
    request = facts.request
    values = common(request, words)

    def later(at: datetime | None) -> str | None:
        return words.moment(at, request.at) if at else None

    counted = {**values, "given": str(facts.given), "required": str(facts.required)}
    partly = words.say("unanswered.partly", counted) if facts.given else None
    values |= {
        "provider_host": facts.provider_host,
        "turn": words.count("turn", facts.told, {"approvals": words.count("approvals", facts.required, {})}),
        "next_reminder_at": later(facts.next_reminder_at),
        "escalates_at": later(facts.escalates_at),
        "unanswered": partly or words.say("unanswered.nobody", values),
        "unanswered_by": partly or words.count("unanswered_by", facts.told, values),
    }
    last = {"request": ("your_turn",), "reminder": ("next_reminder", "escalates"), "escalation": ("doubt",)}[facts.kind]
    advice = ("cannot", "genuine", *last)
    return Sheet(
        facts.kind, ("who", "why", "what", "when"), advice, values, "subject.asked", follows=facts.kind != "request"
    )


_OUTCOME = {
    # result: rows after who and why, advice
    "approved": (("what_given", "when_given", "note"), ("disagree", "calendar")),
    "denied": (("what", "when", "note"), ("closed",)),
    "expired": (("what", "when"), ("closed",)),
    "withdrawn": (("what", "when", "reason"), ("closed",)),
    "revoked": (("what_given", "when_given", "reason"), ("calendar_cancelled", "closed")),
    "completed": (("what_given", "when_given", "report"), ("calendar_changed", "calendar_cancelled", "dispute")),
    "disputed": (("what_given", "when_given", "objection"), ("finding",)),
}
_OUTCOME_VENDOR = {
    "approved": (("by", "roles", "asked", "note", "check"), ("begin", "can_end", "when_done")),
    "denied": (("by", "request", "note"), ("ask_again",)),
    "expired": (("request",), ("ask_again",)),
    "withdrawn": (("request", "reason"), ("ask_again",)),
    "revoked": (("by", "request", "reason"), ("ask_again",)),
    "completed": (("request", "report"), ("ask_again",)),
    "disputed": (("by", "request", "objection"), ("explain",)),
}


def _outcome(facts: Outcome, words: Words) -> Sheet:
    values = _outcome_values(facts, words)
    rows, advice = _OUTCOME[facts.result]
    first = facts.result == "approved" and facts.request.ground != "approval"
    window = window_of(facts, words, values)
    told = None if window is None else "calendar_cancelled" if window.cancelled else CALENDARS[facts.result]
    advice = tuple(name for name in advice if not name.startswith("calendar") or name == told)
    section = f"outcome.{facts.result}"
    event = None if window is None else calendar(window)
    return Sheet(
        section, ("who", "why", *rows), advice, values, thread(facts.request), follows=not first, calendar=event
    )


def _outcome_vendor(facts: Outcome, words: Words) -> Sheet:
    rows, advice = _OUTCOME_VENDOR[facts.result]
    section = f"outcome-vendor.{facts.result}"
    return Sheet(section, rows, advice, _outcome_values(facts, words), f"{section}.subject", follows=False)


def _outcome_values(facts: Outcome, words: Words) -> Values:
    request = facts.request
    values = common(request, words)
    span = words.span(facts.start, facts.end) if facts.start and facts.end else None
    less = _is_less(facts)
    given = (
        {"span": words.span(facts.start, facts.end, offset=True), "asked": values["asked"]}
        if facts.start and facts.end
        else None
    )
    values |= {
        "by": facts.by,
        "words": prose(facts.words) if facts.words.strip() else None,
        "ended_at": words.moment(facts.ended_at, request.at) if facts.ended_at else None,
        "roles": roles_of(facts.roles, words),
        "span": span,
        "span_utc": words.in_utc().span(facts.start, facts.end) if facts.start and facts.end else None,
        "when_given": words.say("window.given", given) if given else values["when"],
        "headline": words.say("headline.less" if less else "headline.full", {}),
    }
    return values | {"story": _story(facts, words, values, less=less)}


def _story(facts: Outcome, words: Words, values: Values, *, less: bool) -> Phrase | None:
    match facts.result:
        case "approved":
            how = "standing" if facts.request.ground == "standing" else "less" if less else "full"
        case "denied" | "revoked":
            how = str(facts.because).replace("-", "_")
        case _:
            return None
    return words.say(f"story.{facts.result}.{how}", values)


def _is_less(facts: Outcome) -> bool:
    """Whether the grant is shorter, or holds fewer roles, than was asked."""
    if facts.start is None or facts.end is None:
        return False
    minutes = (facts.end - facts.start).total_seconds() / 60
    return minutes < facts.request.minutes or set(facts.roles) != set(facts.request.roles)


def _conversation(facts: Conversation, words: Words) -> Sheet:
    request, side = facts.request, facts.message.side
    values = common(request, words)
    for name, remark in (("message", facts.message), ("earlier", facts.earlier)):
        values |= {
            f"{name}_by": remark.by if remark else None,
            f"{name}_at": words.moment(remark.at) if remark else None,
            f"{name}_text": prose(remark.text) if remark else None,
        }
    values["decide_by_utc"] = words.in_utc().moment(request.decide_by)
    state = "pending" if facts.pending else "decided"
    if facts.kind == "question-vendor":
        values["standing"] = words.say(f"standing.vendor_{state}", values)
        section, rows = f"{facts.kind}.institution", ("from", "earlier_answer", "question", "request")
        return Sheet(section, rows, ("how_to_answer",), values, f"{section}.subject", follows=False)
    values["standing"] = words.say(f"standing.{state}", values)
    section = "question.answer" if side == "vendor" and facts.earlier else f"question.{side}"
    shown = ("earlier_asked", "answer") if side == "vendor" else ("from", "question")
    advice = ("not_approval" if facts.pending else "not_decision", "genuine")
    return Sheet(section, shown, advice, values, thread(request))


def _implementation(facts: ImplementationNotice, words: Words) -> Sheet:
    request = facts.request
    values = common(request, words)
    values |= {
        "span": words.span(facts.start, facts.end),
        "ends": words.moment(facts.end, request.at),
        "when": words.span(facts.start, facts.end, offset=True),
    }
    uid, rows = facts.calendar_uid, ("who", "why", "what", "when")
    event = None if uid is None else calendar(published(request, uid, (facts.start, facts.end), words, values))
    advice = ("take_back",) if event is None else ("take_back", "calendar")
    return Sheet("implementation", rows, advice, values, thread(request), follows=False, calendar=event)
