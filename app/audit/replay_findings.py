"""Replay of findings, and of what finds them: a scan opens exactly what its kept input shows, and closes the rest.

An append that looked at something says so first; each finding of it then stands for what was seen. So a finding left
out, one too many, and one closed that is still there are found without knowing whom they are about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.audit import replay_sign_ins
from app.audit.evidence import Input
from app.audit.findings import Fault
from app.audit.world import Fields, ScanSeen, World
from app.domain.events import Entry
from app.domain.finding import DISPUTED, KINDS, SCANNED, Finding, FoundBy, closes, evolve, may_be_closed
from app.domain.scan import Extract, ScanError, read_extracts


def scanned(world: World, entry: Entry, _: Fields | None) -> None:
    """Users were scanned. What is wrong with them is judged anew from what was kept of the input."""
    blobs, data = world.evidence(entry), entry.data
    _environment(world, entry)
    whole = bool(blobs) and len(blobs) == len(data["evidence"])
    extract = _extract(entry, blobs) if whole else None
    wrong = None if extract is None else Counter(each.kind for each in extract.wrong())
    seen = ScanSeen(entry.at, data["opened"], data["closed"], wrong, extract is not None and extract.broken > 0)
    if seen.partial and seen.closes:
        raise Fault("scan-form", "a scan that could not read every row closes nothing")
    world.scanned[data["environment"]] = seen
    _weigh(world, entry, seen)


def opened(world: World, entry: Entry, _: Fields | None) -> None:
    """Something wrong was found."""
    kind, environment = entry.data["kind"], entry.data["environment"]
    if entry.subject in world.standing_findings or entry.subject in world.closed_findings:
        raise Fault("finding-twice", "a finding of this id was opened before")
    _environment(world, entry)
    if kind not in KINDS:
        raise Fault("finding-kind", "there is no such kind of finding")
    seen = _scan_of(world, entry, environment)
    found_by = _found_by(world, entry, seen)
    world.standing_findings[entry.subject] = Finding(entry.subject, kind, environment, found_by)
    if found_by == "scan" and seen is not None:
        seen.opens -= 1
        _weigh(world, entry, seen)
    elif world.sources.whole and found_by not in KINDS[kind]:
        raise Fault("finding-unfounded", "nothing of its append could have found this")
    elif found_by == "sign-ins":
        replay_sign_ins.found(world, entry)


def moved(world: World, entry: Entry, _: Fields | None) -> None:
    """It was explained or closed."""
    finding = world.standing_findings.get(entry.subject)
    if finding is None:
        raise Fault("finding-unknown", "no such finding is open")
    after = evolve(finding, entry)
    if entry.type == "finding.explained":
        world.standing_findings[entry.subject] = after
        return
    del world.standing_findings[entry.subject]
    world.closed_findings.add(entry.subject)
    seen = _scan_of(world, entry, finding.environment)
    if finding.found_by == "scan":
        if seen is None:
            raise Fault("finding-closed-unseen", "what a scan found is closed by a scan of the same environment")
        seen.closes -= 1
        _weigh(world, entry, seen)
    elif entry.actor.kind == "person" and not _reconciled(world, entry):
        _judge_closer(world, entry, finding)
    elif entry.actor.kind == "client" and not _reconciled(world, entry):
        raise Fault("finding-closed-unseen", "the institution closes what was found of the vendor, not a client")


def _judge_closer(world: World, entry: Entry, finding: Finding) -> None:
    person = world.institution.people.get(entry.actor.id)
    if person is None or not closes(person.roles):
        raise Fault("finding-closer", "findings are closed by approvers and admins")
    if not may_be_closed(finding.found_by, finding.kind, finding.state):
        raise Fault("finding-unexplained", "the finding was not explained, or is not for people to close")


def _found_by(world: World, entry: Entry, seen: ScanSeen | None) -> FoundBy:
    disputed = world.paid(f"disputed {entry.subject}")
    if disputed != (entry.data["kind"] == DISPUTED):
        raise Fault("finding-unfounded", "a dispute opens its finding in its own append, and nothing else does")
    if disputed:
        return "dispute"
    if seen is not None:
        return "scan"
    return "sign-ins" if _reconciled(world, entry) else "clock"


def _reconciled(world: World, entry: Entry) -> bool:
    """Whether this append began with a reconciliation."""
    return world.reconciled is not None and world.reconciled.at == entry.at


def _scan_of(world: World, entry: Entry, environment: str | None) -> ScanSeen | None:
    """The scan of the environment that this append began with."""
    seen = world.scanned.get(environment or "")
    return seen if seen is not None and seen.at == entry.at else None


def _extract(entry: Entry, blobs: Sequence[object]) -> Extract:
    """What was kept of the input. Raises `Fault` where it is none."""
    if not all(isinstance(blob, Input) for blob in blobs):
        raise Fault("scan-form", "a scan keeps what it was computed from")
    try:
        extract = read_extracts([blob.data for blob in blobs if isinstance(blob, Input)])
    except ScanError as error:
        raise Fault("scan-form", f"what was kept of the scan cannot be read: {error}") from error
    if (extract.environment, extract.users) != (entry.data["environment"], entry.data["users"]):
        raise Fault("scan-form", "what was kept is of another environment, or of another number of users")
    return extract


def _weigh(world: World, entry: Entry, seen: ScanSeen) -> None:
    """Note what the append still owes to the scan it began with."""
    place = next(name for name, each in world.scanned.items() if each is seen)
    counts = f"the scan of {place}: as many findings as it says it opened and closed"
    _owe(world, entry, f"scan counts {place}", owing=(seen.opens, seen.closes) != (0, 0), words=counts)
    if seen.wrong is None or not world.sources.whole:
        return
    standing = Counter(
        each.kind for each in world.standing_findings.values() if (each.found_by, each.environment) == ("scan", place)
    )
    for kind in SCANNED:
        saw, stand = seen.wrong.get(kind, 0), standing[kind]
        words = f"the scan of {place} saw {saw} of {kind}; {stand} findings stand"
        _owe(world, entry, f"scan {kind} {place}", owing=stand < saw or (stand > saw and not seen.partial), words=words)


def _owe(world: World, entry: Entry, key: str, *, owing: bool, words: str) -> None:
    world.paid(key)
    if owing:
        world.owe(key, entry, "scan-untrue", words)


def _environment(world: World, entry: Entry) -> None:
    name = entry.data["environment"]
    if name is not None and name not in world.institution.environments:
        raise Fault("environment-unknown", "the institution has no such environment")


HANDLERS = {
    "scan.completed": scanned,
    "sign_ins.reconciled": replay_sign_ins.reconciled,
    "finding.opened": opened,
    "finding.explained": moved,
    "finding.closed": moved,
}
"""Type → rule."""
