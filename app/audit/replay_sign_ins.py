"""Replay of sign-in reconciliations: what was kept of the records is matched again, to the sessions of the trail.

A reconciliation that counts other matches than there are, one that leaves out a sign-in which no session covers, and a
finding of a sign-in that nobody recorded are found.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from app.audit.evidence import Input
from app.audit.findings import Fault
from app.audit.world import Fields, SignInsSeen, World
from app.domain.events import Entry
from app.domain.finding import API_STAFF, UNMATCHED
from app.domain.reconciliation import IMPL, Stay, kind_of, lasted, match
from app.domain.session import ENDED, Session
from app.domain.sign_in_extract import Extract, ExtractError, read_extract
from app.domain.times import parse_stamp

_OF_SIGN_INS = (UNMATCHED, API_STAFF)


def reconciled(world: World, entry: Entry, _: Fields | None) -> None:
    """Sign-ins were reconciled. What matches none is judged anew, and its findings stand in the same append."""
    blobs, data = world.evidence(entry), entry.data
    if data["environment"] not in world.institution.environments:
        raise Fault("environment-unknown", "the institution has no such environment")
    world.reconciled = SignInsSeen(entry.at, data["environment"], None)
    if data["matched"] > data["records"]:
        raise Fault("reconciled-untrue", "more sign-ins match than were recorded")
    if not data["evidence"]:
        raise Fault("reconciled-form", "nothing was kept of the records")
    if not world.sources.whole or not blobs or len(blobs) != len(data["evidence"]):
        world.sign_ins_seen[data["environment"]] = None  # what was judged before is not known any more
        return
    extract = _extract(entry, [blob for blob in blobs if isinstance(blob, Input)])
    _judge(world, entry, world.reconciled, extract)


def found(world: World, entry: Entry) -> None:
    """A finding of a sign-in was opened in the append of a reconciliation."""
    seen = world.reconciled
    if seen is None or seen.at != entry.at or seen.environment != entry.data["environment"]:
        raise Fault("finding-unfounded", "no reconciliation of this environment could have found this")
    if seen.owed is None or entry.data["kind"] not in _OF_SIGN_INS:
        return
    seen.owed[entry.data["kind"]] -= 1
    _weigh(world, entry, seen)


def _judge(world: World, entry: Entry, seen: SignInsSeen, extract: Extract) -> None:
    """Match again; note what the append owes. Raises `Fault` where it says that others match."""
    matches = match(extract.sign_ins, _stays(world, entry))
    known = world.sign_ins_seen.setdefault(seen.environment, set())
    if known is not None:
        unmatched = [each for each, found in zip(extract.sign_ins, matches, strict=True) if found is None]
        seen.owed = Counter(kind_of(each) for each in unmatched if each.key() not in known)
        known |= {each.key() for each in extract.sign_ins}
        _weigh(world, entry, seen)
    count = sum(each is not None for each in matches)
    if count != entry.data["matched"]:
        raise Fault("reconciled-untrue", f"{count} of the sign-ins match, not {entry.data['matched']}")


def _extract(entry: Entry, inputs: list[Input]) -> Extract:
    """What was kept. Raises `Fault` where it is not of this entry."""
    try:
        extract = read_extract(each.data for each in inputs)
    except ExtractError as error:
        raise Fault("reconciled-form", f"what was kept of the sign-ins cannot be read: {error}") from error
    data = entry.data
    told = (data["environment"], parse_stamp(data["from"]), parse_stamp(data["to"]), data["source"], data["records"])
    kept = (extract.environment, extract.begins, extract.ends, extract.source, len(extract.sign_ins))
    if told != kept:
        raise Fault("reconciled-form", "what was kept is of another environment, period, source or number of records")
    return extract


def _stays(world: World, entry: Entry) -> list[Stay]:
    """The sessions of the environment so far. Addresses change no match, so none is read."""
    here = ((each, world.requests.get(each.request)) for each in world.sessions.values())
    return [
        Stay(each.id, each.request, each.grant, each.opened_at, _ends(each, request.grant.not_after, entry))
        for each, request in here
        if request is not None
        and request.grant is not None
        and (request.environment, request.account) == (entry.data["environment"], IMPL)
    ]


def _ends(session: Session, not_after: datetime, entry: Entry) -> datetime:
    return lasted(session.ended_at if session.state in ENDED else None, not_after, entry.at)


def _weigh(world: World, entry: Entry, seen: SignInsSeen) -> None:
    owed = seen.owed or Counter[str]()
    for kind in _OF_SIGN_INS:
        key, left = f"sign-ins {kind} {seen.environment}", owed[kind]
        world.paid(key)
        if left:
            words = "left out" if left > 0 else "too many"
            world.owe(key, entry, "reconciled-untrue", f"findings of {kind} in {seen.environment}: {abs(left)} {words}")
