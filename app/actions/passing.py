"""The gate's question: may this request pass? A yes is given only after the request was written down, for good.

Concurrent questions share one transaction: their sessions are locked and read, what may pass is recorded by set-based
statements, and all are answered after the commit. A question joins only a transaction that begins after it was asked,
so whatever ended a session before is seen. What is not plainly a yes is asked again by itself: a session that was
silent resumes under the lock of its log, one whose grant is over ends there, and whoever is turned away becomes an
event, counted by the minute.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from app.actions.credentials import Credential, session_of, tokens_that_count
from app.actions.gates import Gate, gate_of
from app.actions.reports import Report, hear_locked
from app.actions.services import Services
from app.actions.sessions import Opener, refusal_of, settle, watch_session
from app.actions.turned_away import Counter, TurnedAway
from app.actions.watched import Reported, Watched, unforged
from app.domain.errors import Refusal, Refused
from app.storage import gates
from app.storage.database import Transaction
from app.storage.gates import AtGate
from app.storage.grouped import GroupCommit
from app.storage.leaves import MAX_AHEAD
from app.storage.sessions import LIVING, SessionRow

KIND = "request"
_GATE = Opener()
_NOBODY = Refusal("unauthorized", "No session at this gate has this credential.")
_FOREIGN = Refusal("session-foreign", "This session is another environment's.")
_OVER = Refusal("access-over", "Access is over.")


@dataclass(frozen=True, slots=True)
class Question:
    """A request at a gate: the hash of the gate's key, what it shows, and what is written down of it.

    `summary` is method and masked address, `ip` the browser's address as nginx tells it.
    """

    gate_key: bytes
    credential: Credential | None
    summary: str
    ip: str

    def reported(self, at: datetime) -> Reported:
        """The request as activity of its session."""
        return Reported(at, KIND, self.summary, orjson.dumps({"ip": self.ip}).decode())


@dataclass(frozen=True, slots=True)
class Passed:
    """The request may pass, and is written down: whose it is. `engineer` is the vendor's id."""

    session: str
    institution: str
    account: str
    engineer: str

    @classmethod
    def of(cls, row: SessionRow) -> Passed:
        """By the session's row."""
        return cls(row.id, row.log, row.account, row.engineer_id)


class Passage:
    """Answers the questions of a process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._group = GroupCommit(services.database, self._write)
        self._counter = Counter(services)

    async def ask(self, question: Question) -> Passed | Refusal:
        """Whether the request may pass; what is answered is committed. Raises `Refused` gate-unknown, `Unavailable`."""
        passed = None if question.credential is None else await self._group.put(question)
        return passed or await self._alone(question)

    async def _write(self, tx: Transaction, questions: Sequence[Question]) -> list[Passed | None]:
        """Record what plainly may pass; null for what does not, of which nothing was written."""
        shown = [question.credential for question in questions if question.credential is not None]
        tokens = [each.token for each in shown if each.token is not None]
        cookies = [each.cookie for each in shown if each.cookie is not None]
        found, now = await gates.lock(tx, cookies, [each.jti for each in tokens])
        place = _Place(found, await tokens_that_count(self._services, tx, tokens, now), now)
        rows = [place.plain(question) for question in questions]
        asked = [(question, row) for question, row in zip(questions, rows, strict=True) if row is not None]
        reports = [Report(row.id, None, (question.reported(now),)) for question, row in asked]
        locked = {row.id: row for _, row in asked}
        heard = iter(await hear_locked(self._services, tx, list(locked.values()), now, reports))
        return [Passed.of(row) if row is not None and next(heard) is not None else None for row in rows]

    async def _alone(self, question: Question) -> Passed | Refusal:
        """One question by itself, whatever it meets."""
        async with self._services.database.look() as tx:
            gate = await gate_of(tx, question.gate_key)
            row = None if question.credential is None else await self._session(tx, question.credential)
        problem, refusal = self._problem(gate, question, row)
        if row is None or refusal is not None:
            own = row is not None and row.log == gate.code
            await self._turn_away(gate, problem, question.ip, row.id if row is not None and own else None)
            return refusal or _NOBODY
        return await self._locked(gate, question, row)

    async def _session(self, tx: Transaction, credential: Credential) -> SessionRow | None:
        """The session of a credential that counts."""
        row, token = await session_of(tx, credential), credential.token
        if token is not None and not await tokens_that_count(self._services, tx, [token], await tx.now()):
            return None
        return row

    def _problem(self, gate: Gate, question: Question, row: SessionRow | None) -> tuple[str, Refusal | None]:
        """What stands against it, as its event names it and as it is answered, as far as is known without a lock."""
        if question.credential is None:
            return "credential-missing", _NOBODY
        if row is None:
            return "credential-unknown", _NOBODY
        if not unforged(self._services.secrets, row):
            return "session-forged", _NOBODY
        if (row.log, row.environment) != (gate.code, gate.name):
            return "session-foreign", _FOREIGN
        return "session-over", None if row.state in LIVING else _OVER

    async def _locked(self, gate: Gate, question: Question, row: SessionRow) -> Passed | Refusal:
        """Under the lock of its log: it resumes where it was silent, and ends where its grant is over."""
        try:
            async with self._services.database.begin() as tx:
                held, session = await watch_session(self._services, tx, row)
                held.book.trust_clock()
                await settle(held, session)
                if session.living:
                    await _hear(session, question)
                else:
                    key, event = refusal_of(gate.code, _GATE, "session-over", gate.name, question.ip, row.id)
                    await held.book.refuse(key, event)
                await held.store()
        except Refused:  # the trail tells of its end, or its row changed behind our back
            await self._turn_away(gate, "session-forged", question.ip, row.id)
            return _OVER
        return Passed.of(session.row) if session.living else _OVER

    async def _turn_away(self, gate: Gate, problem: str, ip: str, session: str | None) -> None:
        key, event = refusal_of(gate.code, _GATE, problem, gate.name, ip, session)
        await self._counter.add(TurnedAway(gate.code, key, event))


async def _hear(session: Watched, question: Question) -> None:
    now = session.book.now
    session.hear()
    await session.report((question.reported(now),), now)


class _Place:
    """What a group found: sessions by what was shown for them, tokens that count, the instant."""

    def __init__(self, found: Sequence[AtGate], tokens: frozenset[str], now: datetime) -> None:
        self._by_cookie = {each.session.credential: each for each in found}
        self._by_jti = {each.session.jti: each for each in found if each.session.jti in tokens}
        self._now = now

    def plain(self, question: Question) -> SessionRow | None:
        """The session of a question whose gate and credential are right, while the clock is not in doubt."""
        shown = question.credential
        if shown is None:
            return None
        at = self._by_cookie.get(shown.cookie) if shown.token is None else self._by_jti.get(shown.token.jti)
        if at is None or at.gate_key is None or not hmac.compare_digest(at.gate_key, question.gate_key):
            return None
        behind = at.last_at is not None and at.last_at - self._now > MAX_AHEAD
        return None if behind else at.session
