#!/usr/bin/env bash
# A Slurm cluster of this one machine, for trials and tests of profiles/slurm: Debian's slurm-wlm and munge, without
# systemd. Settings, sockets, state and logs are in FOLDER; nothing outside of it is changed.
#   workflow/cluster/one_node_slurm.sh start FOLDER
#   export SLURM_CONF=FOLDER/slurm.conf PATH=FOLDER/bin:$PATH
#   workflow/cluster/one_node_slurm.sh stop FOLDER
# Started by root or not: all daemons and jobs run as the user who starts it. Packages: apt-get install slurm-wlm munge
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
SECONDS_TO_START=30

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

fail() { # what, and the ends of the daemons' logs
    echo "$1" >&2
    tail -n 20 "$folder"/log/* >&2 || true
    stop
    exit 1
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    for program in munged slurmctld slurmd scontrol; do
        command -v "$program" > /dev/null || { echo "no $program: apt-get install slurm-wlm munge" >&2; exit 1; }
    done
    mkdir -p "$folder"/{bin,log,state,spool}
    chmod 755 "$folder" # munged refuses folders in which others may write
    dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    chmod 400 "$folder/munge.key"
    local host user
    host=$(hostname -s) user=$(id -un)
    # The machine's true cores and memory, as slurmd itself finds them: NodeName=... CPUs=... RealMemory=...
    local node
    node=$(slurmd -C | head -n 1)
    cat > "$folder/slurm.conf" <<END
ClusterName=one_node
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Used memory is looked at every five seconds, and a job above what it asked for is ended.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=5
JobAcctGatherParams=OverMemoryKill
ReturnToService=2
# Finished jobs stay visible to squeue and scontrol: there is no accounting database to ask.
MinJobAge=600
# Seconds between SIGTERM and SIGKILL of a job beyond its time.
KillWait=2
SchedulerParameters=sched_interval=2,sched_min_interval=0
$node NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    # slurmd reads its cgroup settings whatever follows processes.
    printf 'CgroupPlugin=cgroup/v1\nConstrainCores=no\nConstrainRAMSpace=no\n' > "$folder/cgroup.conf"
    # Snakemake's plugin takes Slurm's variables out of the environment of jobs; srun in a job finds its settings so.
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$folder/slurm.conf" "$(command -v srun)" > "$folder/bin/srun"
    chmod 755 "$folder/bin/srun"
    export SLURM_CONF="$folder/slurm.conf"
    munged --force --key-file "$folder/munge.key" --socket "$folder/munge.socket" --pid-file "$folder/munged.pid" \
        --seed-file "$folder/munged.seed" --log-file "$folder/log/munged.log" > "$folder/log/munged.out" 2>&1 \
        || fail "munged does not start"
    slurmctld -c > "$folder/log/slurmctld.out" 2>&1 || fail "slurmctld does not start"
    slurmd > "$folder/log/slurmd.out" 2>&1 || fail "slurmd does not start"
    for _ in $(seq $((SECONDS_TO_START * 5))); do
        [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ] && return
        sleep 0.2
    done
    fail "the node is not idle after $SECONDS_TO_START s"
}

stop() {
    export SLURM_CONF="$folder/slurm.conf"
    scancel --quiet --state=PENDING --partition=main 2> /dev/null || true
    scancel --quiet --signal=KILL --full --partition=main 2> /dev/null || true
    local daemon number
    for daemon in slurmd slurmctld munged; do
        [ -f "$folder/$daemon.pid" ] || continue
        number=$(cat "$folder/$daemon.pid")
        kill "$number" 2> /dev/null || continue
        for _ in $(seq 50); do
            kill -0 "$number" 2> /dev/null || break
            sleep 0.2
        done
        kill -KILL "$number" 2> /dev/null || true
    done
}

[ $# -eq 2 ] || usage
case "$1" in
    start) mkdir -p "$2"; folder=$(cd "$2" && pwd); start ;;
    stop) [ -f "$2/slurm.conf" ] || { echo "$2: no cluster of this script" >&2; exit 1; }; folder=$(cd "$2" && pwd); stop ;;
    *) usage ;;
esac
