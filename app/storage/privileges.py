"""Who may do what in PostgreSQL: the table of grants, set anew after every migration."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from app.storage import tables

RETENTION_ROLE = "countersign_retention"

_APPEND_ONLY = "SELECT, INSERT"
_CHANGING = "SELECT, INSERT, UPDATE"
_PASSING = "SELECT, INSERT, UPDATE, DELETE"

# What the application's role may do. A head row (SELECT … FOR UPDATE needs UPDATE) is never deleted.
GRANTS: Mapping[sa.Table, str] = {
    tables.leaves: _APPEND_ONLY,
    tables.tiles: _APPEND_ONLY,
    tables.private_parts: _APPEND_ONLY,
    tables.evidence: _APPEND_ONLY,
    tables.logs: _CHANGING,
    tables.institutions: _CHANGING,
    tables.seals: _CHANGING,
    tables.standing_approvals: _CHANGING,
    tables.findings: _CHANGING,
    tables.sign_ins: _APPEND_ONLY,
    tables.reconciliations: _APPEND_ONLY,
    tables.scans: _CHANGING,
    tables.roster: _CHANGING,
    tables.requests: _CHANGING,
    tables.request_numbers: _CHANGING,
    tables.grants: _CHANGING,
    tables.tokens: _CHANGING,
    tables.sessions: _CHANGING,
    tables.session_events: _APPEND_ONLY,
    tables.session_segments: _APPEND_ONLY,
    tables.session_parts: _CHANGING,
    tables.recording_keys: _APPEND_ONLY,
    tables.clients: _CHANGING,
    tables.proposals: _CHANGING,
    tables.service_meta: _CHANGING,
    tables.stream: _CHANGING,
    tables.pending_bindings: _PASSING,
    tables.environment_secrets: _PASSING,
    tables.stop_codes: _PASSING,
    tables.drafts: _PASSING,
    tables.web_sessions: _PASSING,
    tables.sign_in_flows: _PASSING,
    tables.outbox: _PASSING,
    tables.webhooks: _PASSING,
    tables.webhook_sequences: _PASSING,
    tables.idempotency: _PASSING,
    tables.refusals: _PASSING,
    tables.replays: _PASSING,
    tables.attempts: _PASSING,
    tables.changes: _PASSING,
    tables.publications: _CHANGING,
    tables.cosignatures: _APPEND_ONLY,
    tables.witnesses: _PASSING,
    tables.witness_sizes: _PASSING,
}
# What retention needs: to find the entry that tells of the erasure (the trigger asks for it) and to delete.
_RETENTION = {"leaves": "SELECT", "private_parts": "SELECT, DELETE", "evidence": "SELECT, DELETE"}
ERASING: Mapping[str, str] = {"private_parts": "trail_erase_private_parts", "evidence": "trail_erase_evidence"}
"""By table: the function by which the application's role erases. It is the retention role's, and runs as it."""


def grant(connection: sa.Connection, role: str) -> None:
    """Take every privilege from the application's role and give it those of the table."""
    quote = connection.dialect.identifier_preparer.quote
    application, retention = quote(role), quote(RETENTION_ROLE)
    schema = quote(connection.execute(sa.select(sa.func.current_schema(type_=sa.String))).scalar_one())
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {application}, {retention}, PUBLIC",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {application}, {retention}, PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {application}, {retention}",
        f"GRANT SELECT ON alembic_version TO {application}",
        *(f"GRANT {allowed} ON {quote(table.name)} TO {application}" for table, allowed in GRANTS.items()),
        *(f"GRANT {allowed} ON {quote(table)} TO {retention}" for table, allowed in _RETENTION.items()),
        *(f"GRANT EXECUTE ON FUNCTION {name} TO {application}" for name in ERASING.values()),
    ]
    for statement in statements:
        connection.exec_driver_sql(statement)
