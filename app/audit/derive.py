"""Grants derived again, before anything is given on them: the service replays the request's own trail entries.

Rows of the hot path are never asked. What is asked are the entries that a bundle of this request would hold, their
private parts, and the evidence they name; the rules and countersignature checks are those of the offline verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.audit.replay import Replay
from app.audit.world import Sources
from app.domain.errors import Refusal
from app.domain.events import Entry
from app.domain.institution import Institution
from app.domain.request import AccessRequest
from app.trail import canonical, log

# A session left open is the worker's to end; it takes nothing from the grant.
_HARMLESS = frozenset({"session-lingers"})


class StoredEntry(Protocol):
    """An entry as storage gives it: the exact bytes of its leaf, and its private part where there is one."""

    @property
    def entry(self) -> Entry:
        """The entry."""

    @property
    def leaf(self) -> bytes:
        """Its leaf."""

    @property
    def private(self) -> bytes | None:
        """Its private part; null where it has none, or it was erased."""


@dataclass(frozen=True, slots=True)
class Derived:
    """What the entries give: the institution and the request as they are after the last of them."""

    institution: Institution
    request: AccessRequest


def evidence_named(stored: Iterable[StoredEntry]) -> list[str]:
    """The evidence that a derivation over these entries reads, each once."""
    return list(dict.fromkeys(digest for each in stored for digest in each.entry.data.get("evidence", ())))


def derive(stored: Iterable[StoredEntry], evidence: Mapping[str, bytes], request_id: str) -> Derived | Refusal:
    """The request, and with it the grant, that the trail gives; or why there is none to rely on.

    `stored`: what a read filtered by this request gives (`storage.entries.entries_about`), by rising index.
    `evidence`: blobs by `sha256:…`, at least those of `evidence_named`. Any finding refuses (`grant-not-derivable`).
    """
    replay = Replay(Sources(blob=evidence.get, whole=False))
    for each in stored:
        if each.private is not None and canonical.sha(each.private) != each.entry.private:
            return Refusal(
                "grant-not-derivable", f"entry {each.entry.index}: the private part is not what it commits to"
            )
        if each.entry.private is not None and each.private is None:
            replay.world.miss_part(each.entry)
        part = None if each.private is None else log.parse_private(each.private).fields
        replay.feed(each.entry, each.leaf, part)
    replay.finish()
    wrong = [finding for finding in replay.world.findings if finding.code not in _HARMLESS]
    if wrong:
        return Refusal("grant-not-derivable", f"entry {wrong[0].index}: {wrong[0].words} ({wrong[0].code})")
    request = replay.world.requests.get(request_id)
    if request is None:
        return Refusal("not-found", "There is no such request.")
    return Derived(replay.world.institution, request)
