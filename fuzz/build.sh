#!/usr/bin/env bash
# Builds every fuzz target with coverage and AddressSanitizer, as cargo-fuzz would, but without it:
#
#   fuzz/build.sh [OPTIONS OF cargo build]
#
# Needs a nightly compiler, and a C++ compiler for libFuzzer. The last line of the output names the folder of
# the targets, fuzz/target/TRIPLE/release.
set -euo pipefail
cd "$(dirname "$0")"

triple=$(rustc +nightly --print host-tuple)
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    # The fuzzer cannot distinguish branches that the compiler folds into one.
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
)
export RUSTFLAGS="${coverage[*]} -Zsanitizer=address --cfg fuzzing"
export CARGO_INCREMENTAL=0
# With --target, the flags apply to the targets only, not to build scripts and procedural macros.
cargo +nightly build --release --target "$triple" "$@" >&2
echo "$PWD/target/$triple/release"
