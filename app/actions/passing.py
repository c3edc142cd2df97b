"""The gate's question: may this request pass? A yes is given only after the request was written down, for good.

Concurrent questions share one transaction: their sessions are locked and read, what may pass is recorded by set-based
statements, and all are answered after the commit. A question joins only a transaction that begins after it was asked,
so whatever ended a session before is seen. What is not plainly a yes is asked again by itself: a session that was
silent resumes under the lock of its log, one whose grant is over ends there, and whoever is turned away becomes an
event, counted by the minute.
"""

from __future__ import annotations

import hmac
from asyncio import Future
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import orjson

from app.actions import gatekeys
from app.actions.credentials import Credential, session_of, tokens_that_count
from app.actions.gates import Gate, gate_of
from app.actions.services import Services
from app.actions.sessions import ENDINGS, Opener, refusal_of, settle, watch_session
from app.actions.turned_away import Counter, TurnedAway
from app.actions.watched import Reported, Watched, unforged
from app.domain.errors import Refusal, Refused
from app.domain.recording import SILENCE
from app.storage import gates, passing
from app.storage.database import Transaction
from app.storage.gates import KIND, AtGate, Passing
from app.storage.grouped import GroupCommit
from app.storage.leaves import MAX_AHEAD
from app.storage.sessions import LIVING, SessionRow
from app.tokens.secrets import Secrets

KNOWN = 16_384
"""How many sessions are remembered as rows that this service wrote."""
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

    @property
    def detail(self) -> str:
        """What is written down of it beside the summary: JSON."""
        return orjson.dumps({"ip": self.ip}).decode()


@dataclass(frozen=True, slots=True)
class Passed:
    """The request may pass, and is written down: whose it is. `engineer` is the vendor's id."""

    session: str
    institution: str
    account: str
    engineer: str

    @classmethod
    def of(cls, row: SessionRow | AtGate) -> Passed:
        """By the session's row."""
        return cls(row.id, row.log, row.account, row.engineer_id)


