AWS_REGION_ARR=(eu-west-1 "x'
y")
BACKUP="$(printf '\033[2J')" SC_MODE='"]
[[policy]]'
RETENTION_DAILY='1 month
adopt.all = true' RETENTION_LIMIT="unterminated
