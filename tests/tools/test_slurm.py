"""The SLURM scripts with fake srun, sbatch and scontrol, over fake commands and the real driver."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.self_training.faked import ROOT, TINY, fake_program, fake_tools, starts

SLURM = ROOT / "tools" / "slurm"
CONFIG = ("--config-file", TINY, "--zip-config", TINY, "--dataset", "seen", "--rounds", "1")


@pytest.fixture
def cluster(tmp_path) -> Path:
    """A folder like the repository's, whose tools are fakes but for those under test."""
    tools = fake_tools(tmp_path / "tools")
    shutil.copytree(SLURM, tools / "slurm")
    (tools / "self_train.py").write_text(
        "import sys\n"
        "from zipseg.cli.main import door\n"
        "from zipseg.self_training import programs\n"
        f"programs.PROGRAM = {fake_program(tools)}\n"
        "sys.exit(door('self-train')())"
    )
    for name in ("srun", "sbatch", "scontrol"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        source = Path(__file__).with_name("fake_slurm.py").read_text()
        path.write_text(f"#!{sys.executable}\n{source}")
        path.chmod(0o755)
    return tmp_path


def environment(cluster: Path, nodes: int, **more: str) -> dict[str, str]:
    path = f"{cluster / 'bin'}:{os.environ['PATH']}"
    fixed = {"PATH": path, "PYTHON": sys.executable, "GPUS_PER_MACHINE": "2"}
    return os.environ | fixed | {"FAKE_NODES": str(nodes)} | more


def batch(cluster: Path, nodes: int = 1, **more: str) -> subprocess.Popen:
    script = ["sbatch", f"--nodes={nodes}", "tools/slurm/self_train.sbatch"]
    arguments = [*CONFIG, "--output", "out"]
    return subprocess.Popen(
        [*script, *arguments, "DATASETS.TEST", "('seen',)"],
        cwd=cluster,
        env=environment(cluster, nodes, **more),
        start_new_session=True,
    )


@pytest.mark.parametrize("script", ["self_train.sbatch", "on_each_machine.sh"])
def test_syntax(script):
    subprocess.run(["bash", "-n", str(SLURM / script)], check=True)


def test_two_machines(cluster):
    assert batch(cluster, 2).wait() == 0
    assert len(json.loads((cluster / "out" / "rounds.json").read_text())["rounds"]) == 2
    started = starts(cluster / "tools")
    labelling = [line for line in started if line.startswith("label ")]
    assert len(labelling) == 4  # a rank a GPU
    training = [line for line in started if line.startswith("train ") and "--resume" in line]
    where = "--num-gpus 2 --num-machines 2 --machine-rank {} --dist-url tcp://n0:20017"
    assert [line.split(" --config-file")[0] for line in training] == [
        f"train {where.format(rank)}" for rank in (0, 1)
    ]


def driver(cluster: Path, body: str) -> None:
    """A pipeline of a few milliseconds in place of the real one."""
    (cluster / "tools" / "self_train.py").write_text(f"import pathlib, signal, sys, time\n{body}")


def test_a_preempted_job_is_told_and_requeued(cluster):
    driver(
        cluster,
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        "pathlib.Path('ready').touch()\n"
        "time.sleep(60)",
    )
    job = batch(cluster)
    while not (cluster / "ready").exists():
        time.sleep(0.01)
    # SLURM signals the batch script itself (--signal=B:TERM@120).
    script = subprocess.run(["pgrep", "-P", str(job.pid)], capture_output=True, text=True).stdout
    os.kill(int(script.split()[0]), signal.SIGTERM)
    assert job.wait() == 75
    assert (cluster / "bin" / "SLURM_LOG").read_text() == "requeue 17\n"


@pytest.mark.parametrize("code", [0, 2, 3, 74])
def test_a_job_that_ends_otherwise_is_not_requeued(cluster, code):
    driver(cluster, f"sys.exit({code})")
    assert batch(cluster).wait() == code
    assert not (cluster / "bin" / "SLURM_LOG").exists()


def test_the_number_of_gpus_has_to_be_said():
    script = str(SLURM / "on_each_machine.sh")
    env = {k: v for k, v in os.environ.items() if k != "GPUS_PER_MACHINE"}
    done = subprocess.run([script, "echo", "x"], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "set it to the number of GPUs of a machine" in done.stderr
