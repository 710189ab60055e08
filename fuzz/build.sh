#!/usr/bin/env bash
# Builds every fuzz target with coverage and AddressSanitizer, as cargo-fuzz would, by a nightly compiler
# alone: fuzz/build.sh [OPTIONS OF cargo build]. A C++ compiler builds libFuzzer.
# The targets lie in fuzz/target/TRIPLE/release, which the last line names.
set -euo pipefail
cd "$(dirname "$0")"

triple=$(rustc +nightly --print host-tuple)
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    # Branches that are folded into one are not told apart.
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
)
export RUSTFLAGS="${coverage[*]} -Zsanitizer=address --cfg fuzzing"
export CARGO_INCREMENTAL=0
# Named, so that the flags are for the targets and not for what only runs while they are built.
cargo +nightly build --release --target "$triple" "$@" >&2
echo "$PWD/target/$triple/release"
