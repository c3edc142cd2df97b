"""Sessions: opened with a token, read, ended. What both ways in share stands here: the API of a vendor's own gateway,
and this service's gate.

Nothing opens by what a token or a row says alone: `admit` judges everything again on fresh rows under the lock of the
log, by their MACs and by what the trail has told since. What is refused is an event of the institution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.actions.grant_rows import grant_row
from app.actions.held import Held, conclude, hold, watch
from app.actions.introspection import ended_in_trail, token_holds
from app.actions.journey import Where
from app.actions.ledger import NOT_FOUND, Ledger, lock
from app.actions.services import Services
from app.actions.watched import Watched, seal_row, unforged
from app.domain import recording
from app.domain.errors import Refusal, Refused
from app.domain.events import SERVICE, Actor, Event
from app.domain.ids import new_id
from app.domain.recording import REACH, SILENCE, Record, begun
from app.domain.request import may_mint
from app.domain.session import Coverage, State
from app.storage import clients, entries, grants, sessions
from app.storage.database import Transaction
from app.storage.sessions import SessionRow
from app.tokens import approval
from app.tokens.approval import Approval
from app.tokens.clients import Caller
from app.tokens.jwt import TokenRefused
from app.trail import canonical

INACTIVE = Refusal(
    "token-inactive", "This token opens no session: it is not good now, not for you, or was used before."
)
BY_GATE = "gate"
ENDINGS = ("request.revoked", "request.completed", "session.ended", "session.terminated")


@dataclass(frozen=True, slots=True)
class Opener:
    """Who opens a session: a gateway's client (`cli_…`), or the gate, where `client` is null.

    `credential` is the hash of the gate's cookie, `evidence` the digests of the engineer's sign-in there; `jkt` is the
    key of the DPoP proof that came with the token, if one did.
    """

    client: str | None = None
    credential: bytes | None = None
    evidence: tuple[str, ...] = ()
    jkt: str | None = None

    @property
    def actor(self) -> Actor:
        """Who acts, in the trail."""
        return SERVICE if self.client is None else Actor("client", self.client)


@dataclass(frozen=True, slots=True)
class Shown:
    """A token that was verified when it was shown; rows and clock are asked again when it opens something.

    `jkt` is the key that it is bound to; the gate takes none of that kind.
    """

    jti: str
    digest: str
    audience: str
    environment: str
    jkt: str | None = None

    @classmethod
    def of(cls, read: Approval) -> Shown:
        """A token that is shown now."""
        return cls(read.jti, read.digest, read.audience, read.access.environment, read.jkt)


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as the clock has it at `now`. `supplied_by` names who reports it: a client, or `gate`."""

    row: SessionRow
    state: State
    ended_at: datetime | None
    ended_because: str | None
    coverage: Coverage
    supplied_by: str
    now: datetime


async def open_session(
    services: Services, caller: Caller, token: str, where: Where, jkt: str | None = None
) -> SessionView:
    """Open the one session of a token, for a gateway of the caller's. Raises `Refused` token-inactive.

    `jkt`: the key of the DPoP proof that came with the token, if one did.
    """
    async with services.database.begin() as tx:
        held, read = await hold_token(services, tx, token, await tx.now())
        outcome = await _open(held, read, caller, where, jkt)
        await held.store()
        if isinstance(outcome, Watched):
            return await view(tx, outcome.row, held.book.now)
    raise Refused(outcome)


async def hold_token(services: Services, tx: Transaction, token: str, now: datetime) -> tuple[Held, Approval]:
    """What a token says, and its request held. Raises `Refused` token-inactive where it names no request of ours."""
    try:
        read = approval.verify(services.ring, services.base_url, token, now)
        held = await hold(await lock(services, tx, read.access.institution), read.access.request)
    except (TokenRefused, Refused) as error:
        raise Refused(INACTIVE) from error
    return held, read


async def _open(held: Held, read: Approval, caller: Caller, where: Where, jkt: str | None) -> Watched | Refusal:
    client = await clients.read(held.book.tx, caller.cli)
    opener = Opener(caller.cli, jkt=jkt)
    if client is None or client.disabled or not caller.serves(held.book.code) or read.audience not in caller.audiences:
        await refuse(held.book, opener, "token-foreign", read.access.environment, where)
        return INACTIVE
    return await admit(held, Shown.of(read), opener, where)


async def admit(held: Held, read: Shown, opener: Opener, where: Where) -> Watched | Refusal:
    """Open the session of a token, everything judged again under the lock; the refusal's event is gathered.

    Raises `Unavailable` while the clock is in doubt. The caller stores `held`.
    """
    held.book.trust_clock()
    problem = await problem_with(held, read, opener)
    if problem is not None:
        await refuse(held.book, opener, problem, read.environment, where)
        return INACTIVE
    row = seal_row(held.book.services.secrets, _row(held, read, opener))
    if not await sessions.add(held.book.tx, row):
        raise RuntimeError(f"the token of {row.id} opened another session without the lock of its log")
    data = {
        "grant": row.grant,
        "jti": row.jti,
        "request": row.request,
        "engineer_proved": opener.client is None,
        "evidence": list(opener.evidence),
    }
    private = {"ip": where.ip, "user_agent": where.user_agent}
    held.book.add(Event("session.opened", row.id, opener.actor, data, private))
    session = Watched(held, row)
    await session.mail("opened")
    return session


