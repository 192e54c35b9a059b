AWS_REGION_ARR=(eu-west-1)
AWS_REGION_ARR+=(eu-west-2)
RETENTION_DAILY=30
RETENTION_DAILY=60
RETENTION_LIMIT="7 months"
RETENTION_LIMIT= ./warn-if-unset.sh
BACKUP=maybe
SC_MODE="full"
while getopts "b:" o; do read -r BACKUP_FILE; done
