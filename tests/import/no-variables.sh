#!/bin/bash
echo "RETENTION_DAILY"
