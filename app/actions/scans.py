"""Account scans: users read from a file or from Alma's Users API, findings opened and closed by what was seen.

Reading comes first, outside of any transaction; what was learned is then one append: the scan says what it looked at,
opens a finding for what is wrong and not known yet, and closes what it no longer sees. What cannot be read at all
changes nothing. A row that cannot be read may be the user of a finding: such a scan closes none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.actions.finding_life import Sight, close_findings, key_of, open_findings, unseen
from app.actions.finding_mails import tell_findings
from app.actions.ledger import NOT_FOUND, Ledger, write
from app.actions.services import Services
from app.audit.evidence import input_blob
from app.domain.errors import Refusal, Refused
from app.domain.events import Actor, Event
from app.domain.ids import new_id
from app.domain.institution import Institution
from app.domain.kinds import VENDOR, is_code
from app.domain.rows_of_text import Broken, Unreadable
from app.domain.scan import Extract
from app.domain.user_csv import CsvReader
from app.domain.user_file import Reading
from app.domain.user_json import JsonReader
from app.storage import findings, institutions, objects, scans
from app.storage.objects import EvidenceRow
from app.storage.scans import ScanRow
from app.tokens.clients import Caller
from app.trail import canonical

__all__ = ["Read", "ScanRow", "Scanned", "complete", "finish_file", "members", "read_file", "reading"]

SCOPE = "accounts"
MAX_FILE = 1 << 30
"""Bytes of a file of users."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one source. `broken`: the first rows that could not be used, by line."""

    extract: Extract
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class Scanned:
    """What came of a scan: ids of the findings that it opened and closed."""

    id: str
    users: int
    opened: tuple[str, ...]
    closed: tuple[str, ...]
    broken: int
    lines: tuple[Broken, ...]


async def judge_place(services: Services, caller: Caller, code: str) -> None:
    """Raise `Refused` not-found for an institution that is not the caller's."""
    if not is_code(code) or code == VENDOR or not caller.serves(code):
        raise Refused(NOT_FOUND)
    async with services.database.read() as tx:
        if await institutions.read(tx, code) is None:
            raise Refused(NOT_FOUND)


async def judge_environment(services: Services, code: str, environment: object) -> str:
    """The environment's name. Raises `Refused`: not-found, validation."""
    async with services.database.read() as tx:
        row = await institutions.read(tx, code)
    if row is None or code == VENDOR:
        raise Refused(NOT_FOUND)
    if not isinstance(environment, str) or environment not in Institution.from_data(row.state).environments:
        raise Refused(Refusal.of_field("/environment", "Name an environment of this institution."))
    return environment


def reading(media_type: str) -> Reading:
    """A reader of what is of this type: JSON, or else rows of text."""
    if media_type == "application/json":
        return Reading("json", JsonReader())
    return Reading("csv", CsvReader())


async def read_file(read: Reading, pieces: AsyncIterator[bytes]) -> None:
    """Read a whole file. Raises `Refused` validation where it cannot be read at all."""
    length = 0
    try:
        async for piece in pieces:
            length += len(piece)
            if length > MAX_FILE:
                raise Refused(Refusal("too-large", f"A file of users has at most {MAX_FILE} bytes."))
            read.feed(piece)
    except Unreadable as error:
        raise Refused(unreadable(error)) from None


def members(reader: JsonReader) -> Mapping[str, Any]:
    """What a JSON body says beside the users. Raises `Refused` validation where it is no JSON."""
    try:
        reader.close()
    except Unreadable as error:
        raise Refused(unreadable(error)) from None
    return reader.members


def finish_file(read: Reading, environment: str) -> Read:
    """What was read, once it is whole. Raises `Refused` validation."""
    try:
        extract = read.finish(environment)
    except Unreadable as error:
        raise Refused(unreadable(error)) from None
    return Read(extract, tuple(read.seen.faults.told))


def unreadable(error: Unreadable) -> Refusal:
    """Of a file that cannot be read at all."""
    return Refusal.of_field("/users", f"The users cannot be read: {error}. Nothing was changed.")


async def complete(
    services: Services, actor: Actor, code: str, read: Read, *, asked_by: str, scan: ScanRow | None = None
) -> Scanned:
    """Record a scan and what follows from it; `scan` is its row where it has one. Raises `Refused`."""
    extract = read.extract
    async with write(services, code) as book:
        if extract.environment not in book.institution.environments:
            raise Refused(NOT_FOUND)
        sights = [Sight(each.kind, extract.environment, "scan", each.what, (each.key,)) for each in extract.wrong()]
        fresh, gone = await unseen(book, sights), await _gone(book, extract, sights)
        entry = book.place(await _event(book, actor, extract, len(fresh), len(gone)))
        opened = await open_findings(book, actor, fresh)
        await close_findings(book, actor, gone)
        await tell_findings(book, list(zip(opened, (each.what for each in fresh), strict=True)))
        done = Scanned(
            id=new_id("scn", book.now) if scan is None else scan.id,
            users=extract.users,
            opened=tuple(row.id for row in opened),
            closed=tuple(row.id for row in gone),
            broken=extract.broken,
            lines=read.broken,
        )
        await _keep(book, extract, done, entry.index, asked_by, scan)
        await book.append()
    return done


async def _gone(book: Ledger, extract: Extract, sights: Sequence[Sight]) -> list[findings.FindingRow]:
    """The findings of earlier scans whose user is not seen any more, or is in order."""
    if extract.broken:
        return []
    keys = {key_of(book, sight) for sight in sights}
    standing = await findings.not_closed(book.tx, book.code, environment=extract.environment, found_by="scan")
    return [row for row in standing if row.key not in keys]


async def _event(book: Ledger, actor: Actor, extract: Extract, opened: int, closed: int) -> Event:
    """That it was looked; what it was computed from is kept."""
    named = []
    for part in extract.parts():
        blob = input_blob("application/json", canonical.encode(part))
        digest = canonical.sha(blob)
        await objects.put(book.tx, EvidenceRow(book.code, digest, blob))
        named.append(digest)
    data = {"environment": extract.environment, "users": extract.users, "opened": opened, "closed": closed}
    return Event("scan.completed", book.code, actor, {**data, "evidence": named})


async def _keep(book: Ledger, extract: Extract, done: Scanned, index: int, asked_by: str, scan: ScanRow | None) -> None:
    seen = {
        "opened": len(done.opened),
        "closed": len(done.closed),
        "broken": done.broken,
        "lines": [[each.line, each.why] for each in done.lines],
    }
    begun = ScanRow(book.code, done.id, extract.environment, extract.source, asked_by, "done", book.now, book.now)
    row = replace(scan or begun, state="done", ended_at=book.now, users=extract.users, idx=index, seen=seen)
    if scan is None:
        await scans.add(book.tx, row)
    elif not await scans.save(book.tx, row, scan):
        raise Refused(Refusal("wrong-state", "Another has taken over this scan.", extra=(("status", "running"),)))
