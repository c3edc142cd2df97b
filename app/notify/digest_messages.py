"""Several notices in one mail: a line for each request that a mail of its own would have told of."""

from __future__ import annotations

from app.notify.settings_facts import Digest, Item
from app.notify.sheets import Sheet
from app.notify.texts import Phrase, Words, fact

_ASKING = {"request", "reminder", "escalation"}


def digest_sheet(facts: Digest, words: Words) -> Sheet:
    """The layout of a digest."""
    change, unlisted = facts.change, facts.count - len(facts.items)
    values: dict[str, str | Phrase | None] = {
        "institution": change.institution,
        "code": change.code,
        "vendor": facts.vendor,
        "more": words.count("digest.more", unlisted, {}) if unlisted else None,
    }
    values["counted"] = words.count("digest.counted", facts.count, values)
    asks = any(item.news in _ASKING for item in facts.items)
    values["silence"] = words.say(f"digest.silence.{'asks' if asks else 'tells'}", {})
    listed = tuple((fact(item.number), _news(item, facts.vendor, words)) for item in facts.items)
    advice = ("digest_cannot", "digest_genuine")
    return Sheet("digest", ("more",), advice, values, "subject.digest", follows=False, listed=listed)


def _news(item: Item, vendor: str, words: Words) -> Phrase:
    duration = words.duration(item.minutes)
    span = words.span(item.start, item.end, offset=True) if item.start and item.end else None
    values: dict[str, str | Phrase | None] = {
        "vendor": vendor,
        "case_number": item.case_number,
        "check_code": item.check_code,
        "place": words.say(f"tier.{item.tier}", {"product": item.product}),
        "when": span or words.say("window.asked_open", {"duration": duration}),
        "decide_by": words.moment(item.decide_by, item.at),
    }
    return words.say(f"digest.news.{item.news}", values)
