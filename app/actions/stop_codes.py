"""Stop codes: for the day when an institution's sign-in is down, one printed code ends all its access, and no more.

A code is sixty random bits, kept as a keyed hash, and counts once. Whoever tries one is told the same, after the same
work, whether the institution is unknown, the code wrong, or used before. Tries are counted by address, not by
institution: nobody could then keep an institution from stopping by trying wrong codes in its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.actions.endings import end, hold_running, runs, store
from app.actions.journey import Where
from app.actions.ledger import NOT_FOUND, unwrap, write
from app.actions.services import Services
from app.actions.signin import Visitor
from app.actions.tries import network, too_many
from app.domain.errors import Refusal, Refused
from app.domain.events import SERVICE, Event
from app.domain.institution import is_admin
from app.domain.kinds import is_code
from app.domain.languages import msg
from app.domain.request import Status
from app.storage import attempts, roster, stop_codes
from app.storage.stop_codes import StopCodeRow
from app.tokens.secrets import Secrets, new_code

CODES = 10
CHARS = 12
WINDOW = timedelta(minutes=15)
TRIES = 5
"""How often an address may try for one institution in a window."""
TRIES_IN_ALL = 30
"""How often it may try for whatever institutions."""


@dataclass(frozen=True, slots=True)
class CodesView:
    """The institution's set: when and by whom made, how many are unused, and each use with what it ended."""

    made_at: datetime | None
    made_by: str | None
    unused: int
    used: tuple[tuple[datetime, int], ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop code ended: windows that were open, and approved ones yet to begin; the entry that says so."""

    at: datetime
    open: int
    upcoming: int
    index: int
    time_zone: str
    locale: str


async def overview(services: Services, visitor: Visitor) -> CodesView:
    """What there is of stop codes, never a code, for admins. Raises `Refused` not-found for anybody else."""
    if "admin" not in visitor.roles:
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        rows = await stop_codes.read_all(tx, visitor.code)
        maker = await roster.read(tx, visitor.code, rows[0].made_by) if rows else None
    used = sorted((row.used_at, row.ended or 0) for row in rows if row.used_at is not None)
    made_at = rows[0].made_at if rows else None
    return CodesView(made_at, None if maker is None else maker.name, len(rows) - len(used), tuple(used))


async def make(services: Services, visitor: Visitor) -> tuple[str, ...]:
    """Ten new codes, told this once; older ones are void. Raises `Refused` not-found for whoever is no admin."""
    made = [new_code(CHARS) for _ in range(CODES)]
    async with write(services, visitor.code) as book:
        if not is_admin(book.institution, visitor.person):
            raise Refused(NOT_FOUND)
        hashes = [_hash(services.secrets, book.code, code) for code in made]
        rows = [StopCodeRow(book.code, each, book.now, visitor.person) for each in hashes]
        await stop_codes.set_all(book.tx, book.code, rows)
        book.add(Event("stop_codes.made", book.code, visitor.actor, {"count": CODES}))
        await book.append()
    return tuple("-".join(code[at : at + 4] for at in range(0, CHARS, 4)) for code in made)


async def stop(services: Services, institution: str, stop_code: str, where: Where) -> Stopped:
    """End all access of an institution, without a sign-in.

    Raises `Refused`: stop-refused (the same for an unknown institution, a wrong code, a used one; `extra` says how
    many tries are left), too-many-requests.
    """
    code = institution.strip().upper()
    code = code if is_code(code) else ""
    left = await _count(services, code, where)
    hashed = _hash(services.secrets, code, "".join(filter(str.isalnum, stop_code.upper())))
    async with services.database.read() as tx:
        known = await stop_codes.is_unused(tx, code, hashed)
    return unwrap((await _stop(services, code, hashed, where) if known else None) or _refused(left))


async def _stop(services: Services, code: str, hashed: bytes, where: Where) -> Stopped | None:
    """Use the code up and revoke whatever runs, in one transaction; None where another was faster."""
    async with write(services, code) as book:
        held = await hold_running(book)
        running = [each for each in held if runs(each)]
        if not await stop_codes.use(book.tx, code, hashed, book.now, len(running)):
            return None
        opened = sum(each.request.status is Status.ACTIVE for each in running)
        index = book.next_index
        revoked = sorted(each.request.id for each in running)
        book.add(Event("stop_code.used", code, SERVICE, {"revoked": revoked}, {"ip": where.ip}))
        for each in running:
            await end(each, "stop-code")
        await store(book, held)
        return Stopped(
            book.now, opened, len(running) - opened, index, book.institution.time_zone, book.institution.locale
        )


async def _count(services: Services, code: str, where: Where) -> int:
    """Count a try; how many are left. Raises `Refused` too-many-requests. Counted first, and whatever comes of it."""
    address = network(where.ip)
    async with services.database.begin() as tx:
        now = await tx.now()
        tries = await attempts.count(tx, services.secrets.mac("attempt/stop", address), now, WINDOW)
        over = tries.count > TRIES_IN_ALL
        if not over:
            tries = await attempts.count(tx, services.secrets.mac("attempt/stop", address, code), now, WINDOW)
    if over or tries.count > TRIES:
        raise Refused(too_many(tries, WINDOW, now, "Too many codes were tried from this address."))
    return TRIES - tries.count


def _refused(left: int) -> Refusal:
    detail = msg("The institution and the code do not fit together, or the code was used before. Nothing was ended.")
    return Refusal("stop-refused", detail, extra=(("left", str(left)),))


def _hash(secrets: Secrets, log: str, code: str) -> bytes:
    return secrets.mac("stop-code", log, code)
