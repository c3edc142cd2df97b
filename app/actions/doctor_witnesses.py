"""The doctor on witnesses: whether what they signed is of this very tree, and whether they still follow the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from app.actions.witnessing import AHEAD, FORK
from app.domain.events import Entry
from app.storage import entries, nodes, succession, witnesses
from app.storage.database import Transaction
from app.storage.entries import LeafFilter
from app.trail.checkpoint import Checkpoint
from app.trail.note import Note
from app.trail.proofs import ProofError
from app.trail.witness import holding


async def witness_differences(tx: Transaction, log: str) -> AsyncIterator[str]:
    """What differs between a log and what witnesses signed or know of it."""
    origin, edge = await nodes.snapshot(tx, log)
    for each in await witnesses.cosignatures(tx, log):
        try:
            root = (await nodes.edge_at(tx, log, each.size)).root()
        except ProofError:
            yield f"{each.vkey} cosigned {each.size} entries, the log has {edge.size}"
            continue
        if holding(Note(Checkpoint(origin, each.size, root).text(), ()), each.vkey, each.line) is None:
            yield f"the cosignature of {each.size} entries by {each.vkey} does not hold"
    for known in (await witnesses.sizes(tx, log)).values():
        if known.problem == AHEAD and known.size > edge.size:
            yield f"{known.vkey} knows {known.size} entries, the log has {edge.size}: an old backup was restored"
        elif known.problem == FORK:
            yield f"{known.vkey} refuses the log: the {known.size} entries that it knows are not its beginning"


async def observed_differences(tx: Transaction, log: str) -> AsyncIterator[str]:
    """Whether what a log recorded of others is still their beginning; of those set aside, as far as they are left."""
    logs = {origin: name for name, origin, _ in await nodes.sizes(tx)}
    left = {origin: (name, size) for name, origin, size in await succession.every_aside(tx)}
    logs |= {origin: name for origin, (name, _) in left.items()}
    for each in await entries.find(tx, log, LeafFilter(type="log.observed"), 1 << 31):
        origin, size, root = (each.entry.data[name] for name in ("origin", "size", "root"))
        if origin in left and size > left[origin][1]:
            continue
        try:
            there = (await nodes.edge_at(tx, logs[origin], size)).root().hex()
        except (KeyError, ProofError):
            there = ""
        if root != f"sha256:{there}":
            yield f"entry {each.entry.index} observed {size} entries of {origin}, which are not its beginning"


async def declared_differences(tx: Transaction, vendor: Sequence[Entry]) -> AsyncIterator[str]:
    """Whether the witnesses that are asked are those that the vendor's log tells of."""
    told = [entry.data["vkeys"] for entry in vendor if entry.type == "witness.set"]
    if [row.vkey for row in await witnesses.every(tx)] != (told[-1] if told else []):
        yield "the witnesses are not those that the log tells of"
