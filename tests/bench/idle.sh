#!/usr/bin/env bash
# How much memory an idle `serve` has, and how often it wakes up: by /proc, for SECONDS (60).
#
#   tests/bench/idle.sh [SECONDS] [SNAPKEEP]
#
# Prints; promises nothing. Without SNAPKEEP it builds a release without the SDK. The account is the
# sandbox, whose year of history the service keeps in memory too.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds="${1:-60}"
snapkeep="${2:-}"
if [ -z "$snapkeep" ]; then
    cargo build --quiet --release --no-default-features
    snapkeep="${CARGO_TARGET_DIR:-target}/release/snapkeep"
fi

log="$(mktemp)"
# With the watchdog as the unit has it, and without.
for watchdog in "" 180000000; do
    WATCHDOG_USEC="$watchdog" "$snapkeep" --sandbox -v serve --listen 127.0.0.1:0 >"$log" 2>&1 &
    pid=$!
    trap 'kill "$pid" 2>/dev/null; rm -f "$log"' EXIT
    # A few cycles come first, until nothing is left to look at before the next slot.
    until=""
    while [ "$(date -ud "${until:-1970-01-01}" +%s)" -lt "$(date -ud "now + $((seconds + 30)) seconds" +%s)" ]; do
        sleep 1
        until="$(grep -o 'idle until [^,]*' "$log" | tail -n 1 | cut -d' ' -f3)"
    done
    of() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$pid/status"; }
    before="$(of voluntary_ctxt_switches)"
    sleep "$seconds"
    after="$(of voluntary_ctxt_switches)"
    echo "watchdog ${watchdog:-off}: $((after - before)) wake-ups in $seconds s," \
        "$(of VmRSS) KiB resident ($(of RssAnon) KiB its own), peak $(of VmHWM) KiB," \
        "idle until $until"
    kill "$pid"
    wait "$pid"
done
