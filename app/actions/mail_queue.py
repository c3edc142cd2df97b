"""One mail put into the outbox: its facts, and the event that says so, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.actions.ledger import Ledger
from app.domain.events import SERVICE, Event
from app.domain.ids import new_id
from app.notify import facts as told
from app.notify.facts import Facts
from app.notify.mail import message_id
from app.storage.outbox import OutboxRow
from app.trail import canonical


@dataclass(frozen=True, slots=True)
class Readers:
    """Who gets one mail: addresses, and the `per_…` of those who are people of the roster."""

    addresses: tuple[str, ...]
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """What a mail is about (an id, or null), by what its thread is known, and whether it begins that."""

    about: str | None
    thread: str
    begins: bool


def enqueue(book: Ledger, facts: Facts, to: Readers, place: Place, reply_to: Sequence[str]) -> None:
    """Gather the event of one mail, and put its facts into the outbox."""
    outbox_id = new_id("evt", book.now)
    thread = canonical.sha(f"{place.thread} {','.join(to.addresses)}".encode()).removeprefix("sha256:")[:32]
    first = message_id(thread, domain_of(book))
    identifier = first if place.begins else message_id(outbox_id, domain_of(book))
    people, digest = sorted(to.people), canonical.sha(identifier.encode())
    data = {"about": place.about, "kind": facts.kind, "message_id": digest, "to": people}
    payload = {
        "facts": told.to_data(facts),
        "index": book.next_index,
        "to": list(to.addresses),
        "people": people,
        "message_id": identifier,
        "first": None if place.begins else first,
        "reply_to": list(reply_to),
    }
    book.add(Event("mail.queued", book.code, SERVICE, data))
    book.deliveries.append(OutboxRow(book.code, outbox_id, "mail", place.about, payload, book.now, book.now))


def domain_of(book: Ledger) -> str:
    """The domain of mails' addresses and ids."""
    return book.services.mail_from.rpartition("@")[2]
