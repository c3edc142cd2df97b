"""Where stories begin: the vendor's log, an institution's log, its provider, its people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from app.domain import institution as institutions
from app.domain import request as requests
from app.domain.errors import IllegalTransition
from app.domain.events import Actor, Entry, Event
from app.domain.ids import digest_id, encode
from app.domain.policy import Policy
from app.domain.request import AccessRequest
from app.domain.statement import (
    email_input,
)
from app.trail import canonical
from tests.audit.provider import Provider
from tests.audit.trail import Trail

CODE = "01EXU_INST"
NAME, NOTIFY = "Example University Library", "library-systems@example.edu"
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
OPERATOR = Actor("operator", encode("opr", 1))
CLIENT = Actor("client", encode("cli", 1))
ENGINEER = digest_id("eng", b"e" * 16)
ENVIRONMENTS = {
    "alma-production": ("alma", "support", None),
    "leganto-sandbox": ("leganto", "implementation", "2027-03-01"),
}


@dataclass(frozen=True)
class Someone:
    """A person of the roster, with what only they and the service know."""

    id: str
    email: str
    roles: tuple[str, ...]
    sub: str

    @property
    def salt(self) -> str:
        return "s" * 21 + "A"

    def row(self) -> dict[str, Any]:
        digest = canonical.sha(canonical.encode(email_input(self.email, self.salt)))
        domain = self.email.rpartition("@")[2]
        return {
            "person": self.id,
            "roles": list(self.roles),
            "products": [],
            "email_domain": domain,
            "email_digest": digest,
        }


HEAD = Someone(encode("per", 1), "head@example.edu", ("admin", "approver"), "sub-head")
SECOND = Someone(encode("per", 2), "second@example.edu", ("approver",), "sub-second")
THIRD = Someone(encode("per", 3), "third@example.edu", ("admin",), "sub-third")
AUDITOR = Someone(encode("per", 4), "auditor@example.edu", ("auditor",), "sub-auditor")


class Ground:
    """Vendor, institution and provider as their logs begin."""

    def __init__(
        self,
        people: Sequence[Someone] = (HEAD, SECOND, AUDITOR),
        policy: Policy | None = None,
        kind: str = "EC",
        **provider: Any,
    ) -> None:
        self.idp = Provider("https://login.example.edu", "countersign", kind)
        self.approvals = Provider("https://login.example.edu", "countersign-approvals", kind)
        self.vendor_idp = Provider("https://login.vendor.example", "countersign")
        self.now = START
        self.evidence: dict[str, bytes] = {}
        self.vendor, self.trail = Trail("VENDOR"), Trail(CODE)
        self.people = {person.id: person for person in people}
        self.requests: dict[str, AccessRequest] = {}
        self.private_of: dict[str, Mapping[str, str | None]] = {}
        self.count = 0
        self.provider_data = {
            "issuer": self.idp.issuer, "client_id": self.idp.client_id, "approval_client_id": self.approvals.client_id,
            "exclusive": True, "required_claims": {}, "email_claim": "email", "roles_claim": None, "roles": {},
            **provider,
        }  # fmt: skip
        self.policy = policy or Policy()
        self.institution: institutions.Institution
        self._vendor()
        self._open()

    def append(self, *events: Event) -> list[Entry]:
        """One append to the institution's log; its state follows where the domain lets it."""
        entries = []
        for event in events:
            entry = self.trail.add(event, self.now)
            entries.append(entry)
            self._evolve(entry)
        return entries

    def _evolve(self, entry: Entry) -> None:
        if entry.type == "request.created":
            digest = "sha256:" + sha256(self.trail.leaves[entry.index]).hexdigest()
            self.requests[entry.subject] = requests.created(entry, digest)
        elif entry.subject in self.requests:
            try:
                self.requests[entry.subject] = requests.evolve(self.requests[entry.subject], entry)
            except IllegalTransition:
                return
        elif entry.index:
            try:
                self.institution = institutions.evolve(self.institution, entry)
            except IllegalTransition:
                return

    def pass_time(self, **span: float) -> None:
        """The clock goes on."""
        self.now += timedelta(**span)

    def new(self, prefix: str) -> str:
        """A new id."""
        self.count += 1
        return encode(prefix, 1_000_000 + self.count)

    def keep(self, blob: bytes) -> str:
        """Keep evidence; its name."""
        digest = canonical.sha(blob)
        self.evidence[digest] = blob
        return digest

    def _vendor(self) -> None:
        add = self.vendor.add
        vendor = {
            "origin": self.vendor.origin, "locale": "en", "time_zone": "UTC", "vendor_domains": ["vendor.example"],
            "vendor_issuers": [self.vendor_idp.issuer], "environments": [], "people": [], "policy": Policy().to_data(),
            "identity_provider": {**self.provider_data, "issuer": self.vendor_idp.issuer, "client_id": "countersign"},
            "continues": None,
        }  # fmt: skip
        names = {"name": "Ex Libris", "emails": "{}", "salts": "{}", "notify": ""}
        add(Event("trail.opened", "VENDOR", OPERATOR, vendor, names), self.now)
        for trail in (self.vendor, self.trail):
            key = trail.signer.verifier
            added = {"kid": key.key_id.hex(), "log": trail.code, "public": key.vkey, "use": "trail"}
            add(Event("key.added", "VENDOR", OPERATOR, added), self.now)
        scopes = sorted(
            ("requests", "requests:read", "tokens", "sessions", "accounts", "admin", "trail:read", "introspect")
        )
        created = {"institutions": ["*"], "scopes": scopes, "audiences": []}
        add(Event("client.created", CLIENT.id, OPERATOR, created, {"name": "console"}), self.now)

    def _open(self) -> None:
        environments = [
            {
                "environment": name, "product": product, "tier": "production", "phase": phase,
                "url": f"https://{name}.vendor.example", "audience": f"https://gateway.vendor.example/{name}",
                "implementation_ends": ends,
            }
            for name, (product, phase, ends) in ENVIRONMENTS.items()
        ]  # fmt: skip
        people = list(self.people.values())
        data = {
            "origin": self.trail.origin, "locale": "en", "time_zone": "Europe/Vienna",
            "vendor_domains": ["vendor.example"], "vendor_issuers": [self.vendor_idp.issuer],
            "identity_provider": self.provider_data,
            "environments": environments, "people": [person.row() for person in people],
            "policy": self.policy.to_data(), "continues": None,
        }  # fmt: skip
        private = {
            "name": NAME,
            "emails": canonical.encode({person.id: person.email for person in people}).decode(),
            "salts": canonical.encode({person.id: person.salt for person in people}).decode(),
            "notify": NOTIFY,
        }
        entry = self.trail.add(Event("trail.opened", CODE, OPERATOR, data, private), self.now)
        self.institution = institutions.opened(entry)
        self.enrolment_code = canonical.code(sha256(self.trail.leaves[0]).digest(), 16)
        registered = {"code": CODE, "opened": "sha256:" + sha256(self.trail.leaves[0]).hexdigest()}
        self.vendor.add(Event("institution.registered", "VENDOR", OPERATOR, registered), self.now)
