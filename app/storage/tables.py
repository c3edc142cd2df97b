"""The tables. `migrations/` makes exactly these (a test compares), with the triggers and roles of `trail-format.md`.

Every table that grows carries the institution (`log`) first in its key, so that a distributed PostgreSQL can place by
it; the exceptions are keyed by an API client (`idempotency`, `replays`), by a webhook (`webhooks`) or by the hash of an
address (`attempts`). No foreign key leads into the trail.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)

from app.storage.change_tables import changes, stream
from app.storage.columns import Instant, Names
from app.storage.delivery_tables import outbox, webhook_sequences, webhooks
from app.storage.finding_tables import findings, scans
from app.storage.integrity_tables import seals
from app.storage.proposal_tables import proposals
from app.storage.session_tables import recording_keys, session_events, session_parts, session_segments, sessions
from app.storage.sign_in_tables import reconciliations, sign_ins
from app.storage.standing_tables import standing_approvals
from app.storage.trail_tables import (
    Code,
    Id,
    Json,
    Name,
    Place,
    evidence,
    leaves,
    logs,
    metadata,
    private_parts,
    tiles,
)
from app.storage.witness_tables import cosignatures, publications, witness_sizes, witnesses

__all__ = ["changes", "findings", "proposals", "reconciliations", "scans", "sign_ins", "stream"]
__all__ += ["evidence", "leaves", "logs", "metadata", "outbox", "private_parts", "recording_keys", "session_events"]
__all__ += ["seals", "session_parts", "session_segments", "sessions", "standing_approvals", "tiles"]
__all__ += ["webhook_sequences", "webhooks"]
__all__ += ["cosignatures", "publications", "witness_sizes", "witnesses"]

# Institutions and people.

institutions = sa.Table(
    "institutions",
    metadata,
    Column("code", Code, primary_key=True),
    Column("name", Name, nullable=False),
    Column("notify", Names, nullable=False),
    Column("origin", Name, nullable=False),
    Column("state", Json, nullable=False),
    Column("client_secret", LargeBinary),
    Column("approval_client_secret", LargeBinary),
    Column("enrolled", Boolean, nullable=False),
)
roster = sa.Table(
    "roster",
    metadata,
    Column("log", Code),
    Column("person", Id),
    Column("name", Name, nullable=False),
    Column("email", String(320), nullable=False),
    Column("iss", Text),
    Column("sub", Text),
    Column("removed", Boolean, nullable=False),
    PrimaryKeyConstraint("log", "person"),
    UniqueConstraint("log", "iss", "sub"),
    Index(
        "uq_roster_log_email",
        "log",
        "email",
        unique=True,
        postgresql_where=sa.text("NOT removed"),
        sqlite_where=sa.text("NOT removed"),
    ),
)
pending_bindings = sa.Table(
    "pending_bindings",
    metadata,
    Column("log", Code),
    Column("person", Id),
    Column("iss", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("email", String(320)),
    Column("digest", String(71), nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("log", "person"),
)
environment_secrets = sa.Table(
    "environment_secrets",
    metadata,
    Column("log", Code),
    Column("environment", Name),
    Column("gate_key", LargeBinary),
    Column("alma_api_base", Text),
    Column("alma_api_key", LargeBinary),
    Column("mac", LargeBinary),
    PrimaryKeyConstraint("log", "environment"),
    Index(None, "gate_key", unique=True),
)
stop_codes = sa.Table(
    "stop_codes",
    metadata,
    Column("log", Code),
    Column("code", LargeBinary),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Id, nullable=False),
    Column("used_at", Instant),
    Column("ended", Integer),
    PrimaryKeyConstraint("log", "code"),
)

# Requests and what follows from them.

requests = sa.Table(
    "requests",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("number", String(16), nullable=False),
    Column("short", String(12), nullable=False),
    Column("client", Id, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_index", Place, nullable=False),
    Column("decide_by", Instant, nullable=False),
    Column("due_at", Instant),
    Column("environment", Name, nullable=False),
    Column("case_number", String(40), nullable=False),
    Column("engineer_id", Name, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Json, nullable=False),
    PrimaryKeyConstraint("log", "id"),
    UniqueConstraint("log", "number"),
    Index(None, "id"),
    Index(None, "short", unique=True),
    Index(None, "due_at", postgresql_where=sa.text("due_at IS NOT NULL"), sqlite_where=sa.text("due_at IS NOT NULL")),
    Index(None, "log", "case_number"),
    Index(None, "log", "engineer_id"),
)
request_numbers = sa.Table(
    "request_numbers",
    metadata,
    Column("log", Code),
    Column("year", Integer, autoincrement=False),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("log", "year"),
)
grants = sa.Table(
    "grants",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("request", Id, nullable=False),
    Column("environment", Name, nullable=False),
    Column("account", String(32), nullable=False),
    Column("engineer_id", Name, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("roles", Names, nullable=False),
    Column("ended_at", Instant),
    Column("ended_because", String(16)),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "id"),
    UniqueConstraint("log", "request"),
)
tokens = sa.Table(
    "tokens",
    metadata,
    Column("log", Code),
    Column("jti", Name),
    Column("grant", Id, nullable=False),
    Column("request", Id, nullable=False),
    Column("client", Id, nullable=False),
    Column("audience", Text, nullable=False),
    Column("digest", String(71), nullable=False),
    Column("jkt", String(43)),
    Column("iat", Place, nullable=False),
    Column("nbf", Place, nullable=False),
    Column("exp", Place, nullable=False),
    Column("revoked_at", Instant),
    Column("mac", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log", "jti"),
    Index(None, "jti", unique=True),
    Index(None, "log", "grant"),
)
drafts = sa.Table(
    "drafts",
    metadata,
    Column("log", Code),
    Column("id", Id),
    Column("kind", String(16), nullable=False),
    Column("subject", Id, nullable=False),
    Column("person", Id, nullable=False),
    Column("session", LargeBinary, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("details", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
    PrimaryKeyConstraint("log", "id"),
    Index(None, "created_at"),
)

# Whoever signs in.

clients = sa.Table(
    "clients",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client_id", Name, nullable=False, unique=True),
    Column("name", Name, nullable=False),
    Column("secrets", Names, nullable=False),
    Column("jwks", Json),
    Column("jwks_uri", Text),
    Column("scopes", Names, nullable=False),
    Column("institutions", Names, nullable=False),
    Column("audiences", Names, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("folded", Place),
    Column("mac", LargeBinary),
)
web_sessions = sa.Table(
    "web_sessions",
    metadata,
    Column("token", LargeBinary, primary_key=True),
    Column("log", Code, nullable=False),
    Column("person", Id, nullable=False),
    Column("iss", Text, nullable=False),
    Column("sub", Text, nullable=False),
    Column("sid", Text),
    Column("details", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "log", "person"),
    Index(None, "log", "iss", "sub"),
    Index(None, "expires_at"),
)
sign_in_flows = sa.Table(
    "sign_in_flows",
    metadata,
    Column("state", LargeBinary, primary_key=True),
    Column("log", Code, nullable=False),
    Column("browser", LargeBinary, nullable=False),
    Column("details", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "created_at"),
)

# What keeps a promise after the commit, or keeps a thing from happening twice.

idempotency = sa.Table(
    "idempotency",
    metadata,
    Column("client", Id),
    Column("key", Name),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer),
    Column("headers", Json),
    Column("body", LargeBinary),
    Column("expires_at", Instant, nullable=False),
    PrimaryKeyConstraint("client", "key"),
    Index(None, "expires_at"),
)
refusals = sa.Table(
    "refusals",
    metadata,
    Column("log", Code),
    Column("key", Name),
    Column("minute", Instant),
    Column("later", Integer, nullable=False),
    Column("event", Json, nullable=False),
    PrimaryKeyConstraint("log", "key", "minute"),
    Index(None, "minute"),
)
replays = sa.Table(
    "replays",
    metadata,
    Column("scope", Name),
    Column("jti", Name),
    Column("expires_at", Instant, nullable=False),
    PrimaryKeyConstraint("scope", "jti"),
    Index(None, "expires_at"),
)
attempts = sa.Table(
    "attempts",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("began", Instant, nullable=False),
    Column("count", Integer, nullable=False),
    Index(None, "began"),
)
service_meta = sa.Table(
    "service_meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Json, nullable=False),
)