class Passage:
    """Answers the questions of a process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._quick = GroupCommit(services.database, self._record, at_once=True)
        self._group = GroupCommit(services.database, self._write)
        self._remembered = _Remembered(services.secrets)
        self._counter = Counter(services)

    async def ask(self, question: Question) -> Passed | Refusal:
        """Whether the request may pass; what is answered is committed. Raises `Refused` gate-unknown, `Unavailable`."""
        passed = None
        if question.credential is not None:
            likely = self._remembered.likely(question)
            passed = None if likely is None else await self._quick.put((likely, question))
            passed = passed or await self._group.put(question)
        return passed or await self._alone(question)

    def plainly(self, question: Question) -> Future[Passed | None] | None:
        """What will tell whether the request plainly may pass; where it does not, nothing was written down of it."""
        if question.credential is None:
            return None
        likely = self._remembered.likely(question)
        return self._group.ask(question) if likely is None else self._quick.ask((likely, question))

    async def _record(self, tx: Transaction, asked: Sequence[tuple[_Likely, Question]]) -> list[Passed | None]:
        """Record what plainly may pass, of sessions that passed before; null for what does not."""
        wanted = [passing.Asked(likely.expected, each.summary, each.detail) for likely, each in asked]
        passed = await passing.record(tx, wanted, ENDINGS)
        return [likely.passed if good else None for good, (likely, _) in zip(passed, asked, strict=True)]

    async def _write(self, tx: Transaction, questions: Sequence[Question]) -> list[Passed | None]:
        """Record what plainly may pass; null for what does not, of which nothing was written."""
        shown = [question.credential for question in questions if question.credential is not None]
        tokens = [each.token for each in shown if each.token is not None]
        cookies = [each.cookie for each in shown if each.cookie is not None]
        found, now = await gates.lock(tx, cookies, [each.jti for each in tokens], ENDINGS)
        counting = await tokens_that_count(self._services, tx, tokens, now)
        place = _Place([row for row in found if _goes_on(row, now) and self._remembered.holds(row)], counting)
        rows = [place.plain(question) for question in questions]
        asked = zip(rows, questions, strict=True)
        await gates.record(tx, now, [Passing(row, each.summary, each.detail) for row, each in asked if row is not None])
        return [None if row is None else self._remembered.passed(row) for row in rows]

    async def whose(self, question: Question) -> SessionRow | Refusal:
        """The session in which a question is asked, as far as is known without a lock; nothing is let through or
        written down of it, but whoever has none here is turned away. Raises `Refused` gate-unknown, `Unavailable`.
        """
        return (await self._looked_up(question))[1]

    async def _alone(self, question: Question) -> Passed | Refusal:
        """One question by itself, whatever it meets."""
        gate, found = await self._looked_up(question)
        return found if isinstance(found, Refusal) else await self._locked(gate, question, found)

    async def _looked_up(self, question: Question) -> tuple[Gate, SessionRow | Refusal]:
        async with self._services.database.look() as tx:
            gate = await gate_of(self._services, tx, question.gate_key)
            row = None if question.credential is None else await self._session(tx, question.credential)
        problem, refusal = self._problem(gate, question, row)
        if row is None or refusal is not None:
            own = row is not None and row.log == gate.code
            await self._turn_away(gate, problem, question.ip, row.id if row is not None and own else None)
            return gate, refusal or _NOBODY
        return gate, row

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
    await session.report((Reported(now, KIND, question.summary, question.detail),), now)


def _goes_on(row: AtGate, now: datetime) -> bool:
    """Whether a session is open, nothing is due of it, its log tells of no end, and the clock is not in doubt."""
    if row.state != "open" or row.ended or now >= row.not_after or now - row.seen_at >= SILENCE:
        return False
    recorded = row.record_by is None or now < row.record_by
    return recorded and (row.last_at is None or row.last_at - now <= MAX_AHEAD)


class _Known(NamedTuple):
    """A row whose MAC was found to hold, with its answer: every covered field has to be as it was then."""

    covered: Hashable
    gate_key: bytes | None
    gate_mac: bytes | None
    cookie: bytes | None
    passed: Passed


class _Likely(NamedTuple):
    """The answer to a cookie, if its session is what PostgreSQL is asked to find."""

    expected: passing.Expected
    passed: Passed


class _Remembered:
    """Sessions whose MAC, and that of their gate's key, was found to hold, with the answer of each: every covered field
    has to be as it was then. And what their cookies are likely to be answered (PostgreSQL).
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._rows: OrderedDict[str, _Known] = OrderedDict()
        self._cookies: dict[bytes, _Likely] = {}

    def likely(self, question: Question) -> _Likely | None:
        """The answer to a question with a cookie that passed before, at the gate where it did."""
        shown = question.credential
        found = None if shown is None or shown.cookie is None else self._cookies.get(shown.cookie)
        if found is None or not hmac.compare_digest(found.expected.gate_key, question.gate_key):
            return None
        return found

    def holds(self, row: AtGate) -> bool:
        """Whether this service wrote the row, and gave its environment the key."""
        known = self._rows.get(row.id)
        if known is not None and known[:3] == (row.covered, row.gate_key, row.gate_mac):
            return True
        place = row.log, row.environment, row.gate_key, row.gate_mac
        if not unforged(self._secrets, row) or not gatekeys.holds(self._secrets, *place):
            return False
        if known is not None:
            self._forget(row.id)
        self._keep(row)
        return True

    def passed(self, row: AtGate) -> Passed:
        """The answer, of a row that held."""
        return self._rows[row.id].passed

    def _keep(self, row: AtGate) -> None:
        passed = Passed.of(row)
        self._rows[row.id] = _Known(row.covered, row.gate_key, row.gate_mac, row.credential, passed)
        expected = passing.Expected.of(row)
        if row.credential is not None and expected is not None:
            self._cookies[row.credential] = _Likely(expected, passed)
        if len(self._rows) > KNOWN:
            self._forget(next(iter(self._rows)))

    def _forget(self, session: str) -> None:
        known = self._rows.pop(session)
        if known.cookie is not None:
            self._cookies.pop(known.cookie, None)


class _Place:
    """What a group found: sessions that go on, by what was shown for them, and tokens that count."""

    def __init__(self, good: Sequence[AtGate], tokens: frozenset[str]) -> None:
        self._by_cookie = {row.credential: row for row in good}
        self._by_jti = {row.jti: row for row in good if row.jti in tokens}

    def plain(self, question: Question) -> AtGate | None:
        """The session of a question whose gate and credential are right."""
        shown = question.credential
        if shown is None:
            return None
        row = self._by_cookie.get(shown.cookie) if shown.token is None else self._by_jti.get(shown.token.jti)
        if row is None or row.gate_key is None or not hmac.compare_digest(row.gate_key, question.gate_key):
            return None
        return row
