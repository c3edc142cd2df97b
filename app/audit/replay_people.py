"""Replay of what an institution is: enrolment, provider, people, policy, environments, changes.

Whether an entry fits the state is the domain's to say (`institution.evolve`). Here stands what it cannot see: the
countersignatures and sign-ins behind entries, and private parts where they are at hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from app.audit.change_texts import judge_change_text
from app.audit.countersignature import (
    judge_binding,
    judge_claim,
    judge_countersignature,
    judge_statement,
    roles_in,
    shows_role,
)
from app.audit.evidence import Input
from app.audit.findings import Fault
from app.audit.world import Fields, World
from app.domain.events import Entry
from app.domain.institution import is_vendor_address, loosens
from app.domain.people import DECIDING_ROLES
from app.domain.statement import change_input, email_input, sub_input
from app.identity.id_token import IdTokenRefused, Jwks, VerifiedIdentity
from app.trail import canonical


def subject_digest(sub: str, salt: str) -> str:
    """How a binding commits to the account."""
    return canonical.sha(canonical.encode(sub_input(sub, salt)))


def email_digest(email: str, salt: str) -> str:
    """How a roster row commits to an address."""
    return canonical.sha(canonical.encode(email_input(email, salt)))


def data_digest(entry: Entry) -> str:
    """What a proposal and its countersignature commit to."""
    return canonical.sha(canonical.encode(change_input(entry.data, entry.private)))


def changed(world: World, entry: Entry, part: Fields | None) -> None:
    """Any entry that a change may apply: countersigned where it loosens, as proposed where it was proposed."""
    institution = world.institution
    proposal = institution.changes.get(entry.data["change"] or "")
    if proposal is not None and proposal.data_digest != data_digest(entry):
        raise Fault("change-differs", f"{entry.data['change']} proposed something else")
    notify = None if part is None else part.get("notify")
    renotified = entry.type == "institution.changed" and world.notify is not None and notify not in (None, world.notify)
    if entry.actor.kind != "person" and (renotified or loosens(institution, entry)):
        raise Fault("loosened-by-nobody", "only an admin of the institution can loosen, countersigned")
    if renotified and not entry.data["evidence"]:
        raise Fault("not-countersigned", "other notification addresses loosen, and nobody countersigned")
    if entry.data["evidence"] and entry.actor.kind == "person":
        _countersigned(world, entry, part)
    world.evolve(entry)
    if entry.type == "institution.changed" and part is not None:
        world.name, world.notify = part["name"], part["notify"]


def _countersigned(world: World, entry: Entry, part: Fields | None) -> None:
    signed = world.signed_in(entry, countersigned=True)
    if signed is None:
        return
    institution, keys = world.institution, world.keys()
    expected = {
        "origin": institution.origin,
        "institution": institution.code,
        "change": entry.data["change"],
        "type": entry.type,
        "subject": entry.subject,
        "data_digest": data_digest(entry),
        "iss": institution.provider.issuer,
    }
    statement = judge_statement(signed, "countersign/change/1", expected)
    judge_change_text(world, entry, part, statement["text"])
    identity = judge_countersignature(signed, statement, entry.at, institution.provider, institution.policy, keys)
    world.know_subject(entry.actor.id, identity.iss, identity.sub)
    world.saw(identity)
    admin = institution.people.get(entry.actor.id)
    if admin is not None and not shows_role(admin, identity.claims, institution.provider, frozenset({"admin"})):
        raise Fault("role-not-shown", "the admin's sign-in does not carry the role")


def enrolled(world: World, entry: Entry, _: Fields | None) -> None:
    """The first admin has compared the enrolment code."""
    if entry.data["enrolment_code"] != world.enrolment_code:
        raise Fault("enrolment-code", "the code confirmed is not that of entry 0")
    _signed_in_as(world, entry, entry.actor.id)
    world.evolve(entry)


def _signed_in_as(
    world: World, entry: Entry, person: str, judge: Callable[..., VerifiedIdentity] = judge_binding
) -> VerifiedIdentity | None:
    signed = world.signed_in(entry, countersigned=False)
    if signed is None:
        return None
    identity = judge(signed, entry.at, world.institution.provider, world.keys())
    world.know_subject(person, identity.iss, identity.sub)
    world.saw(identity)
    return identity


def bound(world: World, entry: Entry, part: Fields | None) -> None:
    """A person is from now on this account at the provider."""
    world.paid(f"bound {entry.subject}")
    if part is not None and subject_digest(part["sub"] or "", part["sub_salt"] or "") != entry.data["sub_digest"]:
        raise Fault("subject-differs", "the private part tells of another account than the entry")
    if entry.data["iss"] in world.institution.vendor_issuers:
        raise Fault("vendor-provider", "a person is bound at the vendor's identity provider")
    identity = _signed_in_as(world, entry, entry.subject)
    sub = identity.sub if identity is not None else None if part is None else part["sub"]
    if part is not None and sub != part["sub"]:
        raise Fault("subject-differs", "the sign-in is of another account than the one that is bound")
    if sub is not None:
        _only_one(world, entry, sub)
    if identity is not None and entry.data["confirmed_by"] is None:
        _owns_address(world, entry.subject, identity.claims)
    world.evolve(entry)


def _only_one(world: World, entry: Entry, sub: str) -> None:
    """An account is one person. Who left and was listed anew is another, and what they were before counts no more."""
    world.know_subject(entry.subject, entry.data["iss"], sub)
    gone = {person.id for person in world.institution.people.values() if person.removed}
    for (person, iss), known in world.subjects.items():
        if (iss, known) == (entry.data["iss"], sub) and person not in {entry.subject, *gone}:
            raise Fault("one-account-two-people", f"this account is bound to {person} as well")


def _owns_address(world: World, person: str, claims: Mapping[str, object]) -> None:
    """Where nobody confirms, the provider must vouch for the roster's address."""
    provider, known = world.institution.provider, world.emails.get(person)
    email = claims.get(provider.email_claim)
    if not isinstance(email, str) or (known is not None and email.lower() != known):
        raise Fault("address-differs", "the sign-in does not show the roster's e-mail address")
    row = world.institution.people.get(person)
    if row is not None and email.lower().rpartition("@")[2] != row.email_domain.lower():
        raise Fault("address-differs", "the sign-in shows an address of another domain than the roster")
    if not provider.exclusive and claims.get("email_verified") is not True:
        raise Fault("address-differs", "the provider is not the institution's own and does not vouch for the address")


