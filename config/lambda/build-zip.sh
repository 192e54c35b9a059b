#!/usr/bin/env bash
# Builds the package of the Lambda function: the release program as `bootstrap`, and beside it the
# configuration.
#
#   config/lambda/build-zip.sh [--arch arm64|x86_64] [--config FILE] [--out FILE]
#
# Needs Rust and python3. For another architecture than this machine's it builds with cargo-lambda
# and zig, which it installs from PyPI into a virtual environment under target/; for its own, plain
# cargo does. A configuration that is wrong is refused before anything is built.
#
# The program runs under provided.al2023, whose glibc is 2.34: what plain cargo builds on a machine
# with a newer one may ask for more than that, and is refused at the end.
set -euo pipefail
called_from="$PWD"
cd "$(dirname "$0")/../.."

CARGO_LAMBDA="cargo-lambda==1.9.2"
ZIG="ziglang==0.17.0"
GLIBC_MAX="2.34"

fail() { printf 'error: %s\n' "$*" >&2; exit 2; }

arch=arm64
config=config/snapkeep.toml
out=
while [ $# -gt 0 ]; do
    case "$1" in
        --arch) arch="${2:?}"; shift 2 ;;
        --config) config="$(cd "$called_from" && realpath -m -- "${2:?}")"; shift 2 ;;
        --out) out="$(cd "$called_from" && realpath -m -- "${2:?}")"; shift 2 ;;
        *) fail "unknown argument $1; see the head of $0" ;;
    esac
done
[ -f "$config" ] || fail "there is no $config"
case "$arch" in
    arm64) machine=aarch64 ;;
    x86_64) machine=x86_64 ;;
    *) fail "--arch is arm64 or x86_64, not $arch" ;;
esac
target="${CARGO_TARGET_DIR:-$PWD/target}"
out="${out:-$target/lambda/snapkeep-$arch.zip}"

# Without the SDK this takes seconds, where the package takes minutes.
cargo run --quiet --locked --no-default-features -- --config "$config" check

if [ "$(uname -m)" = "$machine" ]; then
    cargo build --release --locked
    mkdir -p "$target/lambda"
    program="$target/lambda/bootstrap-$arch"
    strip -o "$program" "$target/release/snapkeep"
else
    venv="$target/cargo-lambda-venv"
    [ -x "$venv/bin/cargo-lambda" ] || {
        python3 -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "$CARGO_LAMBDA" "$ZIG"
    }
    PATH="$venv/bin:$PATH" cargo lambda build --release --locked "--$arch" --bin snapkeep
    program="$target/lambda/snapkeep/bootstrap"
fi

mkdir -p "$(dirname "$out")"
python3 - "$program" "$config" "$out" "$GLIBC_MAX" <<'PYTHON'
import re, sys, zipfile

program, config, out, glibc_max = sys.argv[1:]
with open(program, "rb") as file:
    code = file.read()
number = lambda text: tuple(int(part) for part in text.split("."))
asked = {text.decode() for text in re.findall(rb"GLIBC_(\d+\.\d+)", code)}
newest = max(asked, key=number, default="0.0")
if number(newest) > number(glibc_max):
    sys.exit(f"error: {program} needs glibc {newest}, and provided.al2023 has {glibc_max}: build it "
             "on an older system, or with cargo-lambda and zig")


def entry(name, mode):
    # The same for the same content: no time of its own.
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, (0o100000 | mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


with zipfile.ZipFile(out, "w", compresslevel=9) as package:
    package.writestr(entry("bootstrap", 0o755), code, compresslevel=9)
    with open(config, "rb") as file:
        package.writestr(entry("snapkeep.toml", 0o644), file.read())
PYTHON

printf '%s: %s bytes, of which the program is %s unzipped\n' \
    "$out" "$(stat -c %s "$out")" "$(stat -c %s "$program")"
