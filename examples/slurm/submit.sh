#!/bin/bash
# Scores an archive as a Slurm array, and merges the parts into one table when all tasks have ended.
#
#     ./submit.sh ARCHIVE RUN SHARDS    # the archive, a folder for the results, and how many tasks
#
# When a task was killed, the merge fails and names what is missing. The same line then submits only that.
# Partition, account and the like: SBATCH_PARTITION, SBATCH_ACCOUNT and so on. TABLE is the name of the table;
# its ending is its format.
set -eu
[ $# -eq 3 ] || { echo "usage: $0 ARCHIVE RUN SHARDS" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2/parts" "$2/logs"
ARCHIVE=$(realpath "$1") RUN=$(realpath "$2") SHARDS=$3 TABLE=${TABLE:-all.parquet}
export ARCHIVE RUN SHARDS TABLE

array=--array=1-$SHARDS
if ls "$RUN"/parts/*.csv >/dev/null 2>&1; then
    status=0
    # All there: this writes the table. Else standard output has the array that is missing, and the status is 1.
    array=$(cxr merge "$RUN"/parts/*.csv -o "$RUN/$TABLE") || status=$?
    [ "$status" -eq 1 ] || exit "$status"
fi
scores=$(sbatch --parsable "$array" --output="$RUN/logs/%x-%A_%a.log" "$here/score.sh")
merge=$(sbatch --parsable --dependency="afterany:${scores%%;*}" --output="$RUN/logs/%x-%j.log" "$here/merge.sh")
echo "$array: job ${scores%%;*}; merge: job ${merge%%;*}"
