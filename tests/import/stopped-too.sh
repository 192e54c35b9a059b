AWS_REGION_ARR=(eu-west-1)
RETENTION_DAILY="1 month" RETENTION_LIMIT="7 months"
A=x; B=$A$A$A$A$A$A$A$A; C=$B$B$B$B$B$B$B$B; D=$C$C$C$C$C$C$C$C; E=$D$D$D$D$D$D$D$D
BACKUP=$E$E$E$E$E$E$E$E
((n = 1, count++)); SC_MODE=instance
aws ec2 describe-instances --filters 'Name=instance-state-name,Values=running,stopped'
aws ec2 describe-snapshots --owner-ids self \
  --query "Snapshots[?starts_with(Description, 'nightly')].SnapshotId"
aws ec2 delete-snapshot --snapshot-id "$1"
