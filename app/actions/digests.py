"""Mails that come thick are grouped: a digest waits a minute for more, then goes out as one mail.

The first few of a kind go at once, each by itself. While so many came within minutes, what follows joins the digest of
its reader, which waits in the outbox. Each notice still has its own `mail.queued`, with the digest's Message-ID; the
digest's receipt covers the last of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.actions.ledger import Ledger
from app.actions.mail_queue import Readers, domain_of
from app.domain.events import SERVICE, Event
from app.domain.ids import new_id
from app.notify import facts as told
from app.notify.mail import message_id
from app.notify.settings_facts import ChangeFacts, Digest, Item
from app.storage import entries, outbox
from app.storage.outbox import OutboxRow
from app.trail import canonical

BURST = 5
"""How many events of a kind within `SPAN` are told each by itself."""

SPAN = timedelta(minutes=10)
HOLD = timedelta(minutes=1)
MOST = 40
ABOUT = "digest"
"""The kind of the mail, and what its row in the outbox is about."""

_LOOK_BACK = 1000  # entries: more of them in ten minutes, and fewer than BURST of the kind, are no burst of it


class Digests:
    """The digests of one institution that wait for more, locked; `add` puts a notice into that of its reader."""

    def __init__(self, book: Ledger, vendor: str, waiting: list[OutboxRow]) -> None:
        self._book = book
        self._vendor = vendor
        self._rows = {(row.payload["to"][0], row.payload["facts"]["change"]["reader"]): row for row in waiting}
        self._waiting = {row.id for row in waiting}

    def add(self, item: Item, frame: ChangeFacts, to: Readers, about: str, reply_to: list[str]) -> None:
        """Gather the event of one notice, and put it into its reader's digest: the one that waits, or a new one."""
        key, book = (to.addresses[0], frame.reader), self._book
        before = self._rows.get(key)
        row = self._new(frame, to, reply_to) if before is None else before
        amended = replace(row, payload=_with(row.payload, item, about, book.next_index))
        digest = canonical.sha(row.payload["message_id"].encode())
        data = {"about": about, "kind": ABOUT, "message_id": digest, "to": sorted(to.people)}
        book.add(Event("mail.queued", book.code, SERVICE, data))
        for kept in (book.deliveries, book.amended):
            kept[:] = [each for each in kept if each.id != row.id]
        (book.amended if row.id in self._waiting else book.deliveries).append(amended)
        self._rows[key] = amended

    def _new(self, frame: ChangeFacts, to: Readers, reply_to: list[str]) -> OutboxRow:
        book = self._book
        outbox_id = new_id("evt", book.now)
        payload = {
            "facts": told.to_data(Digest(frame, self._vendor, (), 0)),
            "index": 0,
            "to": list(to.addresses),
            "people": sorted(to.people),
            "message_id": message_id(outbox_id, domain_of(book)),
            "first": None,
            "reply_to": reply_to,
            "requests": [],
        }
        return OutboxRow(book.code, outbox_id, "mail", ABOUT, payload, book.now, book.now + HOLD)


async def gather(book: Ledger, vendor: str, types: tuple[str, ...]) -> Digests | None:
    """The digests that notices of these events join; null while few come."""
    wanted = entries.LeafFilter(start=max(0, book.head.size - _LOOK_BACK), types=types)
    latest = await entries.find(book.tx, book.code, wanted, BURST, newest=True)
    if len(latest) < BURST or latest[-1].entry.at < book.now - SPAN:
        return None
    return Digests(book, vendor, await outbox.hold_unrendered(book.tx, book.code, ABOUT, book.now))


def _with(payload: Any, item: Item, about: str, index: int) -> dict[str, Any]:
    return {
        **payload,
        "facts": told.with_item(payload["facts"], item, MOST),
        "index": index,
        "requests": [*payload["requests"], about],
    }
