#!/usr/bin/env bash
# A Slurm of one host for as long as a command runs: munge, a controller and a node on 127.0.0.1, with all their files
# in a folder. tests/slurm.rs runs the examples in it; by hand:
#
#     tools/slurm_host.sh FOLDER COMMAND [ARGUMENT]...
#
# COMMAND gets SLURM_CONF and finds the node ready. When it ends, or this script is told to (INT, TERM, HUP), jobs are
# cancelled and all daemons are gone before the script returns. It returns the status of COMMAND, or 125 with the ends of
# the logs if Slurm did not start. SLURM_HOST_CPUS is what the node says it has; the default is the machine's.
#
# Debian's packages: slurmctld slurmd slurm-client munge. No cgroups, no accounting, no other host. Run as root or as any
# user: jobs are that user's.
set -euo pipefail
shopt -s inherit_errexit
# Daemons and the programs of an administrator, which are not on every user's path.
PATH=$PATH:/usr/sbin:/sbin

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
for program in munged mungekey slurmctld slurmd sbatch sinfo; do
    command -v "$program" >/dev/null || { echo "slurm_host.sh: there is no $program" >&2; exit 125; }
done

mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
# munge trusts no folder that others may write to.
chmod 700 "$folder"
mkdir -p "$folder/munge" "$folder/state" "$folder/spool"
chmod 711 "$folder/munge"
name=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf
daemons=()

# Two ports of 127.0.0.1 that nobody listens on.
free_ports() {
    local port found=0
    for port in $(shuf -i 20000-32000 -n 50); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            found=$((found + 1))
            [ "$found" -lt 2 ] || return 0
        fi
    done
    return 1
}

configure() {
    local ports cpus memory
    mapfile -t ports < <(free_ports)
    cpus=${SLURM_HOST_CPUS:-$(nproc)}
    memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
    cat >"$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$name(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
# Nothing listens on other addresses.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# As in a container: no cgroups, and nobody to ask for accounts.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
# Jobs wait for one another for a second or two here, not for a minute.
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
KillWait=2
MinJobAge=3600
ReturnToService=2
NodeName=$name NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
    (umask 077 && mungekey --create --keyfile="$folder/munge/key")
    munged --foreground --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munge/pid" --seed-file="$folder/munge/seed" --log-file="$folder/munge/log" --force \
        </dev/null >"$folder/munged.out" 2>&1 &
    daemons+=($!)
    until_true test -S "$folder/munge/socket"
    slurmctld -D -f "$SLURM_CONF" </dev/null >"$folder/slurmctld.out" 2>&1 &
    daemons+=($!)
    slurmd -D -f "$SLURM_CONF" </dev/null >"$folder/slurmd.out" 2>&1 &
    daemons+=($!)
    until_true node_is_idle
}

node_is_idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }
no_job_is_left() { [ -z "$(squeue -h -o %i 2>/dev/null)" ]; }

# Waits up to 30 seconds for a command to succeed.
until_true() {
    local _
    for _ in $(seq 300); do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    return 1
}

stop() {
    trap '' INT TERM HUP
    if [ "${#daemons[@]}" = 3 ]; then
        # What is left of a job would outlive the daemons.
        timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
        until_true no_job_is_left || true
    fi
    local daemon _
    # The last first: the node takes its leave of the controller.
    for daemon in $(printf '%s\n' "${daemons[@]}" | tac); do
        kill "$daemon" 2>/dev/null || continue
        for _ in $(seq 50); do
            kill -0 "$daemon" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$daemon" 2>/dev/null || true
    done
    wait
}

trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

configure
if ! start; then
    tail -n 5 "$folder"/munged.out "$folder"/slurm*.out "$folder"/slurm*.log >&2 || true
    exit 125
fi
# In the background, so that a signal is not kept waiting for its end.
"$@" <&0 &
command=$!
status=0
wait "$command" || status=$?
exit "$status"
