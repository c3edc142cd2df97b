"""The doctor: every tree rebuilt from its leaves, every trail replayed, and the tables compared with what they tell.

One snapshot a log, at constant memory but for the requests of one institution. `examine` changes nothing, and `seal`
nothing but seals of rows that agree with their trail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from app.actions import clientrows, gatekeys, seals, standing_rows
from app.actions.doctor_aside import aside_differences
from app.actions.doctor_findings import finding_differences
from app.actions.doctor_sessions import session_differences
from app.actions.doctor_witnesses import declared_differences, observed_differences, witness_differences
from app.actions.grant_rows import grant_row
from app.actions.keys import key_differences
from app.actions.ledger import write
from app.actions.opening import notify_text
from app.actions.services import Services
from app.audit.findings import Fault
from app.audit.reading import read_entry
from app.audit.replay import Replay
from app.audit.vendorfacts import VendorFacts
from app.audit.world import Fields, Sources, World
from app.domain.errors import CatalogueError
from app.domain.events import Entry
from app.domain.institution import Institution
from app.domain.kinds import VENDOR
from app.domain.people import Person
from app.storage import clients, entries, grants, institutions, nodes, objects, proposals, requests, roster
from app.storage.database import Transaction
from app.storage.institutions import InstitutionRow
from app.storage.leaves import Stored
from app.storage.requests import Filter, RequestRow
from app.storage.roster import RosterRow
from app.trail import canonical
from app.trail.hashing import Edge, leaf_hash
from app.trail.log import parse_private
from app.trail.tiles import WIDTH, Tile, TileRow, row, width_at

Progress = Callable[[int, int], None]
_PAGE = 200
SEAL_BROKEN = "the seal of the institution's row does not hold"
CLIENT_SEAL_BROKEN = "the seal does not hold of the row of"
GATE_SEAL_BROKEN = "the seal does not hold of the gate key of"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the trail tells it, or a trail not by the rules. `index`: of the entry, if any."""

    log: str
    index: int | None
    words: str


@dataclass(slots=True)
class Tree:
    """A tree that leaves are added to; each tile is given as a row when it is full."""

    edge: Edge = field(default_factory=Edge)
    open: list[list[bytes]] = field(default_factory=lambda: [[]])
    _rows: list[int] = field(default_factory=lambda: [0])

    def add(self, hashes: list[bytes]) -> Iterator[TileRow]:
        """The next leaf hashes."""
        self.edge = self.edge.append(hashes)
        for each in hashes:
            yield from self._push(0, each)

    def _push(self, level: int, value: bytes) -> Iterator[TileRow]:
        if level == len(self.open):
            self.open.append([])
            self._rows.append(0)
        self.open[level].append(value)
        if len(self.open[level]) == WIDTH:
            full = row(level, self._rows[level], self.open[level])
            self.open[level], self._rows[level] = [], self._rows[level] + 1
            yield full
            yield from self._push(level + 1, full.root)


async def examine(services: Services, progress: Progress | None = None) -> list[Difference]:
    """Every difference found, log by log. `progress` is called with the entries done and how many there are."""
    async with services.database.read() as tx:
        logs = await nodes.sizes(tx)
    total, done, found = sum(size for _, _, size in logs), 0, list[Difference]()
    facts = VendorFacts()
    for log, _, size in sorted(logs, key=lambda each: each[0] != VENDOR):
        async with services.database.read() as tx:
            found += await _Examination(services, tx, log, facts).run()
        done += size
        if progress is not None:
            progress(done, total)
    async with services.database.read() as tx:
        return [*found, *[Difference(log, None, words) async for log, words in aside_differences(tx)]]


async def seal(services: Services) -> tuple[str, ...]:
    """Seal the row of each institution that agrees with its trail in everything but its seal; their codes.

    With the vendor's, those of API clients; with the others, gate keys. (No trail tells of secrets and keys.)

    For rows of before there were seals, and after a change of the secret key.
    """
    async with services.database.read() as tx:
        logs = sorted((log for log, _, _ in await nodes.sizes(tx)), key=lambda log: (log != VENDOR, log))
    facts, sealed = VendorFacts(), list[str]()
    for log in logs:
        async with write(services, log) as book:
            found = await _Examination(services, book.tx, log, facts).run()
            newest = await seals.newest_change(book.tx, log)
            if not found or newest is None or not all(_is_of_seal(each) for each in found):
                continue
            await seals.put(services.secrets, book.tx, book.row, newest)
            if log == VENDOR:
                await clientrows.seal_all(book.tx, services.secrets)
            await gatekeys.seal_all(services.secrets, book.tx, log)
            sealed.append(log)
    return tuple(sealed)


