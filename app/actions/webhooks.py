"""Webhooks: where messages about access requests go, of which types and institutions.

One of a client is told no more than that client may see. Whichever client administers all of its institutions sees and
changes it; to others it does not exist. One that an admin sets is the institution's own: told of that institution
alone, and kept by its admins and by nobody else. Each institution's own log says which webhooks are told about it:
`webhook.set` with every change, `webhook.removed`.
"""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.actions.announce import address_label, concerned, delivery_id, label, set_event
from app.actions.change_views import as_admin
from app.actions.chats import masked
from app.actions.hook_keepers import Keeper, actor_of, covers, is_own, keeps, limits_of, seen
from app.actions.ledger import Ledger, lock, unwrap
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.errors import FieldError, Refusal, Refused, Unavailable
from app.domain.events import Actor, Event
from app.domain.hooks import TOLD, is_pattern
from app.domain.ids import is_id, new_id
from app.domain.kinds import VENDOR, is_code
from app.domain.languages import msg, told
from app.notify.chat import FORMS
from app.notify.webhook import SECRET_BYTES, secret_of
from app.storage import clients, institutions, webhooks
from app.storage.database import Transaction
from app.storage.outbox import OutboxRow
from app.storage.webhooks import Counted, Health, WebhookRow
from app.tokens.clients import EVERY_INSTITUTION, Caller

MOST = 20
STANDARD = "standard"
OVERLAP = timedelta(hours=24)
KEPT = timedelta(days=30)
_INDEX = re.compile(r"\d{1,12}", re.ASCII)
_STALE = Refusal("stale", msg("The webhook has changed since; read it again."))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a webhook shall be; in a change, null leaves a thing as it is. `institutions` null: all of the client's.

    `form` is `standard`; or that of a channel, `slack` or `teams`, of an institution's own, and stays.
    """

    url: str | None = None
    types: tuple[str, ...] | None = None
    institutions: tuple[str, ...] | None = None
    enabled: bool | None = None
    form: str = STANDARD


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook, how its endpoint does, and how much waits for it."""

    row: WebhookRow
    health: Health = field(default_factory=Health)
    counted: Counted = field(default_factory=Counted)

    @property
    def etag(self) -> str:
        """A strong entity tag of what administrators set."""
        return f'"{self.row.version}"'


async def create(services: Services, who: Keeper, wanted: Wanted) -> tuple[WebhookView, str]:
    """A new webhook and its secret, which is told this once.

    Raises `Refused`: validation, institution-unknown; not-found for whoever is no admin of theirs.
    """
    limits, owner = limits_of(who), who.cli if isinstance(who, Caller) else None
    asked = wanted.institutions or tuple(sorted(limits))
    key = random.token_bytes(SECRET_BYTES)
    async with services.database.begin() as tx:
        theirs = {code for code in asked if covers(limits, [code])}  # what is not theirs is not touched
        books = await _lock(services, tx, theirs, who)
        now = await tx.now()
        unwrap(await _judge(services, tx, (limits,), replace(wanted, institutions=asked)))
        kept = [row for row in await webhooks.read_all(tx) if row.client == owner and (owner or is_own(row, who))]
        if len(kept) >= MOST:
            raise Refused(
                Refusal.of_field("", told("There are at most %(most)s webhooks; remove one first.", most=MOST))
            )
        name, url = new_id("whk", now), wanted.url or ""
        in_chat = wanted.form != STANDARD
        row = WebhookRow(
            id=name,
            client=owner,
            url=masked(url) if in_chat else url,
            types=wanted.types or (),
            institutions=asked,
            secret=services.secrets.seal(label(name), key),
            old_secret=None,
            old_secret_until=None,
            enabled=True,
            version=1,
            created_at=now,
            updated_at=now,
            form=wanted.form,
            address=services.secrets.seal(address_label(name), url.encode()) if in_chat else None,
        )
        await webhooks.add(tx, row)
        await _tell(books, set_event(row, actor_of(who)), row.institutions)
    return WebhookView(row), secret_of(key)


