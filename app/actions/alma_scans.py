"""Scans of Alma itself: each environment that has an address and a key once a day, and when somebody asks for it.

A scan that is asked for waits in a row; a worker claims it, says from time to time how far it is, and completes it or
says why not. One whose worker has fallen silent is begun again by another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from app.actions import scans
from app.actions.opening import alma_label
from app.actions.scans import Read, Scanned
from app.actions.services import Services
from app.actions.signin import Visitor
from app.domain.accounts import ACCOUNTS
from app.domain.errors import Refusal, Refused, Unavailable
from app.domain.events import SERVICE, WORKER
from app.domain.finding import closes
from app.domain.ids import new_id
from app.domain.languages import msg, told
from app.domain.rows_of_text import Unreadable
from app.domain.scan import Extract, matters
from app.domain.user_file import MAX_KEPT, Seen
from app.domain.user_json import is_ordinary, read_user
from app.identity.alma import LONGEST_WAIT_S, AlmaError, AlmaUsers, Rest
from app.storage import institutions
from app.storage import scans as rows
from app.storage.scans import ScanRow
from app.tokens.clients import Caller
from app.tokens.secrets import SealBroken

EVERY = timedelta(hours=24)
AFTER_FAILURE = timedelta(hours=1)
SILENCE = timedelta(minutes=10)
"""Longer than Alma may let one answer wait, with all that is tried in between."""
PATIENCE_S = 20.0
"""For so long a scan that a client waits for may be held up at once."""
TELL_EVERY_S = 2.0
BATCH = 4

Tell = Callable[[int, int], Awaitable[None]]
"""Users read, and users in all."""
Shown = Callable[[int, int], None]
"""The same, for somebody who looks on."""
_UNDER_WAY = Refusal("scan-under-way", msg("A scan of this environment waits or runs already."), retry_after=30)
_NO_KEY = Refusal.of_field("/source", msg("This environment has no address and key of its API; settings take them."))
_NOT_ASKER = Refusal("forbidden", msg("Scans are asked for by approvers and admins of the institution."))


async def ask(services: Services, visitor: Visitor, environment: str) -> str:
    """Have an environment scanned soon; the scan's id.

    Raises `Refused`: forbidden, not-found, validation, scan-under-way.
    """
    if not closes(visitor.roles):
        raise Refused(_NOT_ASKER)
    await scans.judge_environment(services, visitor.code, environment)
    return (await _begin(services, visitor.code, environment, visitor.person, "waiting")).id


async def scan_now(
    services: Services, caller: Caller, code: str, environment: str, *, rest: Rest = asyncio.sleep
) -> tuple[Read, ScanRow]:
    """Read an environment's Alma for a client that waits; to be completed. Raises `Refused`, also scan-failed."""
    row = await _begin(services, code, environment, caller.cli, "running")
    return await _read(services, row, rest, longest=PATIENCE_S)


async def scan_at_once(services: Services, code: str, environment: str, shown: Shown | None) -> Scanned:
    """Scan an environment's Alma for the operator, who sees how far it is. Raises `Refused`."""
    row = await _begin(services, code, environment, SERVICE.id, "running")
    read, running = await _read(services, row, asyncio.sleep, shown)
    return await scans.complete(services, SERVICE, code, read, asked_by=SERVICE.id, scan=running)


async def _begin(services: Services, code: str, environment: str, asked_by: str, state: str) -> ScanRow:
    async with services.database.begin() as tx:
        if (code, environment) not in await rows.places(tx):
            raise Refused(_NO_KEY)
        now = await tx.now()
        row = ScanRow(code, new_id("scn", now), environment, "alma", asked_by, state, now, now)
        if not await rows.add(tx, row):
            raise Refused(_UNDER_WAY)
    return row


