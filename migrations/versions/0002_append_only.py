"""What the database itself refuses: changing or removing what the trail holds (`trail-format.md`, *Hashing, proofs*).

Leaves and tiles are never changed or deleted. Private parts and evidence are never changed, and deleted only when an
entry of the same log, committed with the deletion at the latest, tells of the erasure; on PostgreSQL by the retention
role alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RETENTION_ROLE = "countersign_retention"
KEYS = {
    "leaves": ("log", "idx"),
    "tiles": ("log", "level", "idx"),
    "private_parts": ("log", "idx"),
    "evidence": ("log", "digest"),
}
# Which entries tell of an erasure: the type, the list in `data`, and the column that stands in it.
ERASURES = {
    "private_parts": ("private.erased", "indexes", "idx"),
    "evidence": ("evidence.erased", "digests", "digest"),
}


def upgrade() -> None:
    for statement in _postgresql() if _is_postgresql() else _sqlite():
        op.execute(sa.text(statement.replace(":", "\\:")))


def downgrade() -> None:
    if _is_postgresql():
        op.execute("DROP FUNCTION trail_refuse_change() CASCADE")
        op.execute("DROP FUNCTION trail_refuse_erasure() CASCADE")
        return
    for table in KEYS:
        for what in ("update", "delete", "insert"):
            op.execute(f"DROP TRIGGER {table}_refuse_{what}")


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _sqlite() -> list[str]:
    statements = []
    for table, key in KEYS.items():
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        statements += [
            _sqlite_trigger(table, "update", ""),
            _sqlite_trigger(table, "insert", f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"),
            _sqlite_trigger(table, "delete", f"WHEN NOT {_sqlite_erasure(table)}" if table in ERASURES else ""),
        ]
    return statements


def _sqlite_trigger(table: str, what: str, when: str) -> str:
    return (
        f"CREATE TRIGGER {table}_refuse_{what} BEFORE {what.upper()} ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, 'the trail is append only: {what} on {table}'); END"
    )


def _sqlite_erasure(table: str) -> str:
    type_, listed, column = ERASURES[table]
    return (
        f"EXISTS (SELECT 1 FROM leaves AS told, json_each(CAST(told.leaf AS TEXT), '$.data.{listed}') AS erased "
        f"WHERE told.log = OLD.log AND told.type = '{type_}' AND erased.value = OLD.{column})"
    )


def _postgresql() -> list[str]:
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    statements = [_RETENTION, _REFUSE_CHANGE, _REFUSE_ERASURE.format(schema=schema, erasures=_postgresql_erasures())]
    for table in KEYS:
        events = "UPDATE OR TRUNCATE" if table in ERASURES else "UPDATE OR DELETE OR TRUNCATE"
        statements += _always(table, "change", f"BEFORE {events} ON {table} FOR EACH STATEMENT")
    for table in ERASURES:
        statements += _always(table, "erasure", f"BEFORE DELETE ON {table} FOR EACH ROW")
    return statements


def _always(table: str, what: str, when: str) -> list[str]:
    trigger = f"{table}_refuse_{what}"
    return [
        f"CREATE TRIGGER {trigger} {when} EXECUTE FUNCTION trail_refuse_{what}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}",
    ]


def _postgresql_erasures() -> str:
    return " OR ".join(
        f"(TG_TABLE_NAME = '{table}' AND told.type = '{type_}' AND convert_from(told.leaf, 'UTF8')::jsonb "
        f"-> 'data' -> '{listed}' @> (to_jsonb(OLD) -> '{column}'))"
        for table, (type_, listed, column) in ERASURES.items()
    )


_RETENTION = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{RETENTION_ROLE}') THEN
        CREATE ROLE {RETENTION_ROLE} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database of this cluster was faster
WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'the role {RETENTION_ROLE} is missing: create it (NOLOGIN) as an administrator, then migrate again';
END $$
"""
_REFUSE_CHANGE = """
CREATE FUNCTION trail_refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the trail is append only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
_REFUSE_ERASURE = """
CREATE FUNCTION trail_refuse_erasure() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_user = 'countersign_retention' AND EXISTS (
        SELECT 1 FROM {schema}.leaves AS told WHERE told.log = OLD.log AND ({erasures})
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the trail is append only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
