"""Who is told that findings were opened: approvers of the product and admins, and at the vendor its auditors.

One mail a reader for all that one append opened of a sort. A dispute has mails of its own, and of a day without records
nobody is mailed: it shows on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from app.actions.ledger import Ledger
from app.actions.mail_queue import Place, Readers, enqueue
from app.actions.mails import PRODUCTS
from app.domain.finding import API_STAFF, IMPL_CHANGED, SUPPORT_ACTIVE, UNINTENDED, UNMATCHED
from app.domain.institution import admins, told_first
from app.domain.kinds import VENDOR
from app.notify.settings_facts import ChangeFacts, FindingNotice
from app.storage import roster
from app.storage.findings import FindingRow

MOST = 12
_ABOUT: dict[str, Literal["sign-in", "accounts"]] = {
    UNMATCHED: "sign-in",
    UNINTENDED: "accounts",
    SUPPORT_ACTIVE: "accounts",
    API_STAFF: "accounts",
    IMPL_CHANGED: "accounts",
}


async def tell_findings(book: Ledger, opened: Sequence[tuple[FindingRow, str]]) -> None:
    """Queue the mails of findings that this append opened, each with what it says was found."""
    groups: dict[tuple[Literal["sign-in", "accounts"], str], list[tuple[FindingRow, str]]] = {}
    for row, what in opened:
        if row.kind in _ABOUT and row.environment is not None:
            groups.setdefault((_ABOUT[row.kind], row.environment), []).append((row, what))
    for (about, environment), found in groups.items():
        await _tell(book, about, environment, found)


async def _tell(
    book: Ledger, about: Literal["sign-in", "accounts"], environment: str, found: Sequence[tuple[FindingRow, str]]
) -> None:
    state, known = book.institution, await book.around()
    place, link = state.environments[environment], book.services.page("/accounts")
    told = ChangeFacts("keeper", book.now, book.row.name, book.code, state.locale, state.time_zone, link)
    items = tuple(what for _, what in found[:MOST])
    product, tier = PRODUCTS[place.product], place.tier
    people = {row.person: row for row in known.people if not row.removed}
    readers = dict.fromkeys([*told_first(state, place.product, book.now), *admins(state)])
    keepers = sorted(people[person].email for person in admins(state) if person in people)
    notice = FindingNotice(
        about, told, known.vendor_name, product, "production" if tier == "production" else "sandbox", items, len(found)
    )
    where = Place(found[0][0].id, f"{book.code} {found[0][0].id}", begins=True)
    for person in readers:
        if person in people:
            enqueue(book, notice, Readers((people[person].email,), (person,)), where, keepers)
    await _tell_vendor(book, notice, where)


async def _tell_vendor(book: Ledger, notice: FindingNotice, where: Place) -> None:
    vendor = await roster.people(book.tx, VENDOR)
    link = book.services.page(f"/institutions/{book.code}")
    told = ChangeFacts("vendor_auditor", book.now, book.row.name, book.code, "en", "UTC", link)
    for row in vendor:
        if not row.removed:
            enqueue(book, replace(notice, change=told), Readers((row.email,)), where, [])
