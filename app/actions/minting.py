"""The plain yes to who asks for an approval token, on PostgreSQL: many at once, nothing locked while it is judged.

Every row, entry, private part and piece of evidence is read anew for each token, as in `grants.mint`; what was judged
good once is known again by all of its bytes, and by them alone. What the judgement takes from the clock, it takes anew.
Whatever is not plainly a yes is asked for there, under the lock of the log, and is told why.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.actions.minted import Basis, Coin, Mint, Minted
from app.audit.derive import derive, evidence_named
from app.domain.errors import Refusal
from app.domain.institution import Institution
from app.domain.request import AccessRequest, due, may_mint
from app.storage import entries, leaves, minting
from app.storage.database import Database, Transaction
from app.storage.grouped import GroupCommit
from app.storage.heads import Heads, judged
from app.storage.leaves import Head
from app.storage.minting import Batch, Ground
from app.tokens.clients import Caller

REMEMBERED = 1024


class Wanted(NamedTuple):
    """Who asks for a token of which request, bound to the key `jkt` where one is named."""

    caller: Caller
    request: str
    jkt: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What was judged good: by the ground's print and the evidence, each piece by its name."""

    print: bytes
    evidence: dict[str, bytes]
    basis: Basis


class Minting:
    """Answers those who ask a process for tokens."""

    def __init__(self, database: Database, heads: Heads, mint: Mint) -> None:
        self._quick = database.dialect == "postgresql"
        self._heads, self._mint, self._database = heads, mint, database
        self._group = GroupCommit(database, self._write, at_once=True)
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def plainly(self, wanted: Wanted) -> Minted | None:
        """A token, recorded and told in the trail; null where it is not plain that there may be one, and nothing was
        written. Raises `Unavailable`.
        """
        return await self._group.put(wanted) if self._quick else None

    async def _write(self, tx: Transaction, wanted: Sequence[Wanted]) -> list[Minted | None]:
        grounds = await minting.read(tx, list({each.request for each in wanted}))
        bases = await self._judge(tx, grounds)
        struck: dict[str, list[tuple[int, Coin]]] = {}
        for place, each in enumerate(wanted):
            basis = bases.get(each.request)
            coin = None if basis is None else self._strike(basis, grounds[each.request].head.at, each)
            if coin is not None:
                struck.setdefault(coin.row.log, []).append((place, coin))
        heads = {ground.head.log: ground.head for ground in grounds.values()}
        batches = [_batch(heads[log], [coin for _, coin in coins]) for log, coins in struck.items()]
        fitting = [batch for batch in batches if minting.fits(batch.head, len(batch.stored))]
        recorded = await minting.record(tx, fitting) if fitting else frozenset()
        told = [each.entry for batch in fitting if batch.head.log in recorded for each in batch.stored]
        self._database.committed(told)
        answers: list[Minted | None] = [None] * len(wanted)
        for log in recorded:
            for place, coin in struck[log]:
                answers[place] = coin.minted
        return answers

    def _strike(self, basis: Basis, now: datetime, wanted: Wanted) -> Coin | None:
        """A token for who may have one now."""
        request = basis.request
        good = wanted.caller.serves(basis.row.log) and not due(request, now) and may_mint(request, now)
        coin = self._mint.strike(basis, wanted.caller, wanted.jkt, now) if good == basis.grant else None
        return None if isinstance(coin, Refusal) else coin

    async def _judge(self, tx: Transaction, grounds: dict[str, Ground]) -> dict[str, Basis]:
        """Those requests under whose grants tokens may be minted, as far as rows and trail go."""
        trusted = {request: ground for request, ground in grounds.items() if await self._is_trusted(ground.head)}
        names = {request: self._evidence_of(request, ground) for request, ground in trusted.items()}
        wanted = [(trusted[request].head.log, name) for request, chosen in names.items() for name in chosen]
        blobs = await minting.evidence(tx, list(dict.fromkeys(wanted)))
        bases = {}
        for request, ground in trusted.items():
            log = ground.head.log
            evidence = {name: blobs[log, name] for name in names[request] if (log, name) in blobs}
            basis = self._basis(request, ground, evidence)
            if basis is not None:
                bases[request] = basis
        return bases

    async def _is_trusted(self, head: Head) -> bool:
        return not head.clock_ahead and await judged(self._heads, head.origin, head.size) is None

    def _evidence_of(self, request: str, ground: Ground) -> Sequence[str]:
        known = self._known.get(request)
        if known is not None and known.print == ground.print:
            return list(known.evidence)
        return evidence_named(entries.read_grounds(ground.read().entries))

    def _basis(self, request: str, ground: Ground, evidence: dict[str, bytes]) -> Basis | None:
        known = self._known.get(request)
        if known is None or known.print != ground.print or known.evidence != evidence:
            basis = self._derived(ground, evidence)
            if basis is None:
                return None
            self._known[request] = known = _Known(ground.print, evidence, basis)
        self._known.move_to_end(request)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known.basis

    def _derived(self, ground: Ground, evidence: dict[str, bytes]) -> Basis | None:
        """What a ground gives, where rows and trail say the same of a grant."""
        state, row, found, rows = ground.read()
        request = AccessRequest.from_data(row.state)
        if request.grant is None or any(map(entries.names_standing, rows)):
            return None
        basis = Basis(Institution.from_data(state), row, request, request.grant)
        derived = derive(entries.read_grounds(rows), evidence, row.id)
        good = not isinstance(derived, Refusal) and basis.is_derived(self._mint.secrets, found, derived)
        return basis if good else None


def _batch(head: Head, coins: Sequence[Coin]) -> Batch:
    """The entries of these tokens, as one append."""
    stored = [leaves.compose(head, index, coin.event) for index, coin in enumerate(coins, head.size)]
    return Batch(head, stored, [coin.row for coin in coins])
