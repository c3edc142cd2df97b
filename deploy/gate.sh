#!/bin/sh
# docs/nginx.conf ($1) with the addresses of $SERVICES and $ENVIRONMENT, and its files in /etc/nginx/gate.
set -eu
servers=
for each in $SERVICES; do servers="$servers server $each;"; done
sed -e "s|^    server 127\.0\.0\.1:8000;|   $servers|" \
    -e "s|^    server 127\.0\.0\.1:9000;|    server $ENVIRONMENT;|" \
    -e "s,/etc/nginx/gate\(-key\.conf\|\.crt\|\.key\);,/etc/nginx/gate/gate\1;," "$1"
