#!/usr/bin/env bash
# Runs the fuzz targets, each for some seconds, on the committed corpora and what was found before: run.sh SECONDS
# [TARGET…]. A finding is kept in fuzz/artifacts; its bytes belong into fuzz/corpus/<target>, beside the fix. Exit code 3:
# something is missing here, and the last line says what.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds="${1:?usage: run.sh SECONDS [TARGET…]}"
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(ls corpus))

if ! command -v c++ >/dev/null && ! command -v clang++ >/dev/null; then
    echo "no C++ compiler, which libFuzzer is built with"
    exit 3
fi
# The main build's folder: its dependencies serve here too.
folder="${CARGO_TARGET_DIR:-../target}"
if ! said="$(cargo fetch --locked --quiet 2>&1)"; then
    echo "$said"
    # A lock file that does not fit is a mistake, not a machine without a registry: it once passed for the latter.
    if [[ "$said" == *"lock file"* ]]; then
        echo "fuzz/Cargo.lock is out of date: cp Cargo.lock fuzz/ && (cd fuzz && cargo update -w)"
        exit 1
    fi
    echo "no crate registry to get libfuzzer-sys from"
    exit 3
fi
RUSTC_WRAPPER="$PWD/cover.sh" cargo build --locked --quiet --target-dir "$folder" "${targets[@]/#/--bin=}"

for target in "${targets[@]}"; do
    mkdir -p "work/$target" "artifacts/$target"
    # New inputs go to the first folder. Small inputs, little memory: the formats' limits are tested elsewhere.
    if ! "$folder/debug/$target" "work/$target" "corpus/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -rss_limit_mb=2048 -artifact_prefix="artifacts/$target/" -print_final_stats=1 >"work/$target.log" 2>&1; then
        tail -n 40 "work/$target.log"
        echo "FOUND: $target, see fuzz/artifacts/$target and fuzz/work/$target.log"
        exit 1
    fi
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "work/$target.log") inputs," \
        "$(grep -o 'cov: [0-9]*' "work/$target.log" | tail -n 1)"
done
