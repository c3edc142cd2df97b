"""The first schema: the trail, institutions and people, requests and what follows, sign-ins, deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("jwks_uri", sa.Text(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("institutions", sa.JSON(), nullable=False),
        sa.Column("audiences", sa.JSON(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
        sa.UniqueConstraint("client_id", name=op.f("uq_clients_client_id")),
    )
    op.create_table(
        "drafts",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=30), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("session", sa.LargeBinary(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_drafts")),
    )
    op.create_index(op.f("ix_drafts_created_at"), "drafts", ["created_at"], unique=False)
    op.create_table(
        "environment_secrets",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("gate_key", sa.LargeBinary(), nullable=True),
        sa.Column("alma_api_base", sa.Text(), nullable=True),
        sa.Column("alma_api_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("log", "environment", name=op.f("pk_environment_secrets")),
    )
    op.create_index(op.f("ix_environment_secrets_gate_key"), "environment_secrets", ["gate_key"], unique=True)
    op.create_table(
        "evidence",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "digest", name=op.f("pk_evidence")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grants",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("request", sa.String(length=30), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("engineer_id", sa.String(length=255), nullable=False),
        sa.Column("not_before", INSTANT, nullable=False),
        sa.Column("not_after", INSTANT, nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_because", sa.String(length=16), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_grants")),
        sa.UniqueConstraint("log", "request", name=op.f("uq_grants_log_request")),
    )
    op.create_table(
        "idempotency",
        sa.Column("client", sa.String(length=30), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_expires_at"), "idempotency", ["expires_at"], unique=False)
    op.create_table(
        "institutions",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("notify", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("approval_client_secret", sa.LargeBinary(), nullable=True),
        sa.Column("enrolled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_institutions")),
    )
    op.create_table(
        "leaves",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=30), nullable=True),
        sa.PrimaryKeyConstraint("log", "idx", name=op.f("pk_leaves")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_leaves_log_request_idx"),
        "leaves",
        ["log", "request", "idx"],
        unique=False,
        postgresql_where=sa.text("request IS NOT NULL"),
        sqlite_where=sa.text("request IS NOT NULL"),
    )
    op.create_index(op.f("ix_leaves_log_subject_idx"), "leaves", ["log", "subject", "idx"], unique=False)
    op.create_index(op.f("ix_leaves_log_type_idx"), "leaves", ["log", "type", "idx"], unique=False)
    op.create_table(
        "logs",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("edge", sa.LargeBinary(), nullable=False),
        sa.Column("last_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_logs")),
        sa.UniqueConstraint("origin", name=op.f("uq_logs_origin")),
    )
    op.create_table(
        "outbox",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("about", sa.String(length=30), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("rendered", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_outbox")),
    )
    op.create_index(
        op.f("ix_outbox_due_at"),
        "outbox",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'waiting'"),
        sqlite_where=sa.text("status = 'waiting'"),
    )
    op.create_index(op.f("ix_outbox_log_about"), "outbox", ["log", "about"], unique=False)
    op.create_table(
        "pending_bindings",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("iss", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("log", "person", name=op.f("pk_pending_bindings")),
    )
    op.create_table(
        "private_parts",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "idx", name=op.f("pk_private_parts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("minute", INSTANT, nullable=False),
        sa.Column("later", sa.Integer(), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("log", "key", "minute", name=op.f("pk_refusals")),
    )
    op.create_index(op.f("ix_refusals_minute"), "refusals", ["minute"], unique=False)
    op.create_table(
        "replays",
        sa.Column("scope", sa.String(length=255), nullable=False),
        sa.Column("jti", sa.String(length=255), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("scope", "jti", name=op.f("pk_replays")),
    )
    op.create_index(op.f("ix_replays_expires_at"), "replays", ["expires_at"], unique=False)
    op.create_table(
        "request_numbers",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("log", "year", name=op.f("pk_request_numbers")),
    )
    op.create_table(
        "requests",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("short", sa.String(length=12), nullable=False),
        sa.Column("client", sa.String(length=30), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_index", sa.BigInteger(), nullable=False),
        sa.Column("decide_by", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("case_number", sa.String(length=40), nullable=False),
        sa.Column("engineer_id", sa.String(length=255), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_requests")),
        sa.UniqueConstraint("log", "number", name=op.f("uq_requests_log_number")),
    )
    op.create_index(
        op.f("ix_requests_due_at"),
        "requests",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_requests_id"), "requests", ["id"], unique=False)
    op.create_index(op.f("ix_requests_log_case_number"), "requests", ["log", "case_number"], unique=False)
    op.create_index(op.f("ix_requests_log_engineer_id"), "requests", ["log", "engineer_id"], unique=False)
    op.create_index(op.f("ix_requests_short"), "requests", ["short"], unique=True)
    op.create_table(
        "roster",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("iss", sa.Text(), nullable=True),
        sa.Column("sub", sa.Text(), nullable=True),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("log", "person", name=op.f("pk_roster")),
        sa.UniqueConstraint("log", "iss", "sub", name=op.f("uq_roster_log_iss_sub")),
    )
    op.create_index(
        "uq_roster_log_email",
        "roster",
        ["log", "email"],
        unique=True,
        postgresql_where=sa.text("NOT removed"),
        sqlite_where=sa.text("NOT removed"),
    )
    op.create_table(
        "service_meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_service_meta")),
    )
    op.create_table(
        "sign_in_flows",
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_sign_in_flows")),
    )
    op.create_index(op.f("ix_sign_in_flows_created_at"), "sign_in_flows", ["created_at"], unique=False)
    op.create_table(
        "tiles",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "level", "idx", name=op.f("pk_tiles")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tokens",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("jti", sa.String(length=255), nullable=False),
        sa.Column("grant", sa.String(length=30), nullable=False),
        sa.Column("request", sa.String(length=30), nullable=False),
        sa.Column("client", sa.String(length=30), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("jkt", sa.String(length=43), nullable=True),
        sa.Column("iat", sa.BigInteger(), nullable=False),
        sa.Column("nbf", sa.BigInteger(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "jti", name=op.f("pk_tokens")),
    )
    op.create_index(op.f("ix_tokens_jti"), "tokens", ["jti"], unique=True)
    op.create_index(op.f("ix_tokens_log_grant"), "tokens", ["log", "grant"], unique=False)
    op.create_table(
        "web_sessions",
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("iss", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_web_sessions")),
    )
    op.create_index(op.f("ix_web_sessions_expires_at"), "web_sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_web_sessions_log_iss_sub"), "web_sessions", ["log", "iss", "sub"], unique=False)
    op.create_index(op.f("ix_web_sessions_log_person"), "web_sessions", ["log", "person"], unique=False)


def downgrade() -> None:
    op.drop_table("web_sessions")
    op.drop_table("tokens")
    op.drop_table("tiles")
    op.drop_table("sign_in_flows")
    op.drop_table("service_meta")
    op.drop_table("roster")
    op.drop_table("requests")
    op.drop_table("request_numbers")
    op.drop_table("replays")
    op.drop_table("refusals")
    op.drop_table("private_parts")
    op.drop_table("pending_bindings")
    op.drop_table("outbox")
    op.drop_table("logs")
    op.drop_table("leaves")
    op.drop_table("institutions")
    op.drop_table("idempotency")
    op.drop_table("grants")
    op.drop_table("evidence")
    op.drop_table("environment_secrets")
    op.drop_table("drafts")
    op.drop_table("clients")
