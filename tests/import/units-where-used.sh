DAYS=45
AWS_REGION_ARR="eu-west-1 us-east-1"
RETENTION_DAILY=$DAYS
RETENTION_LIMIT="${RETENTION_LIMIT:-7}"
BACKUP=${1:-off}
old=$(date -d "${RETENTION_DAILY} days ago" +%s)
oldest=$(date -v-${RETENTION_LIMIT}m +%s)
