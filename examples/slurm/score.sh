#!/bin/bash
# One shard of an archive: a task of an array whose number is the shard's. submit.sh submits it.
# A second run of the same task goes on where the first one was stopped.
#SBATCH --job-name=cxr-score
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=1-00:00:00
set -u
cxr predict "$ARCHIVE" --shard "auto/$SHARDS" -o "$RUN/parts/$SLURM_ARRAY_TASK_ID.csv" --resume --quiet
status=$?
# 1: some files could not be read. They have their rows, and the part is whole.
[ "$status" -ne 1 ] || status=0
exit "$status"
