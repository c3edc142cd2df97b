"""One log, kept in memory, and written with its own key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from app.domain.events import Entry, Event, entry_from
from app.domain.ids import encode
from app.domain.times import stamp
from app.trail import canonical, log, note
from app.trail.checkpoint import Checkpoint, sign_checkpoint
from app.trail.hashing import Edge, leaf_hash
from app.trail.memory import MemoryStore

LOG_NAME = "countersign.example"


class Trail:
    """One log, kept in memory: exact leaves, private parts, entries."""

    def __init__(self, code: str) -> None:
        self.code, self.origin = code, f"{LOG_NAME}/{code}"
        self.signer = note.Signer.from_seed(self.origin, sha256(code.encode()).digest())
        self.leaves: list[bytes] = []
        self.private: list[bytes | None] = []
        self.entries: list[Entry] = []
        self.edge = Edge()

    def add(self, event: Event, at: datetime, salt: str | None = None, **fields: Any) -> Entry:
        """Compose and keep an entry; `fields` override those of the leaf."""
        index = len(self.leaves)
        made = log.compose(
            index=index, entry_id=encode("evt", index + 1), at=stamp(at), institution=self.code, type=event.type,
            subject=event.subject, actor={"kind": event.actor.kind, "id": event.actor.id}, data=event.data,
            private_fields=event.private, salt=salt or log.new_salt(),
        )  # fmt: skip
        leaf = made.leaf
        if fields:
            leaf = canonical.encode({**orjson.loads(leaf), **fields})
        self.leaves.append(leaf)
        self.private.append(made.private)
        self.edge = self.edge.append([leaf_hash(leaf)])
        entry = entry_from(orjson.loads(leaf))
        self.entries.append(entry)
        return entry

    def rebuild(self) -> None:
        """The tree over the leaves as they are now: an operator signs what he likes."""
        self.edge = Edge().append(map(leaf_hash, self.leaves))

    def checkpoint(self, size: int | None = None) -> bytes:
        """The signed checkpoint at a size."""
        edge = self.edge if size is None else Edge().append(map(leaf_hash, self.leaves[:size]))
        return sign_checkpoint(Checkpoint(self.origin, edge.size, edge.root()), self.signer)

    async def proofs(self, indexes: Sequence[int]) -> list[tuple[int, tuple[bytes, ...]]]:
        """Inclusion proofs at the present size."""
        tree = log.Log(MemoryStore())
        await tree.append(self.leaves)
        return [(index, (await tree.inclusion(index, len(self.leaves))).hashes) for index in indexes]
