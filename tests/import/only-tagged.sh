AWS_REGION_ARR=(eu-west-1)
RETENTION_DAILY="1 month"
RETENTION_LIMIT="7 months"
SC_MODE=dry-run
aws ec2 describe-snapshots --owner-ids self --filters "Name=tag:CreatedBy,Values=backup.sh" |
  jq -r '.Snapshots[].SnapshotId' | xargs -n1 aws ec2 delete-snapshot --snapshot-id
