"""The quarterly review of people: when it is due, and who is reminded of it how often."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.actions.ledger import write
from app.actions.services import Services
from app.actions.settings_mails import tell_review_due
from app.domain.errors import Unavailable
from app.domain.times import stamp
from app.storage import entries, institutions, replays, seals
from app.storage.database import Transaction
from app.storage.replays import ReplayRow

REVIEW_EVERY = timedelta(days=91)
AGAIN = timedelta(days=30)
SCOPE = "review-due"
TYPES = ("institution.enrolled", "roster.reviewed")


async def last_review(tx: Transaction, code: str) -> datetime | None:
    """When an admin last went through the list, or confirmed it with the enrolment; null before that."""
    newest = await seals.newest(tx, code, TYPES)
    found = [] if newest is None else await entries.read_leaves(tx, code, newest, newest + 1)
    return found[0].entry.at if found else None


async def remind(services: Services) -> int:
    """Mail the admins of each institution whose review is due, and again every 30 days; how many institutions.

    Raises `Unavailable`; where one log is in doubt, after the others had their turn.
    """
    async with services.database.read() as tx:
        now = await tx.now()
        since = {code: await last_review(tx, code) for code in await institutions.codes(tx)}
    due = sorted(code for code, last in since.items() if last is not None and now - last >= REVIEW_EVERY)
    reminded, doubts = 0, []
    for code in due:
        try:
            reminded += await _remind(services, code)
        except Unavailable as doubt:
            doubts.append(doubt)
    if doubts:
        raise doubts[0]
    return reminded


async def _remind(services: Services, code: str) -> bool:
    """Under the lock of the log; once in each 30 days, whoever asks."""
    async with write(services, code) as book:
        last = await last_review(book.tx, code)
        if last is None or book.now - last < REVIEW_EVERY:
            return False
        again_at = last + REVIEW_EVERY + AGAIN * ((book.now - last - REVIEW_EVERY) // AGAIN + 1)
        told = ReplayRow(SCOPE, f"{code} {stamp(last)} {stamp(again_at)}", again_at + AGAIN)
        if not await replays.once(book.tx, told):
            return False
        await tell_review_due(book, last, again_at)
        await book.append()
    return True