async def read(services: Services, who: Keeper, name: str) -> WebhookView:
    """A webhook. Raises `Refused`: not-found, insufficient-scope."""
    async with services.database.read() as tx:
        row = seen(await _read(tx, name), who)
        return (await views(tx, [row]))[0]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of webhooks, newest first; `next_cursor` is null on the last."""

    items: tuple[WebhookView, ...]
    next_cursor: str | None


async def find(services: Services, caller: Caller, limit: int, cursor: str | None) -> Page:
    """The webhooks that the caller administers, newest first. Raises `Refused` for a foreign cursor."""
    if cursor is not None and not is_id(cursor, "whk"):
        raise Refused(Refusal.of_field("/cursor", "Give the next_cursor of the page before, as it is."))
    async with services.database.read() as tx:
        rows = [row for row in await webhooks.read_all(tx) if keeps(caller, row)]
        rows = [row for row in rows if cursor is None or row.id < cursor]
        items = tuple(await views(tx, rows[:limit]))
    return Page(items, items[-1].row.id if len(rows) > limit else None)


async def change(services: Services, who: Keeper, name: str, wanted: Wanted, if_match: str | None) -> WebhookView:
    """Change what is not null.

    Raises `Refused`: not-found, insufficient-scope, stale, validation, institution-unknown.
    """
    async with services.database.begin() as tx:
        before = seen(await _read(tx, name), who)
        _fresh(before, if_match)
        asked = wanted.institutions or before.institutions
        limits = limits_of(who)
        theirs = {code for code in asked if covers(limits, [code])}
        books = await _lock(services, tx, {*before.institutions, *theirs}, who)
        unwrap(await _judge(services, tx, (limits, await _owned(tx, before)), wanted))
        after = replace(
            before,
            url=wanted.url or before.url,
            types=wanted.types or before.types,
            institutions=asked,
            enabled=before.enabled if wanted.enabled is None else wanted.enabled,
            updated_at=await tx.now(),
        )
        return await _store(tx, books, before, after, actor_of(who))


async def rotate(services: Services, who: Keeper, name: str) -> str:
    """A new secret, told this once; the one of now signs too for a day.

    Raises `Refused`: not-found, insufficient-scope.
    """
    key = random.token_bytes(SECRET_BYTES)
    async with services.database.begin() as tx:
        before = seen(await _read(tx, name), who)
        books = await _lock(services, tx, before.institutions, who)
        now = await tx.now()
        after = replace(
            before,
            secret=services.secrets.seal(label(name), key),
            old_secret=before.secret,
            old_secret_until=now + OVERLAP,
            updated_at=now,
        )
        await _store(tx, books, before, after, actor_of(who))
    return secret_of(key)


async def remove(services: Services, who: Keeper, name: str, if_match: str | None) -> None:
    """Tell it nothing more, what waits for it included. Raises `Refused`: not-found, insufficient-scope, stale."""
    async with services.database.begin() as tx:
        row = seen(await _read(tx, name), who)
        _fresh(row, if_match)
        books = await _lock(services, tx, row.institutions, who)
        await _end(tx, books, row, actor_of(who))
        for book in books.values():
            await book.append()


async def end_of_clients(tx: Transaction, books: Mapping[str, Ledger], gone: Collection[str], actor: Actor) -> None:
    """Remove the webhooks of revoked clients (`cli_…`); `books` are of all logs that they served, and append later."""
    for row in await webhooks.read_all(tx):
        if row.client in gone:
            await _end(tx, books, row, actor)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A page of messages that were given up; `next_cursor` is null on the last."""

    items: tuple[OutboxRow, ...]
    next_cursor: str | None


async def dead_letters(services: Services, who: Keeper, name: str, limit: int, cursor: str | None) -> DeadLetters:
    """What was given up, by institution, oldest first. Raises `Refused`: not-found, insufficient-scope, validation."""
    async with services.database.read() as tx:
        seen(await _read(tx, name), who)
        after = None if cursor is None else _open_cursor(name, cursor)
        rows = await webhooks.dead_letters(tx, name, limit + 1, after)
    items = tuple(rows[:limit])
    return DeadLetters(items, f"{items[-1].log}.{items[-1].payload['index']}" if len(rows) > limit else None)


def _open_cursor(name: str, cursor: str) -> tuple[str, str]:
    log, _, index = cursor.rpartition(".")
    if not is_code(log) or not _INDEX.fullmatch(index):
        raise Refused(Refusal.of_field("/cursor", "Give the next_cursor of the page before, as it is."))
    return log, delivery_id(name, int(index))


async def redeliver(services: Services, who: Keeper, name: str) -> WebhookView:
    """Send what was given up once more, and at once. Raises `Refused`: not-found, insufficient-scope."""
    async with services.database.begin() as tx:
        row = seen(await _read(tx, name), who)
        health = await webhooks.health(tx, name)
        await webhooks.note(tx, name, replace(health, failures=0, paused_until=None))
        await webhooks.revive(tx, name, await tx.now())
        return (await views(tx, [row]))[0]


async def overview(services: Services) -> list[WebhookView]:
    """Every webhook, newest first, for the operator."""
    async with services.database.read() as tx:
        return await views(tx, await webhooks.read_all(tx))


