#!/usr/bin/env bash
# Checks cxr on a machine with an NVIDIA card, in less than eight minutes, and prints one table.
#
#   tools/gpu_check.sh [--films N] [--quick] BINARY FOLDER [OUT]
#
# BINARY is cxr built with `--features cuda`. FOLDER holds radiographs; a few are enough, because they are repeated up
# to N (1000). OUT is a new folder for table.txt, table.csv and log [default: gpu_check-DATE-TIME]. --quick takes two
# networks and few films.
#
# The machine needs bash 5 and the tools of a Linux system. What else it has is used: NVIDIA's driver, nvidia-smi, Python
# with PyTorch ($PYTHON names another Python), a C compiler. A step that lacks something is `skipped`, with the reason.
# Without a card the script still goes through: what can run on the CPU does. If the driver's library is absent and
# CUDA_HOME is as tools/cuda_toolkit.sh sets it, the binary is started against the stub of the driver there.
#
# The settings of the card stay as they are. Nothing is reset, and no other program on it is touched.
#
# Exit status: 0 if no step failed, 1 if one did, 2 for bad usage.
set -euo pipefail
export LC_ALL=C

usage() {
    echo "usage: gpu_check.sh [--films N] [--quick] BINARY FOLDER [OUT]" >&2
    exit 2
}

count=
quick=
while [ $# -gt 0 ]; do
    case $1 in
    --films)
        count=${2:-}
        [[ $count =~ ^[1-9][0-9]*$ ]] || usage
        shift 2
        ;;
    --quick) quick=1 && shift ;;
    -*) usage ;;
    *) break ;;
    esac
