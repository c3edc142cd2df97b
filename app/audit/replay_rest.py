"""Replay of everything else: hooks, mails, exports, erasures. What they name must exist."""

from __future__ import annotations

from app.audit.findings import Fault
from app.audit.replay_people import changed
from app.audit.world import Fields, Missing, World
from app.domain.events import Entry
from app.domain.retention import kept_until
from app.domain.times import stamp


def mail(world: World, entry: Entry, _: Fields | None) -> None:
    """A mail goes to people of the roster."""
    people = world.institution.people
    if any(person not in people for person in entry.data["to"]):
        raise Fault("person-unknown", "the entry names somebody who is not of the roster")


def webhook(world: World, entry: Entry, _: Fields | None) -> None:
    """A hook is set or removed."""
    name = entry.data["webhook"]
    if entry.type == "webhook.set":
        world.webhooks.add(name)
    elif name not in world.webhooks:
        raise Fault("webhook-unknown", "no such hook was set")
    else:
        world.webhooks.discard(name)


def exported(world: World, entry: Entry, _: Fields | None) -> None:
    """A copy was taken. A bundle's runs to its own event."""
    world.last_export = entry
    data = entry.data
    if data["format"] == "bundle" and (data["from"], data["to"]) != (0, entry.index + 1):
        raise Fault("export-range", "a bundle runs from entry 0 to its own event")
    if not data["from"] <= data["to"] <= entry.index + 1:
        raise Fault("export-range", "the export names entries that were not there yet")
    insider = entry.actor.kind == "person" and entry.actor.id in world.institution.people
    if data["with_private"] and not insider and not world.institution.policy.vendor_sees_evidence:
        client = None if world.sources.vendor is None else world.sources.vendor.clients.get(entry.actor.id)
        if client is None or not client.is_institutions(entry.institution):
            raise Fault("export-private", "the policy keeps private parts from the vendor")


def private_erased(world: World, entry: Entry, part: Fields | None) -> None:
    """Private parts were erased: when their time was over, or by a countersigned change."""
    judged = world.sources.whole and world.sources.with_private
    for index in entry.data["indexes"]:
        gone = world.missing_parts.pop(index, None)
        if gone is not None:
            world.erased_parts[gone.type] += 1
            _judge_time(world, entry, gone, f"the private part of entry {index}")
        elif judged:
            world.find(entry, "erased-but-there", f"the private part of entry {index} is not erased, or never was")
    changed(world, entry, part)


def evidence_erased(world: World, entry: Entry, part: Fields | None) -> None:
    """Evidence was erased, by the same rules. An input that a later entry names again is there again."""
    judged = world.sources.whole and world.sources.with_private
    for digest in entry.data["digests"]:
        gone = world.missing_blobs.pop(digest, None)
        if gone is not None:
            world.erased_blobs[gone.type] += 1
            _judge_time(world, entry, gone, f"the evidence {digest}")
        elif judged and digest in world.named and digest in world.used:
            world.returned[digest] = entry.index
        elif judged:
            world.find(entry, "erased-but-there", f"no entry names the evidence {digest}, or it was erased before")
    changed(world, entry, part)


def _judge_time(world: World, entry: Entry, gone: Missing, what: str) -> None:
    """Retention erases nothing before the years of the policy now in force are over."""
    over = kept_until(gone.at, world.institution.policy.retention_years)
    if entry.data["because"] == "retention" and entry.at < over:
        world.find(entry, "erased-early", f"{what} was to be kept until {stamp(over)}")


def observed(world: World, entry: Entry, _: Fields | None) -> None:
    """The vendor's log was there, no shorter than before."""
    origin, size, root = (entry.data[name] for name in ("origin", "size", "root"))
    facts = world.sources.vendor
    if facts is not None and facts.vendor is not None and origin != facts.vendor.origin:
        raise Fault("observed-other", "the log that it observed is not the vendor's")
    before = world.observed.get(origin)
    if before is not None and (size < before[0] or (size == before[0] and root != before[1])):
        raise Fault("observed-shrunk", "the log that it observed had more entries, or others, before")
    world.observed[origin] = size, root


def recorded(_: World, __: Entry, ___: Fields | None) -> None:
    """Nothing is to be judged beyond the form and the actor."""


HANDLERS = {
    "mail.queued": mail,
    "mail.failed": mail,
    "webhook.set": webhook,
    "webhook.removed": webhook,
    "trail.exported": exported,
    "private.erased": private_erased,
    "evidence.erased": evidence_erased,
    "sign_in.succeeded": recorded,
    "sign_in.refused": recorded,
    "sign_out.done": recorded,
    "request.refused": recorded,
    "gate.refused": recorded,
    "evidence.read": recorded,
    "log.observed": observed,
}
"""Type → rule."""