def _is_of_seal(found: Difference) -> bool:
    return found.words == SEAL_BROKEN or found.words.startswith((CLIENT_SEAL_BROKEN, GATE_SEAL_BROKEN))


@dataclass(slots=True)
class _Examination:
    """One log. The vendor's is examined first, and teaches `facts`."""

    services: Services
    tx: Transaction
    log: str
    facts: VendorFacts
    found: list[Difference] = field(default_factory=list)
    tree: Tree = field(default_factory=Tree)
    blobs: dict[str, bytes] = field(default_factory=dict)

    async def run(self) -> list[Difference]:
        replay = Replay(Sources(blob=self.blobs.get, vendor=self.facts))
        vendor: list[Entry] = []
        try:
            await self._read(replay, vendor)
        except (CatalogueError, ValueError) as error:
            self.find(None, f"the log cannot be read: {error}")
            return self.found
        kept = await institutions.read(self.tx, self.log)
        if kept is None:
            self.find(None, "there is no institution of this log")
        elif self.log == VENDOR:
            await self._judge_vendor(vendor, kept)
            for differences in (declared_differences(self.tx, vendor), key_differences(self.services, self.tx)):
                self.found += [Difference(VENDOR, None, each) async for each in differences]
        else:
            replay.finish()
            told = replay.world.findings
            self.found += [Difference(self.log, each.index, f"{each.words} ({each.code})") for each in told]
            await self._judge_institution(replay.world, kept)
        return self.found

    async def _read(self, replay: Replay, vendor: list[Entry]) -> None:
        """One pass over the entries, which fill tree and replay. Raises `CatalogueError`, `ValueError`."""
        _, edge = await nodes.snapshot(self.tx, self.log)
        async for chunk in entries.stream(self.tx, self.log, 0, edge.size):
            await self._tiles([leaf_hash(each.leaf) for each in chunk])
            await self._read_blobs(chunk)
            for each in chunk:
                self._entry(replay, each, vendor)
        for index in await entries.uncounted(self.tx, self.log, edge.size):
            self.find(index, "there is an entry that the head does not count")
        await self._judge_tree(edge)
        for differences in (witness_differences, observed_differences):
            async for words in differences(self.tx, self.log):
                self.find(None, words)

    def find(self, index: int | None, words: str) -> None:
        self.found.append(Difference(self.log, index, words))

    async def _tiles(self, hashes: list[bytes]) -> None:
        for full in self.tree.add(hashes):
            tile = Tile(full.level, full.index)
            if (await nodes.read_tiles(self.tx, self.log, [tile])).get(tile) != full.hashes:
                self.find(None, f"tile {full.level}/{full.index} is not what its leaves make")

    async def _read_blobs(self, chunk: list[Stored]) -> None:
        named = [digest for each in chunk for digest in each.entry.data.get("evidence", ())]
        self.blobs.clear()
        self.blobs.update(await objects.read_many(self.tx, self.log, list(dict.fromkeys(named))))

    def _entry(self, replay: Replay, stored: Stored, vendor: list[Entry]) -> None:
        try:
            entry = read_entry(stored.leaf)
        except Fault as fault:
            replay.skip(fault.code, fault.words)
            return
        if self.log == VENDOR:
            vendor.append(entry)
            return
        try:
            part = _part(replay.world, entry, stored.private)
        except Fault as fault:
            replay.world.find(entry, fault.code, fault.words)
            part = None
        replay.feed(entry, stored.leaf, part)

    async def _judge_tree(self, edge: Edge) -> None:
        if self.tree.edge != edge:
            self.find(None, f"the head tells of {edge.size} leaves with another root than the leaves make")
            return
        for level, hashes in enumerate(self.tree.open):
            index = (edge.size >> 8 * level) // WIDTH
            tile = Tile(level, index, width_at(level, index, edge.size))
            if hashes and (await nodes.read_tiles(self.tx, self.log, [tile]))[tile] != b"".join(hashes):
                self.find(None, f"the open tile {level}/{index} is not what its leaves make")

    async def _judge_vendor(self, vendor: list[Entry], kept: InstitutionRow) -> None:
        self.facts.learn(vendor)
        self.found += [Difference(VENDOR, index, words) for index, words in self.facts.problems]
        if self.facts.vendor is None or kept.state != self.facts.vendor.to_data():
            self.find(None, "the vendor's row is not as entry 0 tells it")
        if not await seals.hold(self.services.secrets, self.tx, kept):
            self.find(None, SEAL_BROKEN)
        there = {row.id: row for row in await clients.read_all(self.tx)}
        for cli in sorted(there.keys() | self.facts.clients.keys()):
            row, told = there.get(cli), self.facts.clients.get(cli)
            if row is None or told is None:
                self.find(None, f"{cli} stands {'in the table' if told is None else 'in the log'} alone")
            elif (row.disabled, *map(frozenset, (row.institutions, row.scopes, row.audiences))) != (
                told.revoked_at is not None, told.institutions, told.scopes, told.audiences,
            ):  # fmt: skip
                self.find(None, f"the row of {cli} is not as its entries tell it")
            elif not await clientrows.is_sound(self.tx, self.services.secrets, row):
                self.find(None, f"{CLIENT_SEAL_BROKEN} {cli}")

    async def _judge_institution(self, world: World, kept: InstitutionRow) -> None:
        if world.state is None:
            return
        for name, value in world.state.to_data().items():
            if kept.state.get(name) != value:
                self.find(None, f"the institution's {name} is not as the trail tells it")
        if not await seals.hold(self.services.secrets, self.tx, kept):
            self.find(None, SEAL_BROKEN)
        async for place in gatekeys.broken(self.services.secrets, self.tx, self.log):
            self.find(None, f"{GATE_SEAL_BROKEN} {place.environment}")
        if kept.enrolled != (world.state.enrolled_at is not None):
            self.find(None, "the institution's row tells otherwise whether it is enrolled")
        if world.name not in (None, kept.name) or world.notify not in (None, notify_text(kept.notify)):
            self.find(None, "the institution's name or notification addresses are not as the trail tells them")
        waiting = {row.id for row in await proposals.waiting(self.tx, self.log)}
        for each in sorted(waiting ^ world.state.changes.keys()):
            self.find(None, f"{each} waits {'in the table' if each in waiting else 'in the trail'} alone")
        await self._judge_roster(world, world.state)
        await self._judge_requests(world)
        for each in await standing_rows.differing(self.services.secrets, self.tx, self.log, world.standing):
            self.find(None, f"the row of {each} is not as the trail tells it")
        async for words in session_differences(self.tx, self.log, self.services.secrets, world):
            self.find(None, words)
        async for words in finding_differences(self.tx, self.log, world):
            self.find(None, words)

    async def _judge_roster(self, world: World, state: Institution) -> None:
        rows = {row.person: row for row in await roster.people(self.tx, self.log)}
        for person in sorted(rows.keys() | state.people.keys()):
            row, told = rows.get(person), state.people.get(person)
            if row is None or told is None:
                self.find(None, f"{person} stands {'on the roster' if told is None else 'in the trail'} alone")
                continue
            if row.removed != told.removed or row.email != world.emails.get(person, row.email):
                self.find(None, f"the roster's row of {person} is not as the trail tells it")
            if not _is_told_account(world, row, told):
                self.find(None, f"{person} is bound to another account than the trail tells")

    async def _judge_requests(self, world: World) -> None:
        seen: set[str] = set()
        async for kept in self._requests():
            seen.add(kept.id)
            told = world.requests.get(kept.id)
            if told is None:
                self.find(None, f"{kept.id} stands in the table alone")
                continue
            if kept.state != told.to_data() or (kept.status, kept.number) != (told.status.value, told.number):
                self.find(told.created_index, f"the row of {kept.id} is not as the trail tells it")
            grant = await grants.of_request(self.tx, self.log, kept.id)
            wanted = None if told.grant is None else grant_row(self.services.secrets, kept, told.grant)
            if grant != wanted:
                self.find(told.created_index, f"the grant of {kept.id} is not as the trail tells it")
        for missing in sorted(world.requests.keys() - seen):
            self.find(world.requests[missing].created_index, f"{missing} stands in the trail alone")

    async def _requests(self) -> AsyncIterator[RequestRow]:
        before = None
        while page := await requests.find(self.tx, Filter(logs=(self.log,)), _PAGE, before):
            for each in page:
                yield each
            before = page[-1].id


def _is_told_account(world: World, row: RosterRow, told: Person) -> bool:
    """Whether the account of a row is the last one that the trail bound; who was removed may have none any more."""
    issuer = world.institution.provider.issuer
    if row.iss is None:
        return told.removed or told.bound_at(issuer) is None
    last = row.iss == issuer or told.bound_at(issuer) is None
    known = world.subjects.get((row.person, row.iss))
    return last and (known == row.sub or (known is None and told.removed))  # what bound them may have been erased


def _part(world: World, entry: Entry, private: bytes | None) -> Fields | None:
    """The private fields of an entry. Raises `Fault` where they are not those that it commits to."""
    if entry.private is None:
        return None
    if private is None:
        world.miss_part(entry)
        return None
    if canonical.sha(private) != entry.private:
        raise Fault("private-changed", "the private part is not what the entry commits to")
    return parse_private(private).fields