done
[ $# = 2 ] || [ $# = 3 ] || usage
[ -x "$1" ] && [ -f "$1" ] && [ -d "$2" ] || usage
count=${count:-$([ -n "$quick" ] && echo 20 || echo 1000)}
binary=$(realpath "$1")
folder=$(realpath "$2")
out=${3:-gpu_check-$(date +%Y%m%d-%H%M%S)}
if [ -e "$out" ] && { [ ! -d "$out" ] || [ -n "$(ls -A "$out")" ]; }; then
    echo "gpu_check.sh: $out is not empty" >&2
    exit 2
fi
mkdir -p "$out"
out=$(realpath "$out")
here=$(realpath "$(dirname "$0")")
data=$here/../tests/data
python=${PYTHON:-python3}

# What each step may take, in seconds. A command gets what is left of its step, and of the whole.
declare -A limit=([carry]=5 [start]=10 [card]=40 [probe]=15 [absent]=15 [weights]=40 [logits]=120 [speed]=80
    [pytorch]=50 [films]=40 [taken]=40)
whole=460

# What may be carried to the machine, in MiB.
most_carried=64
# What makes a logit wrong: a difference larger than this, times the largest logit where that is above 1. f32 adds up in
# another order on a card. f16 has 11 bits; see --precision in docs/src/speed.md.
declare -A tolerance=([f32]=0.001 [f16]=0.15)

work=$(mktemp -d)
# What is running in the background ends with this script.
trap 'jobs -p | xargs -r kill 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Nothing of the user who runs this: no configuration, no models, no reviews. The driver keeps the kernels that it has
# compiled in CUDA_CACHE_PATH, so that they are compiled once in all runs here, and not found by any later one.
export CXR_CONFIG='' XDG_STATE_HOME="$work/state" XDG_DATA_HOME="$work/data" XDG_CACHE_HOME="$work/cache"
export CUDA_CACHE_PATH="$work/compiled"
unset CXR_MODEL

# The time in microseconds, in $clock.
tick() { clock=$((10#${EPOCHREALTIME/[.,]/})); }
tick
end=$((clock + whole * 1000000))

# Begins a step.
begin() {
    step=$1
    tick
    step_end=$((clock + limit[$step] * 1000000))
    ((step_end < end)) || step_end=$end
    case_start=$clock
}

# Seconds left in this step, in $left.
remaining() {
    tick
    left=$(((step_end - clock) / 1000000))
    ((left > 0)) || left=0
}

# A line of the table: a case of this step, and its result. Its seconds are those since the line before.
row() {
    tick
    local tenths=$(((clock - case_start) / 100000))
    # One line, and no tabs, whatever a program said.
    local text=${2//[$'\t\r\n']/ }
    printf '%s\t%s\t%s\t%d.%d\n' "$step" "$1" "$text" $((tenths / 10)) $((tenths % 10)) >>"$work/rows"
    echo "$step, $1: $text" >&2
    case_start=$clock
}

# Runs a command in what is left of the step. Its output is in $work/said and $work/complained.
within() {
    remaining
    echo "\$ $*" >>"$out/log"
    if ((left == 0)); then
        echo "no time left" | tee "$work/complained" >>"$out/log"
        : >"$work/said"
        return 124
    fi
    local status=0
    timeout -k 2 "$left" "$@" >"$work/said" 2>"$work/complained" </dev/null || status=$?
    cat "$work/complained" >>"$out/log"
    return "$status"
}

# The last thing that a command complained of, or else its status.
why() {
    local last
    last=$(tail -n 1 "$work/complained" | cut -c 1-300)
    case $1 in
    124 | 137) echo "no time left" ;;
    *) echo "${last:-status $1}" ;;
    esac
}

rows_of() { if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }
errors_of() { grep -c '"status":"error"' "$1" 2>/dev/null || true; }
reason_of() { grep -m 1 '"status":"error"' "$1" | sed 's/.*"reasons":"\([^"]*\)".*/\1/' | cut -c 1-300; }
has() { command -v "$1" >/dev/null; }

# --- carry: is it small enough to be sent to a machine that is lent for minutes?

begin carry
networks=()
if [ -d "$data/folders" ]; then
    for path in "$data"/folders/*/ "$data"/onnx/*.onnx "$data"/checkpoints/{demo,three}.h5; do
        networks+=("${path%/}")
    done
fi
[ -z "$quick" ] || networks=("${networks[@]:0:1}")
if ! bytes=$(timeout "${limit[carry]}" find -L "$binary" "$folder" "$here"/gpu_check.* "${networks[@]}" -type f \
    -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'); then
    row "binary, folder, networks" "skipped: counting them takes too long"
elif mib=$(((bytes + 1048575) / 1048576)) && ((mib <= most_carried)); then
    row "binary, folder, networks" "ok: $mib MiB of the $most_carried MiB that may be carried"
else
    row "binary, folder, networks" "measured: $mib MiB, more than the $most_carried MiB that may be carried"
fi

# --- start: the libraries that the binary is linked with, and the driver or its stub.

begin start
missing() { ldd "$binary" 2>/dev/null | awk '/not found/ { print $1 }' || true; }
places() {
    [ -z "${CUDA_HOME:-}" ] || printf '%s\n' "$CUDA_HOME/lib" "$CUDA_HOME/lib64"
    ls -d /usr/local/cuda*/lib64 2>/dev/null || true
    # PyTorch brings the libraries of CUDA as packages.
    has "$python" && timeout 5 "$python" -c 'import glob, sys
for place in sys.path: print(*glob.glob(f"{place}/nvidia/*/lib"), sep="\n")' 2>/dev/null || true
}
driver=
if [ -n "$(missing)" ]; then
    while read -r place; do
        for library in $(missing); do
            [ -z "$place" ] || [ ! -e "$place/$library" ] || export LD_LIBRARY_PATH="$place:${LD_LIBRARY_PATH:-}"
        done
    done < <(places)
    stub=${CUDA_HOME:-}/lib/stubs/libcuda.so
    if missing | grep -qx libcuda.so.1 && [ -e "$stub" ]; then
        mkdir "$work/stub"
        ln -s "$(realpath "$stub")" "$work/stub/libcuda.so.1"
        export LD_LIBRARY_PATH="$work/stub:${LD_LIBRARY_PATH:-}"
        driver="; against the stub of the driver"
    fi
fi
starts=1
status=0
within "$binary" --version || status=$?
if [ "$status" = 0 ]; then
    row "cxr --version" "ok: $(head -n 1 "$work/said")$driver"
else
    absent=$(missing | paste -s -d ' ')
    row "cxr --version" "failed: ${absent:+not on this machine: }${absent:-$(why "$status")}"
    starts=
fi

# --- card: can it be opened?

begin card
card=
no_card="no card"
status=0
if [ -z "$starts" ]; then
    no_card="the binary does not start"
    row "cxr doctor --device cuda" "skipped: $no_card"
else
    within "$binary" doctor --device cuda --graphics off || status=$?
    if grep -q '^device.*cuda:' "$work/said"; then
        card=1
        cp "$work/said" "$work/doctor"
        name=
        if has nvidia-smi; then
            name=$(timeout 3 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1) || true
        fi
        row "cxr doctor --device cuda" "ok: ${name:-opened; there is no nvidia-smi to name it}"
    else
        row "cxr doctor --device cuda" "skipped: $no_card ($(why "$status"))"
    fi
fi

# --- probe: films that have scores. Whatever goes wrong with these later is the card's doing.

begin probe
probed=64 few=8
[ -z "$quick" ] || { probed=6 few=2; }
mkdir "$work"/{candidates,few,films}
number=0
while IFS= read -r -d '' file; do
    ending=${file##*.}
    [[ $ending =~ ^[A-Za-z0-9]{1,5}$ ]] || ending=film
    number=$((number + 1))
    ln -s "$file" "$work/candidates/$(printf %03d $number).$ending"
done < <(timeout "${limit[probe]}" find -L "$folder" -type f -not -name '.*' -print0 | sort -z | head -z -n "$probed")
good=()
if [ -z "$starts" ]; then
    row "films with scores" "skipped: $no_card"
else
    status=0
    within "$binary" predict "$work/candidates" --device cpu -q -o "$work/probe.jsonl" || status=$?
    while read -r name; do
        good+=("$work/candidates/$name")
    done < <(grep -E '"status":"(ok|caution)"' "$work/probe.jsonl" 2>/dev/null | sed 's,^{"path":"[^"]*/\([^"/]*\)".*,\1,')
    if [ ${#good[@]} = 0 ]; then
        row "films with scores" "failed: none of the first $number files has scores ($(why "$status"))"
    else
        row "films with scores" "ok: ${#good[@]} of the first $number files, repeated up to $count"
        no_films=
        ((few < ${#good[@]})) || few=${#good[@]}
        for ((index = 0; index < count; index++)); do
            film=${good[index % ${#good[@]}]}
            ln -s "$film" "$work/films/$(printf %06d $index).${film##*.}"
        done
        for film in "${good[@]:0:few}"; do ln -s "$film" "$work/few"; done
    fi
fi
no_films=${no_films-no films}
[ -n "$starts" ] || no_films=$no_card

# --- absent: no card from the start, as CUDA_VISIBLE_DEVICES hides all of them.

begin absent
has_cuda=
if [ -n "$no_films" ]; then
    row "--device cuda, no card visible" "skipped: $no_films"
    row "--device auto, no card visible" "skipped: $no_films"
else
    status=0
    within env CUDA_VISIBLE_DEVICES='' "$binary" predict "$work/few" --device cuda -q -o "$work/absent.jsonl" || status=$?
    lines=$(rows_of "$work/complained")
    grep -q 'this build cannot use it' "$work/complained" || has_cuda=1
    if [ "$status" = 2 ] && [ "$lines" = 1 ] && [ ! -s "$work/absent.jsonl" ]; then
        row "--device cuda, no card visible" "ok: status 2, one line, no row"
    else
        row "--device cuda, no card visible" "failed: status $status, $lines lines, $(rows_of "$work/absent.jsonl") rows"
    fi
    status=0
    within env CUDA_VISIBLE_DEVICES='' "$binary" predict "$work/few" --device auto -q -o "$work/auto.jsonl" || status=$?
    lines=$(rows_of "$work/complained")
    rows=$(rows_of "$work/auto.jsonl")
    # A build without CUDA has no card to miss, and says nothing.
    if [ "$status" = 0 ] && [ "$rows" = "$few" ] && [ "$lines" = "${has_cuda:-0}" ]; then
        row "--device auto, no card visible" "ok: $rows rows on the CPU, $([ -n "$has_cuda" ] && echo one || echo no) line"
    else
        row "--device auto, no card visible" "failed: status $status, $rows rows, $lines lines"
    fi
fi

# --- weights: large networks, one of each kind, where PyTorch can make them.

begin weights
kinds=(resnet50 densenet121 mobilenet_v2 efficientnet_b0 convnext_tiny swin_t vit_b_16)
if [ -z "$card" ]; then
    row "random networks of torchvision" "skipped: $no_card"
elif [ -n "$quick" ]; then
    row "random networks of torchvision" "skipped: --quick"
elif ! has "$python"; then
    row "random networks of torchvision" "skipped: no $python"
else
    mkdir "$work/weights"
    status=0
    # Those that are whole are listed, and used.
    within "$python" "$here/gpu_check.py" weights "$work/weights" "${kinds[@]}" || status=$?
    # Before the small ones: if time runs out, it is on those.
    while read -r kind; do networks=("$work/weights/$kind.pth" "${networks[@]}"); done < <(tac "$work/said")
    if [ "$status" = 0 ]; then
        row "random networks of torchvision" "ok: ${#kinds[@]}"
    else
        row "random networks of torchvision" "skipped: after $(rows_of "$work/said"): $(why "$status")"
    fi
fi

# --- logits: the card against the CPU's kernels, film by film. The numbers are the networks' own outputs, in JSON rows.
# Without a card, candle computes the same operations on the CPU.

# The preprocessing of tests/onnx.rs.
cat >"$work/square.toml" <<'TOML'
preprocess = "recipe-1"
[preprocessing]
film = { values = "window", depth = "bytes", colour = "rgb", channels = 3 }
step = [
    { do = "resize", size = 32, filter = "pillow-bilinear" },
    { do = "range", low = -1, high = 1 },
]
TOML

# Imports a network into a library of its own: two graphs of one network would be refused in one.
import_network() {
    local path=$1 name=$2 more=()
    case $path in
    */keras.onnx | */flat.onnx | */response_*.onnx) more=(--preprocess "$work/square.toml" --labels "A,B,C") ;;
    *.onnx) more=(--preprocess "$work/square.toml" --labels "A,B,C" --scores sigmoid) ;;
    *.pth) more=(--as "$name" --preprocess imagenet-224-1 --labels "$(seq -s , -f L%g 18)" --scores sigmoid) ;;
    */three.h5) more=(--labels "A,B,C") ;;
    esac
    within env XDG_DATA_HOME="$work/models/$name" "$binary" models import "$path" --name "$name" "${more[@]}"
}

# Options for a model, in $model.
use() {
    model=()
    export XDG_DATA_HOME=$work/data
    [ "$1" = cxr-lite0 ] || model=(--model "$1")
    [ "$1" = cxr-lite0 ] || XDG_DATA_HOME=$work/models/$1
}

# The rows of the few films.
predict_few() {
    local table=$1
    shift
    within "$binary" predict "$work/few" -q --force --format jsonl -o "$table" "${model[@]}" "$@"
}

numbers() { grep -oE '"(path|label|logit)": ?("[^"]*"|[^,}]*)' "$1" || true; }

# The result of comparing two tables.
compare() {
    paste -d '\n' <(numbers "$1") <(numbers "$2") | awk -v tolerance="$3" '
        function number(text) { sub(/.*: ?/, "", text); return text }
        { if ((getline line) <= 0) line = "" }
        !/^"logit"/ { if ($0 != line) differs = 1; next }
        {
            one = number($0); two = number(line); n++
            if (line !~ /^"logit"/ || one !~ /^-?[0-9]/ || two !~ /^-?[0-9]/) { differs = 1; next }
            d = one - two; if (d < 0) d = -d; if (d > most) most = d
            if (one < 0) one = -one; if (one > largest) largest = one
        }
        END {
            scale = largest > 1 ? largest : 1
            good = n > 0 && !differs && most <= tolerance * scale
            if (differs || n == 0) printf "failed: the rows are of other films or labels, or have no logits"
            else printf "%s: %.1e at most, %d logits, the largest %.1f", good ? "ok" : "failed", most, n, largest
        }'
}

logits_in() {
    local name=$1 precision=$2 words=$3 status=0
    shift 3
    predict_few "$work/there.jsonl" --precision "$precision" "$@" || status=$?
    local errors
    errors=$(errors_of "$work/there.jsonl")
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        row "$name, $precision, $words" "skipped: no time left"
    elif [ "$status" = 1 ] && [ "${errors:-0}" -gt 0 ]; then
        row "$name, $precision, $words" "failed: $errors rows are errors: $(reason_of "$work/there.jsonl")"
    elif grep -q 'leave --precision out' "$work/complained"; then
        row "$name, $precision, $words" "skipped: this kind of network computes in f32 only"
    elif [ "$status" != 0 ]; then
        row "$name, $precision, $words" "failed: $(why "$status")"
    else
        row "$name, $precision, $words" "$(compare "$work/cpu.jsonl" "$work/there.jsonl" "${tolerance[$precision]}")"
    fi
    rm -f "$work/there.jsonl"
}

begin logits
usable=()
for path in cxr-lite0 "${networks[@]}"; do
    name=$(basename "$path")
    name=${name%.*}
    if [ -n "$no_films" ]; then
        row "$name" "skipped: $no_films"
        continue
    fi
    status=0
    [ "$path" = cxr-lite0 ] || import_network "$path" "$name" || status=$?
    if [ "$status" = 0 ]; then
        use "$name"
        predict_few "$work/cpu.jsonl" --device cpu --engine kernels --precision f32 || status=$?
    fi
    case $status in
    0) ;;
    124 | 137)
        row "$name" "skipped: no time left"
        continue
        ;;
    *)
        row "$name" "failed: $(why "$status")"
        continue
        ;;
    esac
    usable+=("$name")
    if [ -n "$card" ]; then
        for precision in f32 f16; do logits_in "$name" "$precision" "the card" --device cuda; done
    else
        for precision in f32 f16; do row "$name, $precision, the card" "skipped: $no_card"; done
        for precision in f32 f16; do
            logits_in "$name" "$precision" "candle on the CPU" --device cpu --engine candle
        done
    fi
    rm -f "$work/cpu.jsonl"
done
use cxr-lite0

# --- Runs over many films, which are followed from outside.

card_number=${CUDA_VISIBLE_DEVICES:-0}
card_number=${card_number%%,*}
card_use=(nvidia-smi --query-gpu=memory.used "--format=csv,noheader,nounits" -i "$card_number")

# Runs cxr over all films, at most so many seconds. Sets: status, rows, errors, rate (images a second after the first
# rows, so that the start does not count), took (seconds with it), peak (MiB of the process without its decoders) and
# card_peak (MiB on the card, other programs' included, above what was in use before). Once there are rows, the file
# $go appears, if that is set.
follow() {
    local most=$1 table=$2 pid begun stop from=0 from_rows=0 before=- sampler='' key value
    shift 2
    rm -f "$table"
    peak=0 card_peak=- rate=- took=- status=124 rows=0 errors=0
    if [ -n "$card" ] && has nvidia-smi; then
        before=$(timeout 3 "${card_use[@]}") || before=-
    fi
    remaining
    ((most < left)) || most=$left
    ((most > 0)) || return 0
    if [ "$before" != - ]; then
        "${card_use[@]}" -lms 100 >"$work/card_use" 2>/dev/null &
        sampler=$!
    fi
    echo "\$ $*" >>"$out/log"
    tick
    begun=$clock
    stop=$((begun + most * 1000000))
    "$@" -o "$table" >/dev/null 2>"$work/complained" </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        {
            while read -r key value _; do
                [ "$key" != VmHWM: ] || peak=$value
            done <"/proc/$pid/status"
        } 2>/dev/null || true
        if ((from == 0)) && [ -s "$table" ]; then
            from_rows=$(rows_of "$table")
            tick
            from=$clock
            [ -z "${go:-}" ] || : >"$go"
        fi
        tick
        # The first signal ends the run between two rows. The second one ends it at once.
        if ((clock > stop)); then
            kill -TERM "$pid" 2>/dev/null || true
            stop=$((clock + 1500000))
        fi
        sleep 0.03
    done
    status=0
    wait "$pid" || status=$?
    tick
    took=$(awk "BEGIN { printf \"%.1f\", ($clock - $begun) / 1e6 }")
    if [ -n "$sampler" ]; then
        kill "$sampler" 2>/dev/null || true
        wait "$sampler" 2>/dev/null || true
        card_peak=$(awk -v before="${before%%$'\n'*}" '$1 ~ /^[0-9]+$/ && $1 > most { most = $1 }
            END { print most ? most - before : "-" }' "$work/card_use")
    fi
    cat "$work/complained" >>"$out/log"
    peak=$((peak / 1024))
    rows=$(rows_of "$table")
    errors=$(errors_of "$table")
    errors=${errors:-0}
    if ((rows > from_rows && from > 0)); then
        rate=$(awk "BEGIN { printf \"%.1f\", ($rows - $from_rows) * 1e6 / ($clock - $from) }")
    elif ((rows > 0)); then
        rate=$(awk "BEGIN { printf \"%.1f\", $rows * 1e6 / ($clock - $begun) }")
    fi
}

# The words for a run that was followed, over films of which each has a score on the CPU.
followed() {
    local figures="$rate images a second, $took s with the start; memory $peak MiB, card $card_peak MiB"
    if [ "$took" = - ]; then
        echo "skipped: no time left"
    elif ((errors > 0)); then
        echo "failed: $errors of $rows rows are errors: $(reason_of "$work/films.jsonl")"
    elif [ "$status" = 0 ] && [ "$rows" = "$count" ]; then
        echo "measured: $figures"
    elif [ "$status" = 143 ] && ((rows > 0)); then
        echo "measured: $figures; stopped by its limit after $rows of $count films"
    elif [ "$status" = 143 ] || [ "$status" = 137 ]; then
        echo "skipped: no row within its limit"
    else
        echo "failed: status $status, $rows rows for $count films: $(why "$status")"
    fi
}

# --- speed: how many images a second, by the size of the batches. cxr has no option for the size of a batch: it computes
# what was opened while the batch before was computed, and no image waits for others. So the number of threads sets
# the most that can come together: four for each job (Compute::callers). What is measured includes reading and decoding,
# which --jobs 1 does on one core. One image alone is what `doctor` times.

begin speed
if [ -n "$card" ]; then
    alone=$(sed -n 's/^model .*, \([0-9]*\) ms per image alone.*/\1/p' "$work/doctor")
    row "cxr-lite0, f32, one image at a time (doctor)" "measured: ${alone:--} ms an image, no file opened"
else
    row "cxr-lite0, f32, one image at a time (doctor)" "skipped: $no_card"
fi
measured=(cxr-lite0)
for name in "${usable[@]}"; do [ "$name" != resnet50 ] || measured+=("$name"); done
for name in "${measured[@]}"; do
    for precision in f32 f16; do
        for jobs in 1 2 8; do
            words="$name, $precision, --jobs $jobs (at most $((4 * jobs)) at once)"
            if [ -z "$card" ] || [ -n "$no_films" ]; then
                row "$words" "skipped: $([ -n "$card" ] && echo "$no_films" || echo "$no_card")"
                continue
            fi
            use "$name"
            follow 6 "$work/films.jsonl" "$binary" predict "$work/films" -q --device cuda --precision "$precision" \
                --jobs "$jobs" "${model[@]}"
            row "$words" "$(followed)"
        done
    done
done
use cxr-lite0

# --- pytorch: the same architectures, batches of exactly 1, 8 and 32, on tensors that are on the card already. So it is
# the most that PyTorch can do, and its figures are not of whole paths as those of `speed` are.

begin pytorch
if [ -z "$card" ]; then
    row "batches of 1, 8, 32" "skipped: $no_card"
elif ! has "$python"; then
    row "batches of 1, 8, 32" "skipped: no $python"
else
    remaining
    status=0
    # The rest is for starting PyTorch.
    within "$python" "$here/gpu_check.py" speed "$([ -n "$quick" ] && echo 3 || echo $((left > 20 ? left - 15 : 5)))" ||
        status=$?
    cp "$work/said" "$work/speed"
    while IFS=$'\t' read -r name precision batch figure note; do
        if [ "$name" = - ]; then
            row "batches of 1, 8, 32" "skipped: $note"
        elif [ "$figure" = - ]; then
            row "$name, $precision, batch of $batch" "skipped: $note"
        else
            row "$name, $precision, batch of $batch" "measured: $figure images a second; $note"
        fi
    done <"$work/speed"
    [ "$status" = 0 ] || row "batches of 1, 8, 32" "skipped: $(why "$status")"
fi

# --- films: predict over all films, as many decoders as cores feeding.

begin films
for words in "the card, f32" "the card, f16" "the CPU, f32"; do
    case $words in
    *CPU*) options=(--device cpu) ;;
    *) options=(--device cuda --precision "${words##* }") ;;
    esac
    if [ -n "$no_films" ]; then
        row "$count films, $words" "skipped: $no_films"
    elif [ -z "$card" ] && [ "$words" != "the CPU, f32" ]; then
        row "$count films, $words" "skipped: $no_card"
    else
        follow 13 "$work/films.jsonl" "$binary" predict "$work/films" -q "${options[@]}"
        row "$count films, $words" "$(followed)"
    fi
done

# --- taken: the card is lost while films are read. Really taking it away, or resetting it, would harm others on the
# machine, and often needs root. So two things are done that a program meets when that happens. Another program takes
# all of the card's memory and gives it back: batches fail and are halved, and single images may fail. And every kernel
# is refused from some moment on, by a function in front of the driver's, in this process only. What must hold in both:
# the program ends by itself, every film has a row, and --resume reads what failed.

# The words for a run in which the card was taken, after what --resume made of it.
taken() {
    local note=$1 lost=$errors had=$rows ended=$status
    if [ "$took" = - ]; then
        echo "skipped: no time left"
    elif [ "$ended" = 143 ] || [ "$ended" = 137 ]; then
        echo "failed: not at its end after $took s, $had rows for $count films"
    elif ((ended != 0 && ended != 1)) || [ "$had" != "$count" ]; then
        echo "failed: status $ended, $had rows for $count films: $(why "$ended")"
    elif ((lost == 0)) && [ -z "$note" ]; then
        echo "skipped: the run ended before, or did not notice"
    else
        status=0
        within "$binary" predict "$work/films" -q --device cuda --resume -o "$work/films.jsonl" || status=$?
        local left_over after
        left_over=$(errors_of "$work/films.jsonl")
        after=$(rows_of "$work/films.jsonl")
        if [ "$status" = 0 ] && [ "$after" = "$count" ] && [ "${left_over:-0}" = 0 ]; then
            echo "ok: a row for each of $had films, $lost of them errors; none after --resume${note:+; $note}"
        else
            echo "failed: after --resume $after rows, ${left_over:-0} errors, status $status"
        fi
    fi
}

begin taken
full="its memory is taken by another program"
gone="it refuses every kernel"
if [ -z "$card" ] || [ -n "$no_films" ]; then
    reason=$([ -n "$card" ] && echo "$no_films" || echo "$no_card")
    row "$full" "skipped: $reason"
    row "$gone" "skipped: $reason"
else
    if ! has "$python"; then
        row "$full" "skipped: no $python"
    else
        "$python" "$here/gpu_check.py" fill "$work/ready" "$work/go" 2 >"$work/filled" 2>>"$out/log" &
        filler=$!
        for ((tries = 0; tries < 100; tries++)); do
            if [ -e "$work/ready" ] || ! kill -0 "$filler" 2>/dev/null; then break; fi
            sleep 0.1
        done
        if [ -e "$work/ready" ]; then
            go=$work/go
            follow 10 "$work/films.jsonl" "$binary" predict "$work/films" -q --device cuda
            go=
            : >"$work/go"
            wait "$filler" || true
            filled=$(cat "$work/filled")
            row "$full" "$(taken "${filled:+$filled MiB taken}")"
        else
            kill "$filler" 2>/dev/null || true
            row "$full" "skipped: $(tail -n 1 "$out/log")"
        fi
    fi

    # 46 is CUDA_ERROR_DEVICE_UNAVAILABLE. A driver that is loaded by name is not asked through this.
    compiler=$(command -v cc || command -v gcc || echo cc)
    cat >"$work/refuse.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
typedef int launch(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
    static launch *real;
    const char *gone = getenv("GPU_CHECK_GONE");
    if (gone && access(gone, F_OK) == 0) return 46;
    if (!real) real = (launch *)dlsym(RTLD_NEXT, "cuLaunchKernel");
    return real ? real(f, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra) : 46;
}
C
    if ! "$compiler" -shared -fPIC -O1 -o "$work/refuse.so" "$work/refuse.c" -ldl 2>>"$out/log"; then
        row "$gone" "skipped: no C compiler that works"
    else
        go=$work/gone
        follow 10 "$work/films.jsonl" env LD_PRELOAD="$work/refuse.so" GPU_CHECK_GONE="$go" \
            "$binary" predict "$work/films" -q --device cuda
        go=
        row "$gone" "$(taken "")"
    fi
fi

# --- The table, for people and for programs.

{
    printf 'step\tcase\tresult\tseconds\n'
    cat "$work/rows"
} >"$work/table"
awk -F '\t' '{ for (i = 1; i <= NF; i++) { gsub(/"/, "\"\"", $i); printf "%s\"%s\"", (i > 1 ? "," : ""), $i } print "" }' \
    "$work/table" >"$out/table.csv"
awk -F '\t' 'NR == FNR { for (i = 1; i <= NF; i++) if (length($i) > wide[i]) wide[i] = length($i); next }
    { printf "%-" wide[1] "s  %-" wide[2] "s  %" wide[4] "s  %s\n", $1, $2, $4, $3 }' \
    "$work/table" "$work/table" >"$out/table.txt"
cat "$out/table.txt"
echo "gpu_check.sh: table.txt, table.csv and log are in $out" >&2
! cut -f 3 "$work/rows" | grep -q '^failed'
