"""The state that a replay carries from entry to entry, and the questions every rule asks of it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.audit.countersignature import Keys
from app.audit.evidence import EvidenceError, Input, SignedIn, read_evidence
from app.audit.findings import Fault, Finding
from app.audit.vendorfacts import IN_FLIGHT, VendorFacts
from app.domain import finding
from app.domain.errors import CountersignError
from app.domain.events import Entry, Event
from app.domain.institution import Institution, evolve
from app.domain.policy import Policy
from app.domain.recording import Record
from app.domain.request import AccessRequest
from app.domain.session import Session
from app.domain.standing import StandingApproval
from app.identity.id_token import VerifiedIdentity
from app.trail import canonical

ANY = "*"
MAX_FINDINGS = 10_000
"""In the data of an expected event: whatever the entry says."""

Fields = Mapping[str, str | None]
ReadBlob = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a replay reads beside the entries.

    `blob` gives an evidence blob by `sha256:…`, null where it is absent. `vendor` null: clients are not judged.
    `idp_keys`, `vendor_keys`: thumbprints from the verifier's own side, null where none were given. `whole`: entries
    come without gaps. `with_private`: private parts and evidence were exported at all.
    """

    blob: ReadBlob
    vendor: VendorFacts | None = None
    idp_keys: frozenset[str] | None = None
    vendor_keys: frozenset[str] | None = None
    whole: bool = True
    with_private: bool = True


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One grant, for the table of grants by ground."""

    index: int
    request: str
    number: str
    environment: str
    ground: str
    not_before: datetime
    not_after: datetime
    roles: tuple[str, ...]
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Continued:
    """The log that this one continues, as entry 0 names it: its origin, its last signed size and root."""

    origin: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A private part or evidence blob that is not there: the entry it was first named by, when the last one named it,
    and of which type that was.
    """

    index: int
    at: datetime
    type: str


@dataclass(slots=True)
class Token:
    """An approval token that was issued."""

    request: str
    nbf: int
    exp: int
    client: str
    revoked: bool = False
    opened: str | None = None


@dataclass(slots=True)
class ScanSeen:
    """A scan whose append is not over: what it said it opens and closes, and how many of each kind it saw.

    `wrong` is null where its input cannot be read; `partial`: some of its rows could not be.
    """

    at: datetime
    opens: int
    closes: int
    wrong: Mapping[str, int] | None
    partial: bool


@dataclass(slots=True)
class SignInsSeen:
    """The newest reconciliation: when and of what, and how many findings of each kind its append still owes.

    `owed` is null where its input cannot be read.
    """

    at: datetime
    environment: str
    owed: Counter[str] | None


