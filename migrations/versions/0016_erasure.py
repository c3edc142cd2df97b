"""How the application's role erases on PostgreSQL, which may delete neither private parts nor evidence.

By two functions of the retention role, which delete what they are told; as ever the triggers let a row go only when an
entry of its log names it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ROLE = "countersign_retention"
# Function: table, and the column that its array names.
FUNCTIONS = {
    "trail_erase_private_parts": ("private_parts", "idx", "bigint"),
    "trail_erase_evidence": ("evidence", "digest", "text"),
}


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    # Only who is of a role may give it what is theirs, and it has to be allowed to have it there.
    op.execute(sa.text(_JOIN))
    op.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {ROLE}")
    for name, (table, column, type_) in FUNCTIONS.items():
        op.execute(_FUNCTION.format(name=name, type_=type_, schema=schema, table=table, column=column))
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"ALTER FUNCTION {name} OWNER TO {ROLE}")
    op.execute(f"REVOKE CREATE ON SCHEMA {schema} FROM {ROLE}")
    op.execute(sa.text(_REFUSE_ERASURE.format(schema=schema).replace(":", "\\:")))


def downgrade() -> None:
    """The functions go; the trigger's function stays as it is, which means the same."""
    if op.get_context().dialect.name == "postgresql":
        for name in FUNCTIONS:
            op.execute(f"DROP FUNCTION {name}")


_JOIN = f"""
DO $$
DECLARE
    may text = CASE WHEN current_setting('server_version_num')\\:\\:int < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    IF NOT pg_has_role(current_user, '{ROLE}', may) THEN
        EXECUTE format('GRANT {ROLE} TO %I', current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'GRANT {ROLE} TO % as an administrator, then migrate again', current_user;
END $$
"""
_FUNCTION = """
CREATE FUNCTION {name}(code text, named {type_}[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    DELETE FROM {schema}.{table} WHERE log = code AND {column} = ANY (named);
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END $$
"""
# As before; but the newest entries are asked first, since the one that tells of an erasure is of its own transaction.
_REFUSE_ERASURE = """
CREATE OR REPLACE FUNCTION trail_refuse_erasure() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text = CASE TG_TABLE_NAME WHEN 'private_parts' THEN 'private.erased' ELSE 'evidence.erased' END;
    listed text = CASE TG_TABLE_NAME WHEN 'private_parts' THEN 'indexes' ELSE 'digests' END;
    key text = CASE TG_TABLE_NAME WHEN 'private_parts' THEN 'idx' ELSE 'digest' END;
BEGIN
    IF current_user = 'countersign_retention' AND EXISTS (
        SELECT 1 FROM (
            SELECT leaf FROM {schema}.leaves WHERE log = OLD.log AND type = wanted ORDER BY idx DESC
        ) AS told WHERE convert_from(told.leaf, 'UTF8')::jsonb -> 'data' -> listed @> (to_jsonb(OLD) -> key)
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the trail is append only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
"""
