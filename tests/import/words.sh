AWS_REGION_ARR=([0]=eu-west-1 [1]=eu-west-2)
RETENTION_DAILY='-30 days'; RETENTION_LIMIT='7 months ago' # as date -d takes them
BACKUP=no SC_MODE=Volumes
