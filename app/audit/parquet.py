"""A trail as Apache Parquet (https://parquet.apache.org/docs/file-format/): the columns of the other views, typed.

`index` and `v` are integers, `at` an instant in UTC, `data` and `private` JSON as text, all else text. What ends the
file is its footer, which also holds the end marker of the other views, as `countersign.end`: a file that broke off
cannot be opened. pyarrow is an extra (`requirements/parquet.txt`); without it this form is not offered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it has no stubs
from pyarrow import parquet

from app.audit.rows import COLUMNS, End, Row
from app.trail.hashing import leaf_hash

MEDIA_TYPE = "application/vnd.apache.parquet"
_GROUP_ROWS, _GROUP_BYTES = 8_192, 8 << 20

# A leaf is canonical, so that every key has its place, and no text between two quotes that is not escaped.
_LEAF = re.compile(
    rb'\{"actor":\{"id":"(?P<actor_id>[^"]*)","kind":"(?P<actor_kind>[^"]*)"\},"at":"(?P<at>[^"]*)",'
    rb'"data":(?P<data>\{.*\}),"id":"(?P<id>[^"]*)","index":(?P<index>[0-9]+),"institution":"(?P<institution>[^"]*)",'
    rb'(?:"private":"(?P<private_hash>[^"]*)",)?"subject":"(?P<subject>[^"]*)","type":"(?P<type>[^"]*)",'
    rb'"v":(?P<v>[0-9]+)\}',
    re.DOTALL,
)
_TYPES = {"index": pa.int64(), "v": pa.int64(), "at": pa.timestamp("us", "UTC")}
_SCHEMA = pa.schema([(name, _TYPES.get(name, pa.string())) for name in COLUMNS])
_ORDER = sorted(_LEAF.groupindex, key=_LEAF.groupindex.__getitem__)


class ParquetView:
    """One file, written forwards: each call gives the bytes that are ready."""

    media_type = MEDIA_TYPE

    def __init__(self) -> None:
        self._sink = _Sink()
        # Closed by hand: its own closing at the end of its life would write to a reader who is gone.
        self._writer = parquet.ParquetWriter(pa.PythonFile(self._sink, mode="w"), _SCHEMA, compression="snappy")
        self._waiting = _Columns()

    @property
    def head(self) -> bytes:
        """What the file begins with."""
        return self._sink.take()

    def rows(self, rows: Sequence[Row]) -> bytes:
        """These rows come next; nothing, until a row group is full. Raises `ValueError` for a leaf of no entry."""
        self._waiting.add(rows)
        if self._waiting.full:
            self._flush()
        return self._sink.take()

    def end(self, end: End) -> bytes:
        """The rest of the file."""
        self._flush()
        self._writer.add_key_value_metadata({"countersign.end": end.to_json().decode()})
        self._writer.close()
        return self._sink.take()

    def _flush(self) -> None:
        if count := len(self._waiting.indexes):
            self._writer.write_table(self._waiting.table(), row_group_size=count)
        self._waiting = _Columns()


class _Sink:
    """Where the writer writes: a file as far as it needs one."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class _Columns:
    """The columns of a row group, as it grows. Rows are not kept as they came: what the collector goes through again
    and again would cost more than all else.
    """

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self._hashes: list[str] = []
        self._private: list[bytes | None] = []
        self._parts: list[bytes | None] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        """Whether they are a row group."""
        return len(self.indexes) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES

    def add(self, rows: Sequence[Row]) -> None:
        """These rows come next. Raises `ValueError` for a leaf of no entry."""
        leaves, private = [leaf for _, leaf, _ in rows], [part for _, _, part in rows]
        for leaf in leaves:
            found = _LEAF.fullmatch(leaf)
            if found is None:
                raise ValueError("the leaf is of no entry")
            self._parts += found.groups()
        self.indexes += [index for index, _, _ in rows]
        self._hashes += [leaf_hash(leaf).hex() for leaf in leaves]
        self._private += private
        self._bytes += sum(map(len, leaves)) + sum(len(part) for part in private if part is not None)

    def table(self) -> pa.Table:
        """All of them."""
        made: dict[str, Sequence[Any]] = {name: self._parts[at :: len(_ORDER)] for at, name in enumerate(_ORDER)}
        made |= {"index": self.indexes, "leaf_hash": self._hashes, "private": self._private}
        made["v"] = list(map(int, made["v"]))
        return pa.table({name: _column(name, made[name]) for name in COLUMNS}, schema=_SCHEMA)


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    wanted = _TYPES.get(name, pa.string())
    if wanted == pa.int64() or name == "leaf_hash":
        return pa.array(values, wanted)
    return pa.array(values, pa.binary()).cast(pa.string()).cast(wanted)
