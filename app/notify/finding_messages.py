"""Findings that were opened, as mails tell of them: the gravest by itself, those of a scan together."""

from __future__ import annotations

from app.notify.settings_facts import FindingNotice
from app.notify.sheets import Sheet
from app.notify.texts import Phrase, Words, prose

_ADVICE = {"sign-in": ("finding_gate", "finding_ask"), "accounts": ("finding_right",)}
_ROWS = ("found", "found_where", "found_state")


def finding_sheet(facts: FindingNotice, words: Words) -> Sheet:
    """The layout of a notice."""
    change, section = facts.change, f"finding.{facts.event.replace('-', '_')}"
    values: dict[str, str | Phrase | None] = {
        "institution": change.institution,
        "code": change.code,
        "vendor": facts.vendor,
        "product": facts.product,
        "items": words.lines([prose(item) for item in facts.items]),
    }
    values["place"] = words.say(f"tier.{facts.tier}", values)
    values["counted"] = words.count(f"{section}.counted", facts.count, values)
    side = "vendor" if change.reader == "vendor_auditor" else "keeper"
    values["state"] = words.say(f"finding.state.{side}", values)
    advice = _ADVICE[facts.event] if side == "keeper" else ("finding_explain",)
    return Sheet(section, _ROWS, advice, values, f"{section}.subject", follows=False)
