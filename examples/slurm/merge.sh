#!/bin/bash
# The table of all shards, or the names of those that are missing, and a status that is not 0.
#SBATCH --job-name=cxr-merge
#SBATCH --cpus-per-task=1
#SBATCH --mem=1G
#SBATCH --time=04:00:00
set -eu
cxr merge "$RUN"/parts/*.csv -o "$RUN/$TABLE"