async def problem_with(held: Held, read: Shown, opener: Opener) -> str | None:
    """What stands against a token that is to open a session now, as the event of the refusal names it."""
    book, tx = held.book, held.book.tx
    found = (await grants.read_tokens(tx, [read.jti])).get(read.jti)
    if found is None or found[0].digest != read.digest or not token_holds(book.services.secrets, *found):
        return "token-unknown"
    token, grant = found
    if (token.log, token.request, token.audience) != (book.code, held.request.id, read.audience):
        return "token-unknown"
    environment = book.institution.environments.get(held.request.environment)
    if environment is None or environment.audience != token.audience:
        return "environment-changed"
    if token.jkt not in {None, opener.jkt}:
        return "token-bound"
    if token.revoked_at is not None or await ended_in_trail(tx, token):
        return "token-revoked"
    if not token.nbf <= book.now.timestamp() < token.exp:
        return "token-expired"
    running = may_mint(held.request, book.now)
    if isinstance(running, Refusal) or grant != grant_row(book.services.secrets, held.row, running):
        return "grant-ended"
    return "token-used" if await sessions.read_many(tx, "jti", [token.jti]) else None


def _row(held: Held, read: Shown, opener: Opener) -> SessionRow:
    book, request = held.book, held.request
    if request.grant is None:
        raise RuntimeError("a token without a grant passed")
    owed = opener.client is not None and book.institution.policy.recording_required
    return SessionRow(
        log=book.code,
        id=new_id("ses", book.now),
        request=request.id,
        grant=request.grant.id,
        jti=read.jti,
        client=opener.client,
        audience=read.audience,
        environment=request.environment,
        account=request.account,
        engineer_id=held.row.engineer_id,
        credential=opener.credential,
        jkt=read.jkt,
        state=State.OPEN.value,
        opened_at=book.now,
        opened_index=book.next_index,
        not_after=request.grant.not_after,
        ended_at=None,
        ended_because=None,
        segments=0,
        sealed=0,
        coverage=begun(book.now, gate=opener.client is None, owed=owed).to_data(),
        record_by=book.now + REACH if owed else None,
        mac=b"",
        events=0,
        seen_at=book.now,
        seal_at=None,
    )


async def refuse(
    book: Ledger, opener: Opener, problem: str, environment: str | None, where: Where, session: str | None = None
) -> None:
    """Gather the event of a refusal at a gate or gateway: the first of its minute at once."""
    await book.refuse(*refusal_of(book.code, opener, problem, environment, where.ip, session))


def refusal_of(
    code: str, opener: Opener, problem: str, environment: str | None, ip: str, session: str | None = None
) -> tuple[str, Event]:
    """What makes two refusals at a gate or gateway alike, and the event of the first."""
    data = {"environment": environment, "problem": problem, "session": session, "count": 1}
    key = f"gate/{opener.client}/{problem}/{environment}/{session}"
    return canonical.sha(key.encode()), Event("gate.refused", code, opener.actor, data, {"ip": ip})


async def still_told(tx: Transaction, rows: Sequence[SessionRow]) -> list[SessionRow]:
    """Those sessions of which the trail tells no end: an older row, put back, has a MAC that holds."""
    told = await entries.subjects_of(
        tx, sorted({row.log for row in rows}), [*(row.id for row in rows), *{row.request for row in rows}], ENDINGS
    )
    return [row for row in rows if told.isdisjoint({row.id, row.request})]


async def watch_session(services: Services, tx: Transaction, row: SessionRow) -> tuple[Held, Watched]:
    """Lock the log, the session, and whatever else is open on its request; what the clock was due is told.

    Raises `Refused` not-found. The caller stores what is held.
    """
    held = await hold(await lock(services, tx, row.log), row.request)
    await watch([held], [row.id])
    for session in held.sessions:
        if session.row.id == row.id:
            told = not session.living or await still_told(tx, [session.row])
            if told and unforged(services.secrets, session.row):
                return held, session
    raise Refused(NOT_FOUND)


async def settle(held: Held, session: Watched) -> None:
    """End a session whose grant is over, or that owes a recording and added none; every action does this first."""
    await conclude([held])
    if session.living and session.unrecorded:
        await session.terminate(SERVICE, "not-recorded")


async def view(tx: Transaction, row: SessionRow, now: datetime) -> SessionView:
    """A session by the clock: what was not recorded yet, but is due, shows."""
    client = None if row.client is None else await clients.read(tx, row.client)
    name = BY_GATE if row.client is None else row.client if client is None else client.name
    return view_of(row, name, now)


def view_of(row: SessionRow, supplied_by: str, now: datetime) -> SessionView:
    """As `view`, where the name of whoever reports it was read already."""
    record, state = Record.from_data(row.coverage), State(row.state)
    ended_at, because = row.ended_at, row.ended_because
    lost_at = row.seen_at + SILENCE
    if state is State.OPEN and lost_at <= min(now, row.not_after):
        state, ended_at, because = State.LOST, lost_at, "lost"
        record = recording.lost(record, row.seen_at, lost_at)
    if state in {State.OPEN, State.LOST} and row.not_after <= now:
        state, ended_at, because = State.TERMINATED, row.not_after, "grant-over"
    until = now if ended_at is None else ended_at
    return SessionView(row, state, ended_at, because, recording.covered(record, until), supplied_by, now)
