RETENTION_DAILY="1 month"
for region in "${AWS_REGION_ARR[@]}"; do echo "$region"; done
