#!/usr/bin/env bash
# Fuzzes every target in turn, several at a time, until a time of day:
#
#   fuzz/campaign.sh FOLDER UNTIL [SECONDS [PROCESSES]]
#
# UNTIL is a time for date(1) ("23:35", "6 hours"). A turn takes SECONDS (300) of one process, and PROCESSES
# (2) run at a time. FOLDER keeps the results, so that a campaign continues where the last one ended:
#   corpus/TARGET      inputs that reached new code
#   found/             inputs that made a target fail, named TARGET-crash-…, -timeout-…, -oom-…, -slow-unit-…
#   log.tsv            a line for each turn: time, target, seconds, processor seconds, executions, edges
#                      reached, files of the corpus, how it ended
#   last/TARGET.txt    the output of the target in its last turn
set -euo pipefail
fuzz=$(cd "$(dirname "$0")" && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
until=$(date -d "$2" +%s)
seconds=${3:-300}
processes=${4:-2}

targets=$("$fuzz/build.sh")
names=($(ls "$fuzz/fuzz_targets" | sed 's/\.rs$//'))
mkdir -p "$folder/found" "$folder/last" "$folder/tmp"
# Stores are files, and files in memory are written fast.
TMPDIR=$([ -w /dev/shm ] && echo /dev/shm || echo "$folder/tmp")
export TMPDIR
# As without the sanitizer, a failed allocation returns null, so that code which checks for it can go on.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1

# The last number that libFuzzer printed after a pattern: `number 'cov: \([0-9]*\)' FILE`.
number() { sed -n "s/.*$1.*/\1/p" "$2" | tail -1; }

turn() {
    local name=$1 time=$2 said="$folder/last/$1.txt" begun=$(date +%s) ended=0 used
    mkdir -p "$folder/corpus/$name"
    local seeds=("$fuzz/corpus/$name")
    [ ! -d "$fuzz/regressions/$name" ] || seeds+=("$fuzz/regressions/$name")
    TIMEFORMAT='%U %S'
    used=$({ time "$targets/$name" "$folder/corpus/$name" "${seeds[@]}" \
        -artifact_prefix="$folder/found/$name-" -max_total_time="$time" -timeout=25 \
        -rss_limit_mb=2048 -report_slow_units=5 -print_final_stats=1 >"$said" 2>&1; } 2>&1) || ended=$?
    local how=whole
    # One that was ended from outside has said nothing.
    [ "$ended" = 0 ] || how=$(grep -m1 -A1 -E "panicked at|^SUMMARY" "$said" | tr '\n\t' '  ') || how="status $ended"
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date +%FT%T)" "$name" $(($(date +%s) - begun)) \
        "$(awk '{ print $1 + $2 }' <<<"$used")" "$(number 'number_of_executed_units: \([0-9]*\)' "$said")" \
        "$(number 'cov: \([0-9]*\)' "$said")" "$(ls "$folder/corpus/$name" | wc -l)" "$how" >>"$folder/log.tsv"
}

# Takes the targets in turn. Each process takes another target.
work() {
    local next left
    while left=$((until - $(date +%s))) && [ "$left" -gt 0 ]; do
        next=$(
            exec 9>"$folder/lock"
            flock 9
            next=$(cat "$folder/next" 2>/dev/null || echo 0)
            echo $((next + 1)) >"$folder/next"
            echo "$next"
        )
        turn "${names[next % ${#names[@]}]}" $((left < seconds ? left : seconds))
    done
}

for _ in $(seq "$processes"); do work & done
wait
awk -F'\t' '{ s += $3; c += $4; e += $5 } END { printf "%.1f hours, %.1f of processors, %d executions\n", s / 3600, c / 3600, e }' \
    "$folder/log.tsv"
ls "$folder/found"
