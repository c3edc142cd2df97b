"""What stands on a report, as values: whoever sets it on paper takes them as they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a section: `text`, `quote`, `code`, `pairs` (rows of two) or `table`."""

    kind: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report with its heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file that the PDF carries inside: what `says` is read out for it."""

    name: str
    type: str
    says: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """A report. `lang`: BCP 47, without region; `rtl`: it runs from right to left."""

    title: str
    description: str
    lang: str
    rtl: bool
    made_at: datetime
    lead: tuple[str, ...]
    foot: str
    sections: tuple[Section, ...]
