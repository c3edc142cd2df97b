#!/bin/sh
# Once, on an empty primary, as its administrator: the three roles, the database, and who may replicate.
# The image of PostgreSQL runs it by itself; PG… variables name the server elsewhere.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
    --set=owner="$OWNER_PASSWORD" --set=app="$APP_PASSWORD" --set=replication="$REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE countersign_owner LOGIN PASSWORD :'owner';
CREATE ROLE countersign_app LOGIN PASSWORD :'app';
CREATE ROLE countersign_retention NOLOGIN;
GRANT countersign_retention TO countersign_owner;
CREATE ROLE countersign_replication LOGIN REPLICATION PASSWORD :'replication';
CREATE DATABASE countersign OWNER countersign_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE countersign FROM PUBLIC;
GRANT CONNECT ON DATABASE countersign TO countersign_app;
SELECT pg_create_physical_replication_slot('standby');
SQL
echo "host replication countersign_replication all scram-sha-256" >>"$PGDATA/pg_hba.conf"
psql --no-psqlrc --quiet --username="${POSTGRES_USER:-postgres}" --dbname=postgres --command="SELECT pg_reload_conf()" >/dev/null
