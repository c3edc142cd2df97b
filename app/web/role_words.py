"""The role catalogue in words."""

from __future__ import annotations

from collections.abc import Iterable

from babel.lists import format_list

from app.domain.role_catalogue import Changes, Effect, Sees
from app.web.language import _, locale


def seen(things: Iterable[Sees]) -> str:
    """`patrons’ names and addresses and what they borrow`."""
    words = {
        Sees.PATRONS: _("patrons’ names and addresses"),
        Sees.LOANS: _("what they borrow and request"),
        Sees.FINES: _("their fines and fees"),
        Sees.STAFF: _("accounts and roles of staff"),
        Sees.PURCHASES: _("orders, invoices and funds"),
        Sees.REPORTS: _("reports"),
    }
    return format_list([words[each] for each in things], locale=locale())


def changed(things: Iterable[Changes]) -> str:
    """`loan rules and notice jobs and templates of letters`."""
    words = {
        Changes.LOANS: _("loans and requests"),
        Changes.LOAN_RULES: _("loan rules and notice jobs"),
        Changes.PATRONS: _("records of patrons"),
        Changes.ROLES: _("roles of users"),
        Changes.LETTERS: _("templates of letters and emails"),
        Changes.RECORDS: _("catalogue records"),
        Changes.RECORD_RULES: _("rules for catalogue records"),
        Changes.HOLDINGS: _("holdings, items and electronic resources"),
        Changes.PURCHASES: _("orders and invoices"),
        Changes.PURCHASE_RULES: _("rules for orders and invoices"),
        Changes.DISCOVERY: _("search and display for the public"),
        Changes.SYSTEM: _("general settings"),
        Changes.REPORTS: _("reports"),
    }
    return format_list([words[each] for each in things], locale=locale())


def effect_words(effect: Effect | None) -> str:
    """What one role does, in sentences."""
    if effect is None:
        return _("Unknown effect.")
    parts = []
    if effect.sees:
        parts.append(_("Sees: %(things)s.", things=seen(effect.sees)))
    if effect.changes:
        parts.append(_("Changes: %(things)s.", things=changed(effect.changes)))
    return " ".join(parts)
