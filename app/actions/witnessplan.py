"""Witnesses as a world file declares them. Their keys stand in the vendor's log; where they are asked does not."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.ledger import Ledger
from app.actions.worldspecs import WitnessSpec
from app.domain.events import Actor, Event
from app.domain.kinds import VENDOR
from app.storage import witnesses
from app.storage.database import Transaction
from app.storage.witnesses import WitnessRow


@dataclass(frozen=True, slots=True)
class WitnessPlan:
    """What a world file changes about witnesses: `before`, `after`: the address of each, by its key."""

    before: dict[str, str]
    after: dict[str, str]

    def lines(self) -> list[str]:
        """The changes for people."""
        both = sorted(self.before.keys() & self.after.keys())
        return [
            *(f"+ witness {vkey} at {url}" for vkey, url in sorted(self.after.items()) if vkey not in both),
            *(f"~ witness {key}: {self.after[key]}" for key in both if self.before[key] != self.after[key]),
            *(f"- witness {vkey}" for vkey in sorted(self.before) if vkey not in both),
        ]


async def plan_witnesses(tx: Transaction, specs: tuple[WitnessSpec, ...]) -> WitnessPlan:
    """Compare declared witnesses with those there are."""
    before = {row.vkey: row.url for row in await witnesses.every(tx)}
    return WitnessPlan(before, {each.vkey: each.url for each in specs})


async def change_witnesses(book: Ledger, planned: WitnessPlan, operator: Actor) -> None:
    """Make the declared ones count; `book` is the vendor's, and told where the keys are others."""
    if not planned.lines():
        return
    await witnesses.declare(book.tx, [WitnessRow(vkey, url) for vkey, url in planned.after.items()])
    if planned.before.keys() != planned.after.keys():
        book.add(Event("witness.set", VENDOR, operator, {"vkeys": sorted(planned.after)}))
