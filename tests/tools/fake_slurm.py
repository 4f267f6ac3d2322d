"""Stands for srun, sbatch and scontrol, by the name that it is called by: runs everything here.

FAKE_NODES is the number of machines. srun starts its tasks one after the other, sbatch runs the
script as a job at once (its own options aside), and "scontrol requeue" is written to LOG.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(sys.argv[0]).parent
NODES = int(os.environ.get("FAKE_NODES", "1"))


def log(line: str) -> None:
    with (HERE / "SLURM_LOG").open("a") as file:
        file.write(line + "\n")


def srun(words: list[str]) -> int:
    per_node = 1
    while words and words[0].startswith("-"):
        if words[0].startswith("--ntasks-per-node="):
            per_node = int(words[0].partition("=")[2])
        words = words[1:]
    for rank in range(NODES * per_node):
        names = {"SLURM_PROCID": rank, "SLURM_NODEID": rank // per_node}
        names |= {"SLURM_LOCALID": rank % per_node, "SLURM_STEP_NUM_NODES": NODES}
        names |= {"SLURM_STEP_NUM_TASKS": 1, "SLURM_STEP_NODELIST": f"n[0-{NODES - 1}]"}
        env = os.environ | {key: str(value) for key, value in names.items()}
        code = subprocess.run(words, env=env).returncode
        if code:
            return code
    return 0


def sbatch(words: list[str]) -> int:
    while words[0].startswith("-"):
        words = words[1:]
    env = os.environ | {
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "n0",
        "SLURM_NNODES": str(NODES),
    }
    return subprocess.run(["bash", *words], env=env).returncode


def scontrol(words: list[str]) -> int:
    if words[:2] == ["show", "hostnames"]:
        print("\n".join(f"n{i}" for i in range(NODES)))
    else:
        log(" ".join(words))
    return 0


if __name__ == "__main__":
    sys.exit(globals()[Path(sys.argv[0]).name](sys.argv[1:]))
