#!/usr/bin/env bash
# Builds a Debian package and says where it is. Needs Rust and cargo-deb:
#   cargo install cargo-deb --locked
# Arguments go to `cargo build`.
set -euo pipefail
cd "$(dirname "$0")/.."
snapkeep=${CARGO_TARGET_DIR:-target}/release/snapkeep

cargo build --locked --release "$@"

# Where `assets` in Cargo.toml looks for them.
made=target/deb
rm -rf "$made"
mkdir -p "$made"
"$snapkeep" man --dir "$made/man"
"$snapkeep" completions bash > "$made/snapkeep.bash"
"$snapkeep" completions zsh > "$made/_snapkeep"
"$snapkeep" completions fish > "$made/snapkeep.fish"

cargo deb --no-build --locked
