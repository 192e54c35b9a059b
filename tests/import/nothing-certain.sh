#!/bin/sh
# RETENTION_DAILY=1
AWS_REGION_ARR=(eu-west-1 $EXTRA_REGION eu-west-1a eu-west-1)
. /etc/default/backup
cat <<EOF
Usage: RETENTION_DAILY=2 $0
RETENTION_LIMIT=3
EOF
setup() {
  RETENTION_DAILY=4
}
[ -n "$DEBUG" ] &&
  BACKUP=false
if [ "$1" = all ]; then SC_MODE=ami; fi
RETENTION_LIMIT=$(cat /etc/backup/months)
