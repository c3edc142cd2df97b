"""The logs observe each other, so that neither can be swapped alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.actions.doctor import examine
from app.actions.ledger import write
from app.actions.observing import observe
from app.actions.publishing import publish
from app.audit.verify import verify_bundle
from app.domain.events import SERVICE, Event
from app.domain.kinds import VENDOR
from app.storage import entries, nodes
from tests.actions.worlds import CODE, HEAD, World

DAY = timedelta(hours=24)


async def tick(world: World, length: timedelta = timedelta(minutes=11)) -> int:
    """Time passes, what is due is published and observed; how many logs were observed."""
    world.skip(length)
    while await publish(world.services):
        pass
    return await observe(world.services)


async def observed(world: World, log: str) -> list[dict[str, Any]]:
    async with world.services.database.read() as tx:
        found = await entries.find(tx, log, entries.LeafFilter(type="log.observed"), 100)
    return [dict(each.entry.data) for each in found]


async def tell(world: World, log: str, **data: object) -> None:
    """An observation that nobody made."""
    async with write(world.services, log) as book:
        book.add(Event("log.observed", log, SERVICE, data))
        await book.append()


async def test_each_log_records_the_other_once_a_day_while_it_grows(enrolled: World) -> None:
    world = enrolled
    assert await tick(world) == 1
    (vendors,), (its,) = await observed(world, CODE), await observed(world, VENDOR)
    assert (its["origin"], vendors["origin"]) == (world.services.origin(CODE), world.services.origin(VENDOR))
    for log, told in ((CODE, its), (VENDOR, vendors)):
        async with world.services.database.read() as tx:
            assert (await nodes.edge_at(tx, log, told["size"])).root().hex() == told["root"].removeprefix("sha256:")
    await world.file()
    assert await tick(world) == 0  # not yet a day
    assert await tick(world, DAY) == 1
    assert [len(await observed(world, log)) for log in (CODE, VENDOR)] == [2, 2]
    for _ in range(3):
        assert await tick(world, 2 * DAY) == 0  # what observing added is no growth
    assert [len(await observed(world, log)) for log in (CODE, VENDOR)] == [2, 2]
    assert await examine(world.services) == []


async def test_a_bundle_holds_what_the_vendors_log_observed_of_it(enrolled: World) -> None:
    world = enrolled
    await world.approve(HEAD, (await world.file()).row.id)
    await tick(world)
    report = await world.verify(await world.bundle())
    assert (report.exit_code, report.findings) == (0, ())
    filtered = await world.verify(await world.bundle((await world.file()).row.id))
    assert filtered.findings == ()


async def test_what_was_observed_and_is_no_longer_there_is_found(enrolled: World) -> None:
    world = enrolled
    await tick(world)
    honest = (await observed(world, CODE))[0]
    false = "sha256:" + "0" * 64
    await tell(world, VENDOR, origin=world.services.origin(CODE), size=3, root=false)
    found = verify_bundle(await world.bundle()).findings
    assert [(each.index, each.code) for each in found] == [(2, "rewritten")]
    assert any(each.log == VENDOR and "not its beginning" in each.words for each in await examine(world.services))
    await tell(world, CODE, origin=honest["origin"], size=honest["size"] - 1, root=false)
    await tell(world, CODE, origin="another.example/VENDOR", size=9, root=false)
    await tell(world, CODE, origin=honest["origin"], size=1_000_000, root=false)
    found = verify_bundle(await world.bundle()).findings
    assert {each.code for each in found} == {"rewritten", "observed-shrunk", "observed-other", "vendor-log"}
