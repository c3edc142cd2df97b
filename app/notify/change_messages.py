"""Changes of an institution's settings, as mails tell of them. The link leads to the change; no mail answers one."""

from __future__ import annotations

from app.notify.settings_facts import ChangeNotice, Turn
from app.notify.sheets import Sheet
from app.notify.texts import Phrase, Words, fact, prose

_ADVICE = {
    "proposed": ("change_cannot", "change_doubt"),
    "applied": ("change_unexpected",),
    "rejected": ("change_again",),
    "lapsed": ("change_again",),
}
_ROWS = ("change", "points", "by", "reason")


def change_sheet(facts: ChangeNotice, words: Words) -> Sheet:
    """The layout of a notice."""
    change, many = facts.change, len(facts.titles)
    values: dict[str, str | Phrase | None] = {
        "institution": change.institution,
        "code": change.code,
        "by": facts.by,
        "words": prose(facts.words) if facts.words.strip() else None,
        "titles": words.lines([fact(title) for title in facts.titles]) if facts.titles else None,
        "points": words.lines([_turn(turn, words) for turn in facts.turns]) if facts.turns else None,
        "lapses_at": words.moment(facts.lapses_at, change.at) if facts.lapses_at else None,
    }
    values["counted"] = words.count(f"change.counted.{facts.event}", many, {})
    values["needs"] = words.say(f"change.needs.{'countersignature' if facts.loosens else 'answer'}", {})
    section = f"change.{facts.event if change.reader == 'admin' else change.reader}"
    advice = _ADVICE[facts.event] if change.reader == "admin" else ("change_ask",)
    return Sheet(section, _ROWS, advice, values, "subject.change", follows=facts.follows)


def _turn(turn: Turn, words: Words) -> Phrase:
    return words.say("change.turn", {"label": turn.label, "now": turn.now, "after": turn.after})
