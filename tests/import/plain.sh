#!/bin/bash
# Every day: snapshots of all running instances; keeps a month, and each 1st for seven months.

AWS_REGION_ARR=(ap-northeast-2 us-east-1)

BACKUP=true
SC_MODE=instance
RETENTION_DAILY="1 month"
RETENTION_LIMIT="7 months"

for region in "${AWS_REGION_ARR[@]}"; do
  if [ "$BACKUP" = true ]; then
    for instance in $(aws ec2 describe-instances --region "$region" \
        --filters Name=instance-state-name,Values=running \
        --query 'Reservations[].Instances[].InstanceId' --output text); do
      aws ec2 create-snapshots --region "$region" --instance-specification InstanceId="$instance"
    done
  fi
  daily=$(date -d "-$RETENTION_DAILY" +%F)
  limit=$(date -d "$RETENTION_LIMIT ago" +%F)
  aws ec2 describe-snapshots --region "$region" --owner-ids self \
      --query "Snapshots[?StartTime<'$daily'].[SnapshotId,StartTime]" --output text |
  while read -r id at; do
    if [[ ${at:8:2} == 01 && ! $at < $limit ]]; then continue; fi
    aws ec2 delete-snapshot --region "$region" --snapshot-id "$id"
  done
done
