export AWS_REGION_ARR=(
  "eu-west-1"   # Ireland
  'us-east-1'
  # eu-central-1, not yet
)
export TZ=Europe/Berlin
readonly RETENTION_DAILY=30
declare -r RETENTION_LIMIT=7
declare BACKUP=1
SC_MODE=Snapshots
