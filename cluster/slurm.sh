#!/bin/bash
# Run a sweep on a Ray cluster of its own in a Slurm allocation. Submit it at the root of the checkout, on a file system
# that all nodes share, with the environment of noisesweep activated (docs/how-to/clusters.md):
#
#   sbatch cluster/slurm.sh run sweeps/studies/fmnist-shallow.yaml
#   sbatch cluster/slurm.sh resume fmnist-shallow      # from where the time limit ended it
#
# Slurm interrupts the sweep 120 seconds before the time limit; `scancel --batch --signal=TERM JOB` does so by hand.
#SBATCH --job-name=noisesweep
#SBATCH --output=noisesweep-%j.log
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --mem=0
#SBATCH --exclusive
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
# --exclusive: Ray's ports are fixed, so two Ray clusters on one node would conflict.

set -euo pipefail

if [ -f cluster/nodes.env ]; then
  set -a
  # shellcheck source=/dev/null
  . cluster/nodes.env
  set +a
fi

# Ray reads the token from the home directory, which the nodes share, so it is on no command line and in no log.
token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}
if [ ! -s "$token" ] || [ "$(stat -c %a "$token")" != 600 ]; then
  echo "$token: no token with mode 600; make one: (umask 077; ray get-auth-token --generate >/dev/null)" >&2
  exit 1
fi
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token

# This script runs on the first node, which becomes the head.
read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
on=(srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit)
address=$("${on[@]}" --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | cut -d ' ' -f 1):6379

steps=()
trap 'kill "${steps[@]}" 2>/dev/null || true' EXIT

# Trials keep freed memory for their next step.
export MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647
# The cluster needs no dashboard, because nothing is submitted to it.
"${on[@]}" --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --node-ip-address="${address%:*}" --port="${address##*:}" \
  --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --block &
steps+=($!)
until ray health-check --address="$address" 2>/dev/null; do
  kill -0 "${steps[0]}" || exit 1
  sleep 1
done

workers=$((SLURM_JOB_NUM_NODES - 1))
if [ "$workers" -gt 0 ]; then
  "${on[@]}" --nodes="$workers" --ntasks="$workers" --exclude="$head" \
    ray start --address="$address" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
  steps+=($!)
fi

# Pass the signal only to the driver, which is the last process started: Ray must live until the sweep has ended.
signalled=
trap 'signalled=1; kill -TERM "$!" 2>/dev/null || true' TERM
RAY_ADDRESS=$address noisesweep "$@" &
driver=$!
status=0
wait "$driver" || status=$?
# The signal ends the wait, but not the driver.
while [ -n "$signalled" ]; do
  signalled=
  status=0
  wait "$driver" || status=$?
done
exit "$status"