@dataclass(slots=True)
class World:
    """Everything known after the entries so far. `following`: events that the same append must go on with.

    `returned`: evidence that is there although an entry (its index) erased it; good only where a later one names it.
    `erased_parts`, `erased_blobs`: how many were erased with leave, by the type of their entry.
    """

    sources: Sources
    findings: list[Finding] = field(default_factory=list)
    unlisted: int = 0
    state: Institution | None = None
    opened_digest: str = ""
    continues: Continued | None = None
    enrolment_code: str = ""
    requests: dict[str, AccessRequest] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    last_number: tuple[str, int] = ("", 0)
    grants: list[GrantRow] = field(default_factory=list)
    grant_ids: set[str] = field(default_factory=set)
    tokens: dict[str, Token] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    session_index: dict[str, int] = field(default_factory=dict)
    sessions_of: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    heard: dict[str, datetime] = field(default_factory=dict)
    sealed: dict[str, datetime] = field(default_factory=dict)
    deadlines: list[tuple[datetime, str]] = field(default_factory=list)
    standing: dict[str, StandingApproval] = field(default_factory=dict)
    standing_findings: dict[str, finding.Finding] = field(default_factory=dict)
    closed_findings: set[str] = field(default_factory=set)
    scanned: dict[str, ScanSeen] = field(default_factory=dict)
    reconciled: SignInsSeen | None = None
    sign_ins_seen: dict[str, set[bytes] | None] = field(default_factory=dict)
    webhooks: set[str] = field(default_factory=set)
    following: deque[Event] = field(default_factory=deque)
    owed: dict[str, tuple[int, datetime, str, str]] = field(default_factory=dict)
    subjects: dict[tuple[str, str], str] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    engineers: dict[str, Fields] = field(default_factory=dict)
    name: str | None = None
    notify: str | None = None
    proposals: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    used: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    missing_blobs: dict[str, Missing] = field(default_factory=dict)
    missing_parts: dict[int, Missing] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)
    erased_parts: Counter[str] = field(default_factory=Counter)
    erased_blobs: Counter[str] = field(default_factory=Counter)
    sign_ins: int = 0
    engineers_proved: int = 0
    newest_sign_in: int = 0
    last_export: Entry | None = None
    observed: dict[str, tuple[int, str]] = field(default_factory=dict)
    hashed_policy: tuple[Policy, str] | None = None

    @property
    def erased(self) -> int:
        """How many private parts and evidence blobs were erased with leave."""
        return self.erased_parts.total() + self.erased_blobs.total()

    @property
    def institution(self) -> Institution:
        """The institution after the entries so far; only asked for once entry 0 has been read."""
        if self.state is None:
            raise CountersignError("no entry 0")
        return self.state

    def find(self, entry: Entry | int | None, code: str, words: str) -> None:
        """Note a finding; past `MAX_FINDINGS` they are counted alone, so that garbage takes no memory."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(entry.index if isinstance(entry, Entry) else entry, code, words))
        else:
            self.unlisted += 1

    def owe(self, key: str, entry: Entry, code: str, words: str) -> None:
        """Note that the append of `entry` has to bring what `key` names; `paid` takes it back."""
        self.owed.setdefault(key, (entry.index, entry.at, code, words))

    def paid(self, key: str) -> bool:
        """What was owed has come; whether it was owed."""
        return self.owed.pop(key, None) is not None

    def settle(self, at: datetime | None) -> None:
        """An append is over (a later `at`, or the end): whatever it still owes is a finding."""
        for key, (index, owed_at, code, words) in list(self.owed.items()):
            if at is None or owed_at < at:
                self.find(index, code, words)
                del self.owed[key]

    def evolve(self, entry: Entry) -> None:
        """Let the entry change the institution, by the domain's rules. Raises `IllegalTransition`."""
        self.state = evolve(self.institution, entry)

    def policy_digest(self) -> str:
        """The hash of the policy in force."""
        policy = self.institution.policy
        if self.hashed_policy is None or self.hashed_policy[0] is not policy:
            self.hashed_policy = policy, canonical.sha(canonical.encode(policy.to_data()))
        return self.hashed_policy[1]

    def keys(self) -> Keys:
        """The signing keys that count at the provider now in force."""
        seen = self.institution.keys_seen.get(self.institution.provider.issuer, frozenset())
        return Keys(seen, self.sources.idp_keys)

    def evidence(self, entry: Entry) -> list[SignedIn | Input]:
        """The evidence the entry names, each blob counted once. What is absent is remembered, not returned."""
        blobs = [self._blob(entry, digest) for digest in entry.data["evidence"]]
        return [blob for blob in blobs if blob is not None]

    def unreadable(self, entry: Entry) -> bool:
        """Whether all of the entry's evidence is absent: erased with leave, left out of the export, or a finding."""
        named: Sequence[str] = entry.data["evidence"]
        return bool(named) and all(digest in self.missing_blobs for digest in named)

    def signed_in(self, entry: Entry, *, countersigned: bool) -> SignedIn | None:
        """The one sign-in that an entry rests on; null where it cannot be read. Raises `Fault` when it is another."""
        found = self.evidence(entry)
        if self.unreadable(entry):
            return None
        if len(entry.data["evidence"]) != 1 or len(found) != 1 or not isinstance(found[0], SignedIn):
            raise Fault("evidence-form", "one sign-in is wanted as evidence")
        if (found[0].statement is not None) != countersigned:
            wanted = "a countersignature" if countersigned else "a sign-in without a statement"
            raise Fault("evidence-form", f"{wanted} is wanted as evidence")
        return found[0]

    def miss_part(self, entry: Entry) -> None:
        """Note that the entry's private part is not there: it is to be erased by a later entry."""
        self.missing_parts[entry.index] = Missing(entry.index, entry.at, entry.type)

    def know_subject(self, person: str, iss: str, sub: str) -> None:
        """Remember, or compare, who a person is at a provider. Raises `Fault` when it is somebody else."""
        known = self.subjects.setdefault((person, iss), sub)
        if known != sub:
            raise Fault("subject-differs", "the sign-in is of another account than the person is bound to")

    def saw(self, identity: VerifiedIdentity) -> None:
        """Remember when somebody signed in: no entry up to there can be later than the provider's own clock says."""
        self.sign_ins += 1
        self.newest_sign_in = max(self.newest_sign_in, identity.iat)

    def client_fault(self, entry: Entry, scope: str | None) -> str | None:
        """Why the acting client may not do this; null where it may, or where the vendor's entries are not at hand."""
        vendor = self.sources.vendor
        if vendor is None:
            return None
        client = vendor.clients.get(entry.actor.id)
        if client is None or entry.at + IN_FLIGHT < client.created_at:
            return "the vendor's log has created no such client by then"
        if client.revoked_at is not None and entry.at > client.revoked_at + IN_FLIGHT:
            return "the client had been revoked"
        if not client.serves(entry.institution):
            return "the client is not for this institution"
        if scope is not None and scope not in client.scopes:
            return f"the client has no scope {scope}"
        return None

    def client_revoked(self, request: AccessRequest) -> datetime | None:
        """When the client that filed the request was revoked, as far as the vendor's entries are at hand."""
        vendor = self.sources.vendor
        client = None if vendor is None else vendor.clients.get(request.created_by)
        return None if client is None else client.revoked_at

    def _blob(self, entry: Entry, digest: str) -> SignedIn | Input | None:
        self.named.add(digest)
        blob = self.sources.blob(digest)
        if blob is None:
            before = self.missing_blobs.get(digest)
            self.missing_blobs[digest] = Missing(entry.index if before is None else before.index, entry.at, entry.type)
            return None
        self.returned.pop(digest, None)
        if canonical.sha(blob) != digest:
            raise Fault("evidence-changed", f"the evidence {digest} is not what its hash says")
        try:
            read = read_evidence(blob)
        except EvidenceError as error:
            raise Fault("evidence-form", f"the evidence {digest}: {error}") from error
        used = self.used.setdefault(digest, (entry.index, entry.at))
        shared = isinstance(read, Input) or (read.statement is None and used[1] == entry.at)
        if used[0] != entry.index and not shared:
            raise Fault("evidence-reused", f"the evidence was already used by entry {used[0]}")
        return read
