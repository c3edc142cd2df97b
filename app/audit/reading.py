"""The entries of a bundle, line by line: canonical form, catalogue, hashes, private parts, proofs. Constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import orjson

from app.audit import bundleform as form
from app.audit.bundlereader import Bundle
from app.audit.findings import Fault
from app.audit.replay import Replay
from app.audit.world import Fields
from app.audit.zipreader import BundleError
from app.domain.errors import CatalogueError
from app.domain.events import CATALOGUE, Entry, entry_from, entry_of_form
from app.trail import canonical, log
from app.trail.checkpoint import Checkpoint
from app.trail.hashing import Edge, leaf_hash
from app.trail.proofs import ProofError, verify_inclusion

_BATCH = 512
_NULLABLE = "str?"


@dataclass(slots=True)
class Roots:
    """The roots of a log at the sizes wanted, while its leaves pass by."""

    wanted: frozenset[int]
    edge: Edge = field(default_factory=Edge)
    found: dict[int, bytes] = field(default_factory=dict)
    _waiting: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if 0 in self.wanted:
            self.found[0] = self.edge.root()

    @property
    def size(self) -> int:
        """How many leaves have passed."""
        return self.edge.size + len(self._waiting)

    def add(self, leaf: bytes) -> None:
        """The next leaf."""
        waiting = self._waiting
        waiting.append(leaf)
        if len(waiting) == _BATCH or self.edge.size + len(waiting) in self.wanted:
            self.flush()

    def flush(self) -> None:
        """Take in what is waiting."""
        self.edge = self.edge.append(map(leaf_hash, self._waiting))
        self._waiting.clear()
        if self.edge.size in self.wanted:
            self.found[self.edge.size] = self.edge.root()


def read_entry(leaf: bytes) -> Entry:
    """The entry of exact leaf bytes. Raises `Fault`.

    Most leaves match the form of their type, which says all of it at once. Of the others, canonical bytes are those
    that sorted keys give back; what else `canonical.decode` refuses (floats, large integers, keys that are not ASCII,
    depth) the catalogue refuses too, so it is not walked through twice. This is the hot path.
    """
    try:
        found = orjson.loads(leaf)
        quick = entry_of_form(found, leaf) if type(found) is dict else None
        if quick is not None:
            return quick
        if orjson.dumps(found, option=orjson.OPT_SORT_KEYS) != leaf or type(found) is not dict:
            raise Fault("form", "the line is no entry in canonical form")
        return entry_from(found)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise Fault("form", "the line is no entry in canonical form") from error
    except CatalogueError as error:
        raise Fault("catalogue", str(error)) from error


class Proofs:
    """The inclusion proofs of a log of which a bundle holds but some entries."""

    def __init__(self, bundle: Bundle, checkpoint: bytes, head: Checkpoint | None, *, vendor: bool) -> None:
        self._bundle, self._checkpoint, self._head, self._vendor = bundle, checkpoint, head, vendor
        self.left = bundle.proofs(vendor=vendor)

    def judge(self, index: int, leaf: bytes) -> None:
        """Raise `Fault` unless there is a proof that the leaf is the log's at `index`."""
        path = form.proof_path(index, vendor=self._vendor)
        if path not in self.left:
            raise Fault("proof", "there is no proof that the log has this entry")
        self.left.discard(path)
        if self._head is None:
            return
        try:
            at, hashes = form.read_proof(self._bundle.read(path, form.MAX_NOTE + 65 * 64), self._checkpoint)
            verify_inclusion(at, self._head.size, leaf_hash(leaf), hashes, self._head.root)
        except (form.FormError, ProofError) as error:
            raise Fault("proof", f"the proof of this entry fails: {error}") from error
        if at != index:
            raise Fault("proof", "the proof is of another entry")


class PrivateParts:
    """The private parts of a bundle, taken in step with the entries that commit to them."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.there = self.erased = 0
        self._lines = map(_private_line, lines)
        self._next = next(self._lines, None)
        self._salts: set[str] = set()

    def of(self, replay: Replay, entry: Entry) -> Fields | None:
        """The private fields of an entry; null where it has none or they are erased. Raises `Fault`."""
        if entry.private is None:
            return None
        if self._next is None or self._next[0] > entry.index:
            replay.world.miss_part(entry)
            return None
        index, part, fields, salt = self._next
        self._next = next(self._lines, None)
        if index < entry.index:
            raise Fault("private-unclaimed", f"private.jsonl has a part for entry {index} where there is none")
        if fields is None:
            self.erased += 1
            replay.world.miss_part(entry)
            return None
        self.there += 1
        return self._judged(entry, part, fields, salt)

    def rest(self) -> int:
        """How many lines nobody has asked for."""
        return (self._next is not None) + sum(1 for _ in self._lines)

    def _judged(self, entry: Entry, part: bytes, fields: Fields, salt: str) -> Fields:
        if canonical.sha(part) != entry.private:
            raise Fault("private-changed", "the private part is not what the entry commits to")
        if salt in self._salts:
            raise Fault("salt-reused", "the private part has the salt of another")
        self._salts.add(salt)
        kinds = CATALOGUE[entry.type].private
        if fields.keys() != kinds.keys() or any(
            fields[name] is None and kind != _NULLABLE for name, kind in kinds.items()
        ):
            raise Fault("private-form", "the private part has not the fields of its type")
        return fields


_Line = tuple[int, bytes, Fields | None, str]


def _private_line(line: bytes) -> _Line:
    """Index, the private part as it was committed to, its fields (null: erased), its salt. Raises `BundleError`."""
    try:
        data = orjson.loads(line)
        if orjson.dumps(data, option=orjson.OPT_SORT_KEYS) != line:  # the rest of what JCS asks, the form below asks
            raise BundleError("a line of private.jsonl is not canonical")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise BundleError("a line of private.jsonl is not canonical") from error
    match data:
        case {"erased": True, "index": int(index), **rest} if not rest and index >= 0 and type(index) is int:
            return index, b"", None, ""
        case {"fields": dict(fields), "index": int(index), "salt": str(salt), **rest} if (
            not rest and type(index) is int
        ):
            # The line is canonical, so that taking out its index leaves the very bytes that were committed to.
            tail = b',"salt":"%s"}' % salt.encode()
            part = line[: len(line) - len(tail) - len(b',"index":%d' % index)] + tail
            if index >= 0 and log.is_salt(salt) and all(each is None or type(each) is str for each in fields.values()):
                return index, part, cast("Fields", fields), salt
    raise BundleError("a line of private.jsonl is not of its form")


def leaves(bundle: Bundle, path: str) -> Iterator[bytes]:
    """The leaves in a file of entries."""
    return bundle.lines(path, log.MAX_LEAF)
