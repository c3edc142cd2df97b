"""Opening a trail: entry 0, which pins provider, first people, environments and policy, and the rows that go with it.

The SHA-256 of entry 0 is the enrolment code. Names, addresses and their salts stand in its private part alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.actions import gatekeys, seals
from app.actions.ledger import Ledger
from app.actions.registrations import seal_secret
from app.actions.services import Services
from app.actions.worldspecs import EnvironmentSpec, InstitutionSpec, PersonSpec
from app.audit.replay_people import email_digest
from app.domain.errors import IllegalTransition
from app.domain.events import Actor, Event
from app.domain.ids import new_id
from app.domain.institution import opened
from app.storage import institutions, leaves, roster
from app.storage.database import Transaction
from app.storage.heads import SignedHead
from app.storage.institutions import EnvironmentSecrets, InstitutionRow
from app.storage.leaves import Head
from app.storage.roster import RosterRow
from app.tokens.secrets import Secrets
from app.trail import canonical
from app.trail.log import new_salt

ENROLMENT_CHARS = 16
GATE_LABEL = "gate-key"


@dataclass(frozen=True, slots=True)
class Vendor:
    """What every trail pins of the vendor."""

    domains: tuple[str, ...]
    issuers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """What a log begins with beside what is declared: its origin, the last signed head of the log that it continues
    (null: it is the first), and the sealed secrets of the registrations at its provider.
    """

    origin: str
    continues: SignedHead | None
    client_secret: bytes | None
    approval_client_secret: bytes | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A new log, still locked, with entry 0 in it; `digest` is of its leaf."""

    book: Ledger
    digest: str

    @property
    def enrolment_code(self) -> str:
        """What the institution is told by another road, and its first admin compares."""
        return enrolment_code(self.digest)


def enrolment_code(digest: str) -> str:
    """The enrolment code of entry 0's `sha256:…`: its first 80 bits."""
    return canonical.code(bytes.fromhex(digest.removeprefix("sha256:")), ENROLMENT_CHARS)


async def open_trail(
    services: Services, tx: Transaction, spec: InstitutionSpec, vendor: Vendor, operator: Actor
) -> Opened:
    """Open the log of an institution, or of the vendor. Raises `LogExists`, `IllegalTransition`."""
    start = Start(services.origin(spec.code), None, *_registrations(services.secrets, spec))
    opened = await begin_trail(services, tx, spec, vendor, operator, start)
    for environment in spec.environments:
        await institutions.set_environment_secrets(tx, environment_secrets(services.secrets, spec.code, environment))
    return opened


async def begin_trail(
    services: Services, tx: Transaction, spec: InstitutionSpec, vendor: Vendor, operator: Actor, start: Start
) -> Opened:
    """Open a log with its institution and roster; what opens the gates of its environments is the caller's to set.

    Raises `LogExists`, `IllegalTransition`.
    """
    head = await leaves.open_log(tx, spec.code, start.origin)
    people = {new_id("per", head.at): person for person in spec.people}
    head, stored = await leaves.append(tx, head, [_event(head, spec, people, vendor, operator, start.continues)])
    institution = opened(stored[0].entry)
    row = InstitutionRow(
        spec.code, spec.name, spec.notify, head.origin, institution.to_data(),
        start.client_secret, start.approval_client_secret, enrolled=False,
    )  # fmt: skip
    await institutions.add(tx, row)
    await seals.put(services.secrets, tx, row, 0)
    for person_id, person in people.items():
        if not await roster.add(tx, RosterRow(spec.code, person_id, person.name, person.email)):
            raise IllegalTransition(f"{spec.code}: a person stands there twice")
    return Opened(Ledger(services, tx, head, row, institution), canonical.sha(stored[0].leaf))


def sealed(secrets: Secrets, spec: InstitutionSpec, row: InstitutionRow) -> InstitutionRow:
    """The row with the declared secrets of its provider, sealed anew."""
    client_secret, approval_client_secret = _registrations(secrets, spec)
    return replace(row, client_secret=client_secret, approval_client_secret=approval_client_secret)


def _registrations(secrets: Secrets, spec: InstitutionSpec) -> tuple[bytes | None, bytes | None]:
    given, provider = spec.provider, spec.provider.provider
    return (
        _sealed(secrets, spec.code, provider.client_id, given.client_secret),
        _sealed(secrets, spec.code, provider.approval_client_id, given.approval_client_secret),
    )


def _sealed(secrets: Secrets, code: str, client_id: str | None, secret: str | None) -> bytes | None:
    return None if client_id is None or secret is None else seal_secret(secrets, code, client_id, secret)


def environment_secrets(secrets: Secrets, code: str, spec: EnvironmentSpec) -> EnvironmentSecrets:
    """The row of an environment's secrets: of the gate key its keyed hash, the key for scans sealed."""
    name, key = spec.environment.environment, spec.alma_api_key
    row = EnvironmentSecrets(
        log=code,
        environment=name,
        gate_key=None if spec.gate_key is None else secrets.mac(GATE_LABEL, spec.gate_key),
        alma_api_base=spec.alma_api_base,
        alma_api_key=None if key is None else secrets.seal(alma_label(code, name, spec.alma_api_base), key.encode()),
    )
    return gatekeys.sealed(secrets, row)


def alma_label(code: str, environment: str, base: str | None) -> str:
    """The label under which the key for scans of an environment is sealed: it is sent to this address alone."""
    return f"alma/{code}/{environment}/{base or ''}"


def notify_text(addresses: tuple[str, ...]) -> str:
    """Notification addresses as a private field: a line each."""
    return "\n".join(addresses)


def _event(
    head: Head,
    spec: InstitutionSpec,
    people: dict[str, PersonSpec],
    vendor: Vendor,
    operator: Actor,
    continues: SignedHead | None,
) -> Event:
    salts = {person_id: new_salt() for person_id in people}
    emails = {person_id: person.email for person_id, person in people.items()}
    data = {
        "origin": head.origin,
        "locale": spec.locale,
        "time_zone": spec.time_zone,
        "vendor_domains": list(vendor.domains),
        "vendor_issuers": list(vendor.issuers),
        "identity_provider": spec.provider.provider.to_data(),
        "environments": [each.environment.to_data() for each in spec.environments],
        "people": [_person(person_id, person, salts[person_id]) for person_id, person in people.items()],
        "policy": spec.policy.to_data(),
        "continues": None if continues is None else _continued(continues),
    }
    private = {
        "name": spec.name,
        "emails": canonical.encode(emails).decode(),
        "salts": canonical.encode(salts).decode(),
        "notify": notify_text(spec.notify),
    }
    return Event("trail.opened", spec.code, operator, data, private)


def _continued(head: SignedHead) -> dict[str, object]:
    return {"origin": head.origin, "size": head.size, "root": f"sha256:{head.root.hex()}"}


def _person(person_id: str, person: PersonSpec, salt: str) -> dict[str, object]:
    return {
        "person": person_id,
        "roles": list(person.roles),
        "products": list(person.products),
        "email_domain": person.email.rpartition("@")[2],
        "email_digest": email_digest(person.email, salt),
    }
