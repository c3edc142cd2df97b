"""Replay: every entry in order, through the rules the service runs, in one pass and bounded memory.

`Replay.feed` takes one entry after the other and never stops at a finding: the entry's effect, where the domain allows
it, still counts, so that one wrong entry is one finding and not a flood. What an append has to go on with (the outcome
of a vote, a revocation after a change) is awaited in the entries that follow.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise
from types import MappingProxyType

from app.audit import (
    replay_coverage,
    replay_findings,
    replay_people,
    replay_requests,
    replay_rest,
    replay_sessions,
    replay_standing,
)
from app.audit.findings import Fault
from app.audit.world import ANY, Continued, Fields, Sources, World
from app.domain.errors import IllegalTransition
from app.domain.events import Entry, Event
from app.domain.institution import is_vendor_address, opened
from app.domain.people import DECIDING_ROLES
from app.trail import canonical

Handler = Callable[[World, Entry, Fields | None], None]

CODE_CHARS = 16

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **replay_people.HANDLERS,
        **replay_requests.HANDLERS,
        **replay_sessions.HANDLERS,
        **replay_standing.HANDLERS,
        **replay_findings.HANDLERS,
        **replay_rest.HANDLERS,
    }
)
"""Type → rule. `trail.opened` and `request.created` have their own; vendor types stand in no institution's log."""

_RECONSIDERED = frozenset(
    {"policy.set", "environment.set", "environment.switched_to_support", "institution.changed", "identity_provider.set"}
)
_OUTCOMES = frozenset({"request.approved", "request.denied"})
_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "request.created": "requests",
        "request.withdrawn": "requests",
        "request.completed": "requests",
        "message.sent": "requests",
        "token.issued": "tokens",
        "session.opened": "sessions",
        "session.part_added": "sessions",
        "session.ended": "sessions",
        "session.resumed": "sessions",
        "scan.completed": "accounts",
        "sign_ins.reconciled": "accounts",
        "finding.opened": "accounts",
        "finding.explained": "accounts",
        "finding.closed": "accounts",
        "change.proposed": "admin",
        "environment.switched_to_support": "admin",
        "person.away_set": "admin",
        "webhook.set": "admin",
        "webhook.removed": "admin",
        "trail.exported": "trail:read",
        "evidence.read": "trail:read",
        "recording.read": "trail:read",
    }
)
_ANYBODY = frozenset({"trail.exported", "evidence.read", "recording.read", "sign_in.succeeded", "sign_out.done"})
_JUDGED_ELSEWHERE = frozenset({"decision.made", "decision.refused", "sign_out.done", "sign_in.succeeded"})


