#!/bin/bash
# Runs a training command as one process on each machine of a SLURM step: adds Detectron2's
# distribution arguments right after 'train'.
#   srun --ntasks-per-node=1 tools/slurm/on_each_machine.sh zipseg train ...
set -euo pipefail
given=(--num-gpus "${GPUS_PER_MACHINE:?set it to the number of GPUs of a machine}")
command=() word=
until [[ $word == train ]]; do
    word=${1:?no word of the command is train}
    command+=("$word")
    shift
done
if [[ ${1-} == --num-gpus ]]; then
    given=("$1" "$2")
    shift 2
fi
machines=${SLURM_STEP_NUM_NODES:-${SLURM_NNODES:-1}}
if ((machines > 1)); then
    mapfile -t hosts < <(scontrol show hostnames "${SLURM_STEP_NODELIST:-$SLURM_JOB_NODELIST}")
    port=$((20000 + SLURM_JOB_ID % 40000))
    given+=(--num-machines "$machines" --machine-rank "$SLURM_NODEID" --dist-url "tcp://${hosts[0]}:$port")
fi
exec "${command[@]}" "${given[@]}" "$@"
