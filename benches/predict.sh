#!/usr/bin/env bash
# Measures how many images per second `cxr predict` scores with one job and with two, and its peak memory:
# the median of three runs each, after one run that warms the file cache.
#
#   cargo build --release && benches/predict.sh FOLDER [IMAGES]
#
# It reads the first IMAGES (1000) images of FOLDER. Set CXR to measure another binary. Run it on an idle
# machine: on two cores, every other program slows down two jobs.
set -euo pipefail

folder=${1:?usage: predict.sh FOLDER [IMAGES]}
images=${2:-1000}
cxr=${CXR:-$(dirname "$0")/../target/release/cxr}
runs=3

links=$(mktemp -d)
trap 'rm -rf "$links"' EXIT
find "$(realpath "$folder")" -type f \( -name '*.jpg' -o -name '*.jpeg' -o -name '*.png' -o -name '*.dcm' \) |
    sort | sed -n "1,${images}p" | nl -n rz -w 6 |
    while read -r number file; do ln -s "$file" "$links/$number.${file##*.}"; done
count=$(find "$links" -type l | wc -l)

# Prints the seconds and the peak resident memory of one run in KiB, without its decoder processes.
measure() {
    python3 - "$cxr" predict "$links" --quiet --jobs "$1" -o /dev/null <<'PYTHON'
import resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
seconds = time.monotonic() - start
if code not in (0, 1):
    sys.exit(f"cxr ended with {code}")
print(f"{seconds:.3f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
PYTHON
}

median_of_runs() {
    for _ in $(seq "$runs"); do measure "$1"; done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

measure 1 >/dev/null
read -r one one_memory < <(median_of_runs 1)
read -r two two_memory < <(median_of_runs 2)

awk -v n="$count" -v one="$one" -v two="$two" -v m1="$one_memory" -v m2="$two_memory" -v runs="$runs" 'BEGIN {
    printf "%d images, median of %d runs\n", n, runs
    printf "1 job   %7.1f s  %6.1f images/s  peak %4.0f MiB\n", one, n / one, m1 / 1024
    printf "2 jobs  %7.1f s  %6.1f images/s  peak %4.0f MiB\n", two, n / two, m2 / 1024
    printf "ratio   %.2f\n", one / two
}'
