AWS_REGION_ARR=($(aws ec2 describe-regions --query 'Regions[].RegionName' --output text))
RETENTION_DAILY="1 month"
RETENTION_LIMIT="7 months"