async def tidy(tx: Transaction, now: datetime) -> None:
    """Forget messages that were given up a month ago."""
    await webhooks.sweep(tx, now - KEPT)


async def _read(tx: Transaction, name: str) -> WebhookRow | None:
    return await webhooks.read(tx, name) if is_id(name, "whk") else None


async def _owned(tx: Transaction, row: WebhookRow) -> Collection[str]:
    """The institutions that a webhook could be told about."""
    if row.client is None:
        return row.institutions
    owner = await clients.read(tx, row.client)
    return () if owner is None else owner.institutions


def _fresh(row: WebhookRow, if_match: str | None) -> None:
    listed = [] if if_match is None else [each.strip() for each in if_match.split(",")]
    if listed and listed != ["*"] and WebhookView(row).etag not in listed:
        raise Refused(_STALE)


async def _judge(
    services: Services, tx: Transaction, limits: Sequence[Collection[str]], wanted: Wanted
) -> Refusal | None:
    """What is wrong with what is wanted. Institutions have to be within all limits."""
    there = {*await institutions.codes(tx), EVERY_INSTITUTION} - {VENDOR}
    for place, code in enumerate(wanted.institutions or ()):
        if code not in there or not all(covers(each, [code]) for each in limits):
            detail = msg("There is no such institution, or the client does not serve it.")
            return Refusal.of_field(f"/institutions/{place}", detail, "institution-unknown")
    if wanted.form != STANDARD and (wanted.form not in FORMS or any(EVERY_INSTITUTION in each for each in limits)):
        return Refusal.of_field("/form", told("Choose Slack or Teams."))
    errors = [
        FieldError(f"/types/{place}", f"No event matches. There are: {', '.join(TOLD)}; `request.*`; `*`.")
        for place, each in enumerate(wanted.types or ())
        if not is_pattern(each)
    ]
    if wanted.url is not None and not services.webhooks.is_allowed(wanted.url):
        errors.append(FieldError("/url", msg("Give an https:// address without a user name and a fragment.")))
    elif wanted.url is not None and not services.webhooks.is_public_address(wanted.url):
        errors.append(FieldError("/url", msg("This is no address of the public internet.")))
    return (
        Refusal("validation", msg("The webhook is not as it has to be. Nothing was changed."), tuple(errors))
        if errors
        else None
    )


async def _lock(services: Services, tx: Transaction, asked: Iterable[str], who: Keeper) -> dict[str, Ledger]:
    """The logs of institutions, locked; for all of them the vendor's too, with whose lock new ones are opened.

    Raises `Refused` not-found where a visitor is no admin as things are.
    """
    wanted = [*asked, *([VENDOR] if EVERY_INSTITUTION in asked else [])]
    chosen = concerned(await institutions.codes(tx), wanted)
    books = {code: await lock(services, tx, code) for code in sorted(chosen)}
    if not concerned(await institutions.codes(tx), wanted) <= books.keys():
        raise Unavailable("An institution was opened at the same time; ask again.")
    if isinstance(who, Visitor):
        as_admin(books[who.code].institution, who)
    return books


async def _store(
    tx: Transaction, books: Mapping[str, Ledger], before: WebhookRow, after: WebhookRow, actor: Actor
) -> WebhookView:
    saved = await webhooks.save(tx, after)
    if saved is None:
        raise Refused(_STALE)
    left = concerned(books, before.institutions) - concerned(books, after.institutions)
    for code in left:
        books[code].add(_removed(code, before, actor))
    await _tell(books, set_event(saved, actor), after.institutions)
    return (await views(tx, [saved]))[0]


async def _tell(books: Mapping[str, Ledger], event: Event, institutions: Collection[str]) -> None:
    """Append to each log that the webhook is set, and what was gathered before."""
    told = concerned(books, institutions)
    for code, book in books.items():
        if code in told:
            book.add(replace(event, subject=code))
        await book.append()


async def _end(tx: Transaction, books: Mapping[str, Ledger], row: WebhookRow, actor: Actor) -> None:
    for code in concerned(books, row.institutions):
        books[code].add(_removed(code, row, actor))
    await webhooks.remove(tx, row.id)


def _removed(code: str, row: WebhookRow, actor: Actor) -> Event:
    return Event("webhook.removed", code, actor, {"webhook": row.id})


async def views(tx: Transaction, rows: Sequence[WebhookRow]) -> list[WebhookView]:
    """Webhooks with how their endpoints do."""
    counted = await webhooks.counts(tx, [row.id for row in rows])
    return [WebhookView(row, await webhooks.health(tx, row.id), counted[row.id]) for row in rows]
