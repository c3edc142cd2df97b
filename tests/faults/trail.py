"""An exported trail, read from outside: the zip, the JSON, the hashes, nothing of the service's own reader."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

Entry = dict[str, Any]


@dataclass(frozen=True)
class Trail:
    """The bundle's leaves, entries and evidence."""

    leaves: tuple[bytes, ...]
    evidence: dict[str, bytes]
    people: dict[str, str]
    """E-mails by person, as entry 0 has them."""

    @classmethod
    def read(cls, path: Path) -> Trail:
        with ZipFile(path) as bundle:
            leaves = bundle.read("data/entries.jsonl").splitlines()
            folder = "data/evidence/"
            names = [name for name in bundle.namelist() if name.startswith(folder)]
            evidence = {f"sha256:{name.removeprefix(folder)}": bundle.read(name) for name in names}
            first = json.loads(bundle.read("data/private.jsonl").splitlines()[0])
            return cls(tuple(leaves), evidence, json.loads(first["fields"]["emails"]))

    @cached_property
    def entries(self) -> list[Entry]:
        return [json.loads(leaf) for leaf in self.leaves]

    @cached_property
    def by_request(self) -> dict[str, list[Entry]]:
        """Entries by the request they are about, in order."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry["subject"].startswith("req_"):
                found.setdefault(entry["subject"], []).append(entry)
        return found

    def of(self, type_: str) -> list[Entry]:
        return [entry for entry in self.entries if entry["type"] == type_]

    def count(self, request: str, type_: str, **data: Any) -> int:
        """How often the request has that event, with this data."""
        return sum(
            entry["type"] == type_ and data.items() <= entry["data"].items()
            for entry in self.by_request.get(request, ())
        )

    def types(self, request: str) -> Counter[str]:
        return Counter(entry["type"] for entry in self.by_request.get(request, ()))

    def digest(self, index: int) -> str:
        return f"sha256:{sha256(self.leaves[index]).hexdigest()}"

    @cached_property
    def roots(self) -> list[bytes]:
        """The root at every size from 0 (RFC 6962, section 2.1), by the stack of perfect subtrees."""
        roots, stack = [sha256(b"").digest()], list[tuple[int, bytes]]()
        for leaf in self.leaves:
            stack.append((1, sha256(b"\x00" + leaf).digest()))
            while len(stack) > 1 and stack[-2][0] == stack[-1][0]:
                size, right = stack.pop()
                stack[-1] = (2 * size, _node(stack[-1][1], right))
            root = stack[-1][1]
            for _, left in reversed(stack[:-1]):
                root = _node(left, root)
            roots.append(root)
        return roots


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
