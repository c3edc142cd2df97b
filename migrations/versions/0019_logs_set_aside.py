"""Logs that were succeeded are set aside under another name: `logs.former` says whose log one was.

A row of the trail may go only when the same row stands in a log that was set aside: it is moved, never lost. On
PostgreSQL only the owner may; the application's role still deletes nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Table: what has to be the same, beside the log's name.
ROWS = {
    "leaves": ("idx", "leaf"),
    "tiles": ("level", "idx", "hashes"),
    "private_parts": ("idx", "part"),
    "evidence": ("digest", "blob"),
}
APPEND_ONLY = ("leaves", "tiles")
# As in 0002 and 0016: which entries tell of an erasure.
ERASURES = {
    "private_parts": ("private.erased", "indexes", "idx"),
    "evidence": ("evidence.erased", "digests", "digest"),
}


def upgrade() -> None:
    op.add_column("logs", sa.Column("former", sa.String(length=64), nullable=True))
    op.create_index(
        op.f("ix_logs_former"),
        "logs",
        ["former"],
        postgresql_where=sa.text("former IS NOT NULL"),
        sqlite_where=sa.text("former IS NOT NULL"),
    )
    _run(_postgresql() if _is_postgresql() else _sqlite({table: _kept(table) for table in ROWS}))


def downgrade() -> None:
    if _is_postgresql():
        _run(_postgresql_before())
    else:
        _run(_sqlite({}))
    op.drop_index(op.f("ix_logs_former"), table_name="logs")
    op.drop_column("logs", "former")


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(sa.text(statement.replace(":", "\\:")))


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _kept(table: str, schema: str = "") -> str:
    """Whether the row that goes stands in a log that was set aside."""
    same = " AND ".join(f"kept.{column} = OLD.{column}" for column in ROWS[table])
    return (
        f"EXISTS (SELECT 1 FROM {schema}logs AS aside JOIN {schema}{table} AS kept ON kept.log = aside.log "
        f"WHERE aside.former = OLD.log AND {same})"
    )


def _sqlite(kept: dict[str, str]) -> list[str]:
    statements = []
    for table in ROWS:
        leave = [*([_sqlite_erasure(table)] if table in ERASURES else []), *([kept[table]] if table in kept else [])]
        when = f"WHEN NOT ({' OR '.join(leave)})" if leave else ""
        statements.append(f"DROP TRIGGER {table}_refuse_delete")
        statements.append(
            f"CREATE TRIGGER {table}_refuse_delete BEFORE DELETE ON {table} {when} "
            f"BEGIN SELECT RAISE(ABORT, 'the trail is append only: delete on {table}'); END"
        )
    return statements


def _sqlite_erasure(table: str) -> str:
    type_, listed, column = ERASURES[table]
    return (
        f"EXISTS (SELECT 1 FROM leaves AS told, json_each(CAST(told.leaf AS TEXT), '$.data.{listed}') AS erased "
        f"WHERE told.log = OLD.log AND told.type = '{type_}' AND erased.value = OLD.{column})"
    )


def _schema() -> str:
    return f"{op.get_bind().scalar(sa.text('SELECT quote_ident(current_schema())'))}."


def _postgresql() -> list[str]:
    schema = _schema()
    statements = [_function(table, _kept(table, schema)) for table in APPEND_ONLY]
    for table in APPEND_ONLY:
        statements += [
            *_trigger(table, "change", f"BEFORE UPDATE OR TRUNCATE ON {table} FOR EACH STATEMENT"),
            *_trigger(table, "removal", f"BEFORE DELETE ON {table} FOR EACH ROW", f"trail_refuse_removal_{table}"),
        ]
    return [*statements, _ERASURE.format(schema=schema, moved=_moved(schema))]


def _moved(schema: str) -> str:
    """Branches, because a table's OLD has not the columns of the other; what is not reached is not looked at."""
    return "".join(
        f"""
    ELSIF TG_TABLE_NAME = '{table}' THEN
        IF {_kept(table, schema)} THEN
            RETURN OLD;
        END IF;"""
        for table in ERASURES
    )


def _postgresql_before() -> list[str]:
    statements = [_ERASURE.format(schema=_schema(), moved="")]
    for table in APPEND_ONLY:
        statements += [
            f"DROP FUNCTION trail_refuse_removal_{table}() CASCADE",
            *_trigger(table, "change", f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"),
        ]
    return statements


def _trigger(table: str, what: str, when: str, function: str | None = None) -> list[str]:
    name = f"{table}_refuse_{what}"
    return [
        f"DROP TRIGGER IF EXISTS {name} ON {table}",
        f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function or f'trail_refuse_{what}'}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    ]


def _function(table: str, kept: str) -> str:
    return f"""
CREATE FUNCTION trail_refuse_removal_{table}() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF {kept} THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the trail is append only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""


# As in 0016, or where the same row was set aside.
_ERASURE = """
CREATE OR REPLACE FUNCTION trail_refuse_erasure() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text = CASE TG_TABLE_NAME WHEN 'private_parts' THEN 'private.erased' ELSE 'evidence.erased' END;
    listed text = CASE TG_TABLE_NAME WHEN 'private_parts' THEN 'indexes' ELSE 'digests' END;
    key text = CASE TG_TABLE_NAME WHEN 'private_parts' THEN 'idx' ELSE 'digest' END;
BEGIN
    IF current_user = 'countersign_retention' THEN
        IF EXISTS (
            SELECT 1 FROM (
                SELECT leaf FROM {schema}leaves WHERE log = OLD.log AND type = wanted ORDER BY idx DESC
            ) AS told WHERE convert_from(told.leaf, 'UTF8')::jsonb -> 'data' -> listed @> (to_jsonb(OLD) -> key)
        ) THEN
            RETURN OLD;
        END IF;{moved}
    END IF;
    RAISE EXCEPTION 'the trail is append only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