def added(world: World, entry: Entry, part: Fields | None) -> None:
    """A person joins the roster."""
    if part is not None:
        email = part["email"] or ""
        fits = email_digest(email, part["email_salt"] or "") == entry.data["email_digest"]
        if not fits or email.lower().rpartition("@")[2] != entry.data["email_domain"].lower():
            raise Fault("address-differs", "the private part tells of another address than the entry")
        world.emails[entry.subject] = email.lower()
    _not_the_vendors(world, entry, entry.data["email_domain"])
    if entry.actor.kind == "person":
        changed(world, entry, part)
        return
    world.owe(f"bound {entry.subject}", entry, "added-not-bound", "the system added a person whom it did not bind")
    world.evidence(entry)
    world.evolve(entry)


def roles_changed(world: World, entry: Entry, part: Fields | None) -> None:
    """A person has other roles: by an admin, or by the claim of a sign-in."""
    person = world.institution.people.get(entry.subject)
    if person is not None:
        _not_the_vendors(world, entry, person.email_domain)
    if entry.data["source"] == "roster":
        changed(world, entry, part)
        return
    identity = _signed_in_as(world, entry, entry.subject, judge_claim)
    if identity is not None and tuple(entry.data["roles"]) != tuple(
        sorted(roles_in(identity.claims, world.institution.provider))
    ):
        raise Fault("roles-differ", "the sign-in carries other roles than were set")
    world.evolve(entry)


def _not_the_vendors(world: World, entry: Entry, domain: str) -> None:
    if DECIDING_ROLES & set(entry.data["roles"]) and is_vendor_address(domain, world.institution.vendor_domains):
        raise Fault("vendor-approver", "nobody with an address of the vendor is ever an approver")


def keys_seen(world: World, entry: Entry, _: Fields | None) -> None:
    """The provider publishes these keys."""
    for found in world.evidence(entry):
        if not isinstance(found, Input) or list(_thumbprints(found)) != entry.data["thumbprints"]:
            raise Fault("keys-differ", "the key set in evidence has other keys than the entry")
    if not entry.data["evidence"]:
        raise Fault("evidence-missing", "keys were seen without the key set as evidence")
    world.evolve(entry)


def _thumbprints(found: Input) -> tuple[str, ...]:
    try:
        return Jwks.read(json.loads(found.data)).thumbprints()
    except (ValueError, IdTokenRefused) as error:
        raise Fault("keys-differ", "the evidence is no key set") from error


def proposed(world: World, entry: Entry, _: Fields | None) -> None:
    """A change waits."""
    if entry.subject in world.proposals:
        raise Fault("change-reused", "this change was proposed before")
    world.proposals.add(entry.subject)
    world.evolve(entry)


def evolves(world: World, entry: Entry, _: Fields | None) -> None:
    """The domain's rule says everything."""
    world.evolve(entry)


HANDLERS = {
    "institution.enrolled": enrolled,
    "institution.changed": changed,
    "vendor.changed": evolves,
    "identity_provider.set": changed,
    "identity_provider.keys_seen": keys_seen,
    "environment.set": changed,
    "environment.switched_to_support": evolves,
    "policy.set": changed,
    "person.added": added,
    "person.bound": bound,
    "person.roles_changed": roles_changed,
    "person.away_set": evolves,
    "person.removed": evolves,
    "roster.reviewed": evolves,
    "change.proposed": proposed,
    "change.rejected": evolves,
    "stop_codes.made": evolves,
}
"""Type → rule."""
