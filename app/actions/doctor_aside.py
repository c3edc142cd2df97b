"""The doctor on logs that were set aside: their trees alone, for they give nothing and nothing else is kept of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from app.storage import entries, nodes, succession
from app.storage.database import Transaction
from app.trail.hashing import Edge, leaf_hash


async def aside_differences(tx: Transaction) -> AsyncIterator[tuple[str, str]]:
    """Each log whose leaves are not those that its head tells of, with the words for it."""
    for log, _, size in await succession.every_aside(tx):
        edge = Edge()
        async for chunk in entries.stream(tx, log, 0, size):
            edge = edge.append([leaf_hash(each.leaf) for each in chunk])
        if edge != (await nodes.snapshot(tx, log))[1]:
            yield log, "what was set aside of the log is not what its head tells of"
