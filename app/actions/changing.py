"""What changes an institution, in one append: the entry, the rows that go with it, and the access that ends by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from app.actions import endings, place_secrets
from app.actions.change_mails import stand, tell_applied
from app.actions.held import changed_row
from app.actions.judging import judge, loosening_of
from app.actions.ledger import Ledger, unwrap
from app.actions.registrations import with_secrets
from app.actions.views import private_fields
from app.domain.errors import IllegalTransition, Refusal, Refused
from app.domain.events import Entry, Event
from app.domain.institution import Provider, evolve
from app.domain.languages import msg, told
from app.domain.proposal import Wanted
from app.domain.request import AccessRequest, Status
from app.storage import entries, institutions, requests, roster, web_sessions
from app.storage.entries import LeafFilter
from app.storage.roster import RosterRow

Secrets = Mapping[str, str]
_EVERY = 2**31 - 1
# After these running grants are judged anew (the verifier asks for it): people who leave take nothing back.
_RECONSIDERED = frozenset({"policy.set", "environment.set", "institution.changed", "identity_provider.set"})


async def carry_out(book: Ledger, wanted: Wanted, event: Event, secrets: Secrets) -> None:
    """Append `event`, which records what was wanted, if the rules allow it now; with it everything that follows, and
    then the mails that tell of it.

    Raises `Refused`: whatever `judge` says, change-outdated where the rules refuse the entry.
    """
    unwrap(await judge(book.tx, book.institution, book.now, wanted))
    entry = Entry(book.next_index, "", book.now, book.code, event.type, event.subject, event.actor, event.data, None)
    try:
        evolve(book.institution, entry)
    except IllegalTransition as illegal:
        detail = told("The rules do not allow this any more (%(illegal)s). Nothing was changed.", illegal=illegal)
        raise Refused(Refusal("change-outdated", detail)) from illegal
    before = await stand(book)
    follow = _ROWS.get(event.type)
    if follow is not None:
        await follow(book, event, secrets)
    if event.type in _RECONSIDERED:
        await endings.change(book, event)
    else:
        book.add(event)
        await book.append()
    await institutions.save(book.tx, book.row)
    if event.type == "policy.set":
        await _judge_pending_anew(book)
    await tell_applied(book, wanted, event, before)
    await book.append()


def loosening(book: Ledger, event: Event) -> bool:
    """Whether the event makes anything easier than it is now, so that it has to be countersigned."""
    return loosening_of(book.institution, book.row, event)


async def _judge_pending_anew(book: Ledger) -> None:
    """Requests that wait show what the policy asks now, and are reminded of when it says."""
    for row in await requests.unfinished(book.tx, book.code):
        if row.status == Status.PENDING:
            await requests.save(book.tx, changed_row(row, AccessRequest.from_data(row.state), book))


async def _institution(book: Ledger, event: Event, _: Secrets) -> None:
    private = event.private or {}
    notify = tuple((private["notify"] or "").split("\n")) if private["notify"] else ()
    book.row = replace(book.row, name=private["name"] or "", notify=notify)


async def _provider(book: Ledger, event: Event, secrets: Secrets) -> None:
    """The registrations' secrets; and accounts at another issuer are others: whoever was bound there before counts."""
    provider = Provider.from_data(event.data["identity_provider"])
    book.row = with_secrets(book.services.secrets, book.row, provider, secrets)
    if provider.issuer != book.institution.provider.issuer:
        await roster.forget_pending(book.tx, book.code)
        await roster.set_accounts(book.tx, book.code, await _accounts(book, provider.issuer))


async def _environment(book: Ledger, event: Event, secrets: Secrets) -> None:
    await place_secrets.keep(book, event.data["environment"]["environment"], secrets)


async def _accounts(book: Ledger, issuer: str) -> dict[str, tuple[str, str]]:
    """Who was bound at an issuer before, from the trail: the account by person."""
    bound = await entries.find(book.tx, book.code, LeafFilter(type="person.bound"), _EVERY)
    there = [each for each in bound if each.entry.data["iss"] == issuer]
    subjects = {each.entry.subject: private_fields(each).get("sub") for each in there}
    people = book.institution.people
    return {key: (issuer, sub) for key, sub in subjects.items() if sub is not None and not people[key].removed}


async def _added(book: Ledger, event: Event, _: Secrets) -> None:
    private = event.private or {}
    row = RosterRow(book.code, event.subject, private["name"] or "", private["email"] or "")
    if not await roster.add(book.tx, row):
        raise Refused(Refusal.of_field("/email", msg("Somebody with this address is on the list already.")))


async def _removed(book: Ledger, event: Event, _: Secrets) -> None:
    """Gone at the next click: their sessions end, and a first sign-in that waits is forgotten."""
    await roster.take_pending(book.tx, book.code, event.subject)
    await roster.remove(book.tx, book.code, event.subject)
    await web_sessions.end_of_person(book.tx, book.code, event.subject)


_ROWS: Mapping[str, Callable[[Ledger, Event, Secrets], Awaitable[None]]] = MappingProxyType(
    {
        "institution.changed": _institution,
        "identity_provider.set": _provider,
        "environment.set": _environment,
        "person.added": _added,
        "person.removed": _removed,
    }
)
