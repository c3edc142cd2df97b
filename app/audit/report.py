"""What `verify` found, as a value, as JSON and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.audit.findings import Finding
from app.audit.world import GrantRow
from app.domain.times import stamp

CLEAN, FOUND, UNREADABLE, UNANCHORED = 0, 1, 2, 3
GROUNDS = ("approval", "standing", "implementation")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a verification.

    `missing`: what would have to be given, or be in the bundle, for a clean bundle to be anchored. `notes`: what the
    verification could not say and does not claim. `unwitnessed`: entries that no checkpoint of a witness given covers.
    `erased`: how many private parts (`private`) and evidence blobs (`evidence`) were erased with leave, by the type of
    their entry; what rested on them could not be checked.
    `newest_sign_in`, `cosigned_at`: seconds since 1970, clocks that are not the service's; null where there are none.
    """

    bundle: str
    institution: str = ""
    origin: str = ""
    request: str | None = None
    entries: int = 0
    last_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    grants: tuple[GrantRow, ...] = ()
    erased: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unwitnessed: int = 0
    newest_sign_in: int | None = None
    cosigned_at: int | None = None
    error: str | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def anchored(self) -> bool:
        """Whether everything rests on what the verifier brought along."""
        return not self.missing

    @property
    def exit_code(self) -> int:
        """0 clean and anchored, 3 clean but not anchored, 1 a finding, 2 unreadable."""
        if self.error is not None:
            return UNREADABLE
        if self.findings:
            return FOUND
        return CLEAN if self.anchored else UNANCHORED

    def to_data(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "bundle": self.bundle,
            "verified": self.exit_code in {CLEAN, UNANCHORED},
            "anchored": self.exit_code == CLEAN,
            "exit_code": self.exit_code,
            "error": self.error,
            "institution": self.institution,
            "origin": self.origin,
            "request": self.request,
            "entries": self.entries,
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings],
            "missing": list(self.missing),
            "notes": list(self.notes),
            "grants": [_grant(row) for row in self.grants],
            "erased": {what: dict(sorted(counts.items())) for what, counts in self.erased.items()},
            "unwitnessed": self.unwitnessed,
            "at": {
                "last": _stamp(self.last_at),
                "newest_sign_in": _seconds(self.newest_sign_in),
                "cosigned": _seconds(self.cosigned_at),
            },
        }

    def to_text(self) -> str:
        """The report for people: verdict, table of findings, grants by ground, what is not proved."""
        if self.error is not None:
            return f"{self.bundle} cannot be read: {self.error}\n"
        scope = f"request {self.request}, {self.entries} entries" if self.request else f"{self.entries} entries"
        sections = [
            f"{self.bundle}: {self.institution} ({self.origin}), {scope}",
            *self._findings(),
            *self._grants(),
            *self._clocks(),
            *(f"Note: {note}" for note in self.notes),
            *(f"Not anchored: {reason}" for reason in self.missing),
            _VERDICTS[self.exit_code],
        ]
        return "\n".join(sections) + "\n"

    def _findings(self) -> list[str]:
        if not self.findings:
            return []
        rows = [("entry", "finding", "")]
        rows += [("-" if each.index is None else str(each.index), each.code, each.words) for each in self.findings]
        return _table(rows)

    def _grants(self) -> list[str]:
        rows = [("ground", "request", "entry", "from", "to", "environment", "approvers")]
        for ground in GROUNDS:
            rows += [
                (
                    ground,
                    row.number,
                    str(row.index),
                    stamp(row.not_before),
                    stamp(row.not_after),
                    row.environment,
                    ", ".join(row.approvers) or "-",
                )
                for row in self.grants
                if row.ground == ground
            ]
        return _table(rows) if self.grants else ["No grant was given."]

    def _clocks(self) -> list[str]:
        lines = []
        if self.newest_sign_in is not None:
            lines.append(f"Newest sign-in, by the provider's clock: {_seconds(self.newest_sign_in)}")
        if self.cosigned_at is not None:
            lines.append(f"Cosigned by a witness at: {_seconds(self.cosigned_at)}")
        if self.unwitnessed:
            lines.append(f"The last {self.unwitnessed} entries are covered by no witness given.")
        return lines


_VERDICTS = {
    CLEAN: "Verified, and anchored in what you brought.",
    FOUND: "NOT VERIFIED: see the findings.",
    UNANCHORED: "Consistent, not anchored: nothing is wrong in itself, but what is missing above is taken on trust.",
}


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _grant(row: GrantRow) -> dict[str, Any]:
    data = asdict(row) | {"not_before": stamp(row.not_before), "not_after": stamp(row.not_after)}
    return data | {"roles": list(row.roles), "approvers": list(row.approvers)}


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _seconds(at: int | None) -> str | None:
    return None if at is None else stamp(datetime.fromtimestamp(at, UTC))
