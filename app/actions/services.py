"""What actions are handed: everything that does IO or holds a secret, built once in `bootstrap.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from app.actions.derivation import Derivations
from app.actions.followers import Followers
from app.actions.meters import Meters
from app.actions.minted import Mint
from app.actions.minting import Minting
from app.identity.http import Fetcher
from app.identity.provider import ProviderClient
from app.notify.smtp import SmtpSettings
from app.storage import checks, replays
from app.storage.checks import Asked, Found
from app.storage.database import Database
from app.storage.grouped import GroupCommit, GroupedRead
from app.storage.heads import Heads
from app.storage.object_store import ObjectStore
from app.storage.replays import ReplayRow
from app.tokens.keys import KeyRing
from app.tokens.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Services:
    """The world, as actions see it.

    `webhooks` posts to endpoints, witnesses' too, and reads users from Alma. A log that grew has a checkpoint published
    `checkpoint_every`.
    `base_url` has no slash at its end, `log_name` is the prefix of every log's origin, `mail_from` the sender's
    bare address (each mail says who speaks), `bounces_to` the address below which bounces come back, if they are taken.
    What machines ask at machine speed is asked in groups: `checks`; `proofs` takes what may be shown once.
    bare address (each mail says who speaks). What machines ask at machine speed is asked in groups: `checks`;
    `proofs` takes what may be shown once. `meters` count what happens; whoever reads them has the `metrics_token`.
    """

    database: Database
    follow: Followers
    secrets: Secrets
    ring: KeyRing
    heads: Heads
    objects: ObjectStore
    provider: ProviderClient
    webhooks: Fetcher
    smtp: SmtpSettings | None
    mail_from: str
    base_url: str
    log_name: str
    requests_per_hour: int
    version: str
    bounces_to: str | None = None
    calls_per_minute: int = 6000
    checkpoint_every: timedelta = timedelta(minutes=10)
    metrics_token: str | None = field(default=None, repr=False)
    meters: Meters = field(default_factory=Meters, repr=False)
    checks: GroupedRead[Asked, Found] = field(init=False, repr=False)
    proofs: GroupCommit[ReplayRow, bool] = field(init=False, repr=False)
    derivations: Derivations = field(default_factory=Derivations, repr=False)
    mint: Mint = field(init=False, repr=False)
    minting: Minting = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """The groups are of these services and nobody else's; what is committed is counted."""
        self.database.committed = self.meters.committed
        object.__setattr__(self, "checks", GroupedRead(self.database, checks.Reader().read))
        object.__setattr__(self, "proofs", GroupCommit(self.database, replays.take))
        object.__setattr__(self, "mint", Mint(self.secrets, self.ring, self.base_url))
        object.__setattr__(self, "minting", Minting(self.database, self.heads, self.mint))

    def origin(self, code: str) -> str:
        """The origin of an institution's first log."""
        return f"{self.log_name}/{code}"

    def page(self, path: str) -> str:
        """The absolute address of one of our pages."""
        return f"{self.base_url}{path}"