async def sweep(services: Services, *, rest: Rest = asyncio.sleep) -> int:
    """Ask for what is due, and run what waits; how many scans were run."""
    await _schedule(services)
    async with services.database.begin() as tx:
        now = await tx.now()
        claimed = []
        for row in await rows.claimable(tx, now - SILENCE, BATCH):
            running = replace(row, state="running", seen_at=now, users=0, total=None)
            if await rows.save(tx, running, row):
                claimed.append(running)
    ended = await asyncio.gather(*(_run(services, row, rest) for row in claimed), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return len(claimed)


async def _schedule(services: Services) -> None:
    """Ask for a scan of each environment that was not scanned for a day, or whose scan failed an hour ago."""
    async with services.database.begin() as tx:
        now = await tx.now()
        for code, environment in await rows.places(tx):
            last = await rows.newest(tx, code, environment, done=False)
            if last is None or _is_due(last, now):
                row = ScanRow(code, new_id("scn", now), environment, "alma", WORKER.id, "waiting", now, now)
                await rows.add(tx, row)


def _is_due(last: ScanRow, now: datetime) -> bool:
    pause = AFTER_FAILURE if last.state == "failed" else EVERY
    return last.ended_at is not None and last.ended_at + pause <= now


async def _run(services: Services, row: ScanRow, rest: Rest) -> Scanned | None:
    try:
        read, running = await _read(services, row, rest)
        return await scans.complete(services, WORKER, row.log, read, asked_by=row.asked_by, scan=running)
    except Refused:
        return None  # its row says why


async def _read(
    services: Services, row: ScanRow, rest: Rest, shown: Shown | None = None, *, longest: float = LONGEST_WAIT_S
) -> tuple[Read, ScanRow]:
    """Read all users; what the row has become by then. Raises `Refused` scan-failed, which the row tells too."""
    progress = _Progress(services, row, shown)
    try:
        alma = await _alma(services, row, rest, longest)
        return await read_alma(alma, row.environment, progress.tell), progress.row
    except (AlmaError, Unreadable) as error:
        await progress.fail(str(error))
        raise Refused(Refusal("scan-failed", told("%(error)s. Nothing was changed.", error=error))) from None


async def _alma(services: Services, row: ScanRow, rest: Rest, longest: float) -> AlmaUsers:
    """The API by its address and key. Raises `AlmaError`."""
    async with services.database.read() as tx:
        kept = await institutions.environment_secrets(tx, row.log)
    found = next((each for each in kept if each.environment == row.environment), None)
    if found is None or found.alma_api_base is None or found.alma_api_key is None:
        raise AlmaError("The environment has no address and key of its API")
    try:
        key = services.secrets.open(
            alma_label(row.log, row.environment, found.alma_api_base), found.alma_api_key
        ).decode()
    except SealBroken:
        raise AlmaError("The API key does not open for this address: give the environment both anew") from None
    return AlmaUsers(services.webhooks, found.alma_api_base, key, rest=rest, longest=longest)


async def read_alma(alma: AlmaUsers, environment: str, tell: Tell) -> Read:
    """All users from lists; those who matter, and the vendor's accounts, one by one with their roles.

    Raises `AlmaError`, `Unreadable`.
    """
    seen, digest, listed, told, total = Seen(), sha256(), dict[str, str](), 0, 0
    async for page in alma.pages():
        digest.update(page.body)
        if not page.joins:
            seen.faults.add(told + 1, "the list of users changed too much while it was read; somebody may be missing")
        for value in page.users:
            told += 1
            user = None if is_ordinary(value) else read_user(value)
            if user is not None and matters(user):
                listed[user.primary_id.strip().lower()] = user.primary_id
            elif user is None and not is_ordinary(value):
                seen.faults.add(told, "it is no user that has a primary_id and readable names")
        total = page.total
        await tell(told, total)
        if len(listed) > MAX_KEPT:
            raise Unreadable(f"More than {MAX_KEPT} users are named like the vendor")
    if told == 0:
        raise Unreadable("Alma lists no users")
    if told < total:
        seen.faults.add(told + 1, f"Alma tells of {total} users and listed {told}")
    for name in dict.fromkeys([*ACCOUNTS, *listed]):
        await _look(alma, name, listed.get(name), seen, digest.update)
        await tell(told, total)
    extract = Extract(
        environment,
        "alma",
        f"sha256:{digest.hexdigest()}",
        told,
        seen.faults.count,
        tuple(each.line for each in seen.faults.told),
        tuple(seen.kept),
    )
    return Read(extract, tuple(seen.faults.told))


async def _look(alma: AlmaUsers, name: str, listed: str | None, seen: Seen, note: Callable[[bytes], None]) -> None:
    """Read a user whole. Where Alma listed nobody of this id, somebody else of whom it is a barcode is nobody too."""
    value = await alma.user(name if listed is None else listed)
    if value is None:
        return
    user = read_user(value)
    if user is None:
        raise AlmaError("Alma answered for a user in another form than its description has")
    if user.primary_id.strip().lower() != name:
        if listed is None:
            return
        raise AlmaError("Alma answered for one user with another")
    note(user.primary_id.encode())
    seen.take(user)


class _Progress:
    """What a running scan says of itself, not more often than every few seconds."""

    def __init__(self, services: Services, row: ScanRow, shown: Shown | None) -> None:
        self.row = row
        self._services, self._shown = services, shown
        self._next = 0.0

    async def tell(self, users: int, total: int) -> None:
        """How far it is. Raises `Unavailable` where another has taken over."""
        if self._shown is not None:
            self._shown(users, total)
        if (now := asyncio.get_running_loop().time()) >= self._next:
            self._next = now + TELL_EVERY_S
            await self._save(replace(self.row, users=users, total=total))

    async def fail(self, problem: str) -> None:
        """That it is over, and why."""
        async with self._services.database.begin() as tx:
            now = await tx.now()
            failed = replace(self.row, state="failed", ended_at=now, seen_at=now, problem=problem[:500])
            await rows.save(tx, failed, self.row)

    async def _save(self, row: ScanRow) -> None:
        async with self._services.database.begin() as tx:
            row = replace(row, seen_at=await tx.now())
            if not await rows.save(tx, row, self.row):
                raise Unavailable("another worker has taken over this scan")
        self.row = row