class Replay:
    """One pass over a log's entries; `world` holds what came of it."""

    def __init__(self, sources: Sources) -> None:
        self.world = World(sources)
        self.last: Entry | None = None
        self._place = 0
        # Of a million entries the ids alone would take 120 MB; their hashes, salted by this process, take eight.
        self._ids, self._indexes = array("q"), array("q")

    def feed(self, entry: Entry, leaf: bytes, part: Fields | None) -> None:
        """The next entry, its exact bytes, and its private fields where they are at hand. Finds, never raises."""
        world = self.world
        self._frame(entry)
        if self.last is not None and entry.at > self.last.at:
            if world.owed:
                world.settle(entry.at)
            if world.deadlines:
                replay_sessions.linger(world, entry.at)
        expected, before = bool(world.following) and self._expected(entry), world.state
        try:
            if world.state is None:
                self._open(entry, leaf, part)
            else:
                if entry.actor.kind != "system":
                    self._actor(entry)
                self._apply(entry, leaf, part, follows=expected)
        except Fault as fault:
            world.find(entry, fault.code, fault.words)
            if world.state is before and entry.type in replay_people.HANDLERS:
                with suppress(IllegalTransition):  # what the domain allows takes effect: one fault, one finding
                    world.evolve(entry)
        except (IllegalTransition, ValueError, KeyError) as error:
            world.find(entry, "not-by-rules", f"{entry.type} could not happen here: {error}")
        self.last = entry

    def skip(self, code: str, words: str) -> None:
        """The next entry cannot be read at all."""
        self.world.find(self._place, code, words)
        self._place += 1

    def finish(self) -> None:
        """The log ends here: what is still owed is missing."""
        world, last = self.world, self.last
        if last is None:
            world.find(None, "empty", "there are no entries")
            return
        if world.following:
            world.find(last, "outcome-missing", f"the append had to go on with {world.following[0].type}")
        world.settle(None)
        self._find_twins()
        for request in sorted(world.running):
            replay_requests.judge_kept(world, world.requests[request], last)
        replay_sessions.linger(world, last.at)
        if not world.sources.with_private:
            return
        for digest, blob in world.missing_blobs.items():
            world.find(blob.index, "evidence-missing", f"the evidence {digest} is neither there nor erased by an entry")
        for index in world.missing_parts:
            world.find(index, "private-missing", "the private part is neither there nor erased by an entry")
        for digest, index in world.returned.items():
            words = f"the evidence {digest} is there, though it was erased and no later entry names it"
            world.find(index, "erased-but-there", words)

    def _frame(self, entry: Entry) -> None:
        """Place, time and identity of an entry among the others."""
        world, last = self.world, self.last
        if entry.index < self._place or (world.sources.whole and entry.index != self._place):
            world.find(entry, "index", f"entry {self._place} is wanted here")
        self._place = entry.index + 1
        if last is not None and entry.at < last.at:
            world.find(entry, "time", "the entry is older than the one before it")
        if last is not None and entry.institution != last.institution:
            world.find(entry, "institution", "the entry is of another institution")
        self._ids.append(hash(entry.id))
        self._indexes.append(entry.index)

    def _find_twins(self) -> None:
        """Find the entries whose id stood before."""
        ids = sorted(self._ids)
        twice = {one for one, other in pairwise(ids) if one == other}
        if not twice:
            return
        seen: set[int] = set()
        for value, index in zip(self._ids, self._indexes, strict=True):
            if value in seen:
                self.world.find(index, "id-twice", "an entry of this id stands before")
            elif value in twice:
                seen.add(value)

    def _expected(self, entry: Entry) -> bool:
        """Whether the entry is what the append had to go on with; something is awaited."""
        following, last = self.world.following, self.last
        if last is None:
            return False
        event = following.popleft()
        if _same(event, entry) and (entry.index, entry.at) == (last.index + 1, last.at):
            return True
        following.clear()
        if (entry.type, entry.subject) == (event.type, event.subject):
            self.world.find(entry, "outcome-differs", _difference(event, entry))
            return True
        self.world.find(last, "outcome-missing", f"the append had to go on with {event.type}")
        return False

    def _open(self, entry: Entry, leaf: bytes, part: Fields | None) -> None:
        world = self.world
        digest = sha256(leaf).digest()
        world.opened_digest, world.enrolment_code = "sha256:" + digest.hex(), canonical.code(digest, CODE_CHARS)
        world.state = opened(entry)
        if entry.data["continues"] is not None:
            world.continues = Continued(**entry.data["continues"])
        if part is not None:
            world.name, world.notify = part["name"], part["notify"]
            _first_addresses(world, part)
        for person in world.state.people.values():
            vendor = is_vendor_address(person.email_domain, world.state.vendor_domains)
            if vendor and DECIDING_ROLES & set(person.roles):
                raise Fault("vendor-approver", "nobody with an address of the vendor is ever an approver")
        if world.state.provider.issuer in world.state.vendor_issuers:
            raise Fault("vendor-provider", "the institution's provider is the vendor's")

    def _apply(self, entry: Entry, leaf: bytes, part: Fields | None, *, follows: bool) -> None:
        world = self.world
        if entry.type == "request.created":
            replay_requests.request_created(world, entry, part, "sha256:" + sha256(leaf).hexdigest())
            return
        handler = HANDLERS.get(entry.type)
        if handler is None:
            raise Fault("type", f"{entry.type} has no place in this log")
        standing = entry.data.get("ground") == "standing"
        if entry.type in _OUTCOMES and not follows and not standing:
            world.find(entry, "outcome-unfounded", "no vote and no ground led to this outcome")
        handler(world, entry, part)
        if entry.type == "request.approved" and standing:
            replay_standing.standing_used(world, entry, world.requests[entry.subject])
        if entry.type == "policy.set":
            replay_coverage.tightened(world)
        if entry.type in _RECONSIDERED:
            replay_requests.reconsider(world, entry)
        if entry.type in {"request.revoked", "request.completed"}:
            replay_sessions.shorten(world, world.requests[entry.subject])

    def _actor(self, entry: Entry) -> None:
        world = self.world
        if entry.actor.kind == "client":
            words = world.client_fault(entry, _SCOPES.get(entry.type))
            if words is not None:
                world.find(entry, "client", words)
        elif entry.actor.kind == "person" and entry.type not in _JUDGED_ELSEWHERE:
            words = self._person(entry)
            if words is not None:
                world.find(entry, "person", words)

    def _person(self, entry: Entry) -> str | None:
        institution, vendor = self.world.institution, self.world.sources.vendor
        person = institution.people.get(entry.actor.id)
        if person is None:
            known = vendor is None or (vendor.vendor is not None and entry.actor.id in vendor.vendor.people)
            return None if entry.type in _ANYBODY and known else "the actor is not of the roster"
        if person.removed:
            return "the actor had been removed from the roster"
        if person.bound_at(institution.provider.issuer) is None:
            return "the actor is not bound at the provider in force"
        return None


def _first_addresses(world: World, part: Fields) -> None:
    """The addresses of entry 0's people, each as its row commits to it."""
    emails, salts = (canonical.decode_object((part[name] or "").encode()) for name in ("emails", "salts"))
    for person in world.institution.people.values():
        email, salt = emails.get(person.id), salts.get(person.id)
        if not isinstance(email, str) or not isinstance(salt, str):
            raise Fault("address-differs", f"the private part has no address of {person.id}")
        fits = replay_people.email_digest(email, salt) == person.email_digest
        if not fits or email.lower().rpartition("@")[2] != person.email_domain.lower():
            raise Fault("address-differs", f"the private part has another address of {person.id} than the entry")
        world.emails[person.id] = email.lower()


def _same(event: Event, entry: Entry) -> bool:
    if (event.type, event.subject, event.actor) != (entry.type, entry.subject, entry.actor):
        return False
    return all(value in (ANY, entry.data.get(name)) for name, value in event.data.items())


def _difference(event: Event, entry: Entry) -> str:
    names = [name for name, value in event.data.items() if value not in (ANY, entry.data.get(name))]
    return f"the rules give another {', '.join(names) or 'actor'}"
