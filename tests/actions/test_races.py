"""Many hands at once: whatever races, each request ends in exactly one terminal state, and the trail tells the same."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from app.actions import decisions, requests
from app.actions.clock import sweep
from app.actions.journey import arrive
from app.domain.errors import Refused
from app.domain.request import TERMINAL, AccessRequest, created, evolve
from app.storage import entries
from app.storage import requests as rows
from app.trail import canonical
from tests.actions.worlds import CODE, DEPUTY, HEAD, LIBRARIAN, WHERE, World
from tests.counts import times

REQUESTS, WORKERS, COMMANDS = times(60, 200), 32, 5
TERMINAL_EVENTS = {
    f"request.{status}" for status in ("elapsed", "completed", "revoked", "denied", "expired", "withdrawn")
}

# What a loser is told. Anything else that a racer meets is a fault.
LOST = {"wrong-state", "already-answered", "draft-over", "sign-in-refused", "not-found"}


class Race:
    """Workers that take random commands on random requests; `won` counts what was acknowledged."""

    def __init__(self, world: World, ids: list[str], seed: int) -> None:
        self.world, self.ids, self.random = world, ids, random.Random(seed)
        self.won: Counter[tuple[str, str]] = Counter()
        self.lost: Counter[str] = Counter()

    async def run(self) -> None:
        todo = [each for each in self.ids for _ in range(COMMANDS)]
        self.random.shuffle(todo)
        await asyncio.gather(*(self._worker(todo) for _ in range(WORKERS)))

    async def _worker(self, todo: list[str]) -> None:
        while todo:
            await self._one(todo.pop())

    async def _one(self, request: str) -> None:
        world, chosen = self.world, self.random
        by = chosen.choice([HEAD, LIBRARIAN, DEPUTY])
        commands: dict[str, Callable[[], Awaitable[object]]] = {
            "approve": lambda: self._approve(by, request),
            "deny": lambda: world.deny(by, request),
            "withdraw": lambda: requests.withdraw(world.services, world.caller, request, "Solved.", None),
            "complete": lambda: requests.complete(world.services, world.caller, request, "Done.", None),
            "revoke": lambda: self._revoke(by, request),
            "expire": self._expire,
        }
        name = chosen.choices(list(commands), weights=[5, 1, 1, 1, 2, 1])[0]
        try:
            await commands[name]()
        except Refused as refused:
            self.lost[refused.refusal.problem] += 1
        else:
            self.won[name, request] += 1

    async def _approve(self, by: str, request: str) -> None:
        draft = await self.world.draft(by, request)
        begun = await decisions.confirm(self.world.services, await self.world.visitor(by), request, draft, None)
        assert begun is not None
        arrived = await arrive(self.world.services, CODE, await self.world.visit(begun, by), begun.cookie)
        # The racers share a person's session, so its renewal at step-up is left out of the race.
        who = await self.world.visitor(by)
        await decisions.countersigned(self.world.services, who, CODE, arrived, WHERE)

    async def _revoke(self, by: str, request: str) -> None:
        await decisions.revoke(self.world.services, await self.world.visitor(by), request, "")

    async def _expire(self) -> None:
        self.world.skip(timedelta(seconds=40))
        await sweep(self.world.services)


@pytest.mark.slow
async def test_of_all_that_races_on_a_request_one_wins(enrolled: World) -> None:
    world = enrolled
    soon = {"not_before": world.now() + timedelta(seconds=50), "minutes": 15}
    ids = [(await world.file(**(soon if n % 3 == 0 else {"minutes": 15}))).row.id for n in range(REQUESTS)]
    race = Race(world, ids, seed=2026)
    await race.run()
    assert set(race.lost) <= LOST
    world.skip(timedelta(days=4))
    while await sweep(world.services):
        pass
    for request in ids:
        await _judge(world, request, race)
    assert len({name for name, _ in race.won}) == 6, race.won
    assert race.lost["wrong-state"] > REQUESTS / 4, race.lost
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings, report.missing) == (0, (), ())


async def _judge(world: World, request_id: str, race: Race) -> None:
    """One terminal event; the row is the fold of the entries; what was acknowledged is there, once."""
    async with world.services.database.read() as tx:
        row = await rows.read(tx, request_id, CODE)
        stored = await entries.entries_of(tx, CODE, request_id)
    own = [each for each in stored if each.entry.subject == request_id]
    assert row is not None
    request = created(own[0].entry, canonical.sha(own[0].leaf))
    for each in own[1:]:
        request = evolve(request, each.entry)
    types = Counter(each.entry.type for each in own)
    assert request.status in TERMINAL
    assert sum(types[type_] for type_ in TERMINAL_EVENTS) == 1
    assert AccessRequest.from_data(row.state) == request
    assert row.status == request.status
    for name, type_ in (("withdraw", "withdrawn"), ("complete", "completed"), ("revoke", "revoked")):
        assert race.won[name, request_id] == types[f"request.{type_}"]
    verdicts = Counter(each.entry.data["verdict"] for each in own if each.entry.type == "decision.made")
    assert verdicts["approve"] == race.won["approve", request_id]
    assert verdicts["deny"] == race.won["deny", request_id]
