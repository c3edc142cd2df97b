"""Sessions opened and over, as mails tell of them."""

from __future__ import annotations

from app.notify.facts import SessionNotice
from app.notify.sheets import Sheet, common, thread
from app.notify.texts import Phrase, Words, prose


def session_sheet(facts: SessionNotice, words: Words) -> Sheet:
    """The layout of a notice."""
    request, ended_at = facts.request, facts.ended_at
    values = common(request, words)
    values |= {
        "opened_at": words.moment(facts.opened_at),
        "until": words.short(facts.until, request.at) if facts.until else None,
        "proof": words.say("session.proof.gate" if facts.supplied_by is None else "session.proof.gateway", values),
        "words": prose(facts.words) if facts.words.strip() else None,
        "lasted": words.duration(max(1, facts.open_s // 60)),
    }
    if ended_at is None:
        opened = ("session_who", "why", "what")
        return Sheet("session.opened", opened, ("session_wrong",), values, thread(request))
    values |= {
        "session_span": words.span(facts.opened_at, ended_at),
        "ended_at": words.short(ended_at, request.at),
        "done": words.count("session.done", facts.events, values),
        "recorded": _recorded(facts, words),
    }
    values["rest"] = words.say("session.rest.over" if facts.until is None else "session.rest.open", values)
    values["story"] = words.say(f"session.story.{str(facts.because).replace('-', '_')}", values)
    rows = ("session_who", "session_when", "did", "report", "recorded")
    return Sheet("session.ended", rows, ("session_wrong",), values, thread(request))


def _recorded(facts: SessionNotice, words: Words) -> Phrase:
    percent = 100 if not facts.open_s else 100 * facts.covered_s // facts.open_s
    gaps = words.count("session.gaps", facts.gaps, {}) if facts.gaps else words.say("session.no_gaps", {})
    by = facts.supplied_by
    supplier = words.say("session.by_gate", {}) if by is None else words.say("session.by_gateway", {"by": by})
    return words.say("session.recorded", {"percent": str(percent), "supplier": supplier, "gaps": gaps})
