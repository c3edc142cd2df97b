#!/bin/sh
# A standby of $PRIMARY_HOST: copies the primary into $PGDATA where that is empty, then follows it. Never over a database.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA" && chmod 700 "$PGDATA"
    PGPASSWORD=$REPLICATION_PASSWORD pg_basebackup --pgdata="$PGDATA" --checkpoint=fast --wal-method=stream \
        --slot=standby --write-recovery-conf --no-password \
        --dbname="host=$PRIMARY_HOST port=${PRIMARY_PORT:-5432} user=countersign_replication application_name=standby"
fi
exec "$@"
