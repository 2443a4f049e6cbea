#!/bin/sh
# A wrapper around rustc (RUSTC_WRAPPER): adds what libFuzzer needs, coverage counters and the values of comparisons, to
# Treering's own crates alone. So the dependencies are the very ones that the tests were built with. Works on stable.
rustc="$1"
shift
case " $* " in
*" --crate-name treering "*)
    exec "$rustc" "$@" \
        -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-trace-compares \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    ;;
*) exec "$rustc" "$@" ;;
esac
