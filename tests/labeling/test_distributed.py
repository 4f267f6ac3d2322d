"""The command line and every way to start ranks, against one rank in this process."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest
from tests.labeling.fakes import TINY_CONFIG, arguments, content, write_images
from tests.processes import SERVER, command, run_command
from tools import generate_pseudo_labels

from zipseg.labeling import distributed
from zipseg.labeling.errors import LabelingError
from zipseg.labeling.job import LabelJob
from zipseg.labeling.shards import decode
from zipseg.utils.errors import REQUEUE, CannotWrite, run_or_explain

IMAGES = 120  # enough that some are left when a stop or a kill comes
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    write_images(folder / "images", IMAGES, size=(48, 64))
    (folder / "images" / "00003.png").write_bytes(b"")
    (folder / "names.txt").write_text("red star\nblue circle\ngreen square\n")
    return folder


def job(folder: Path, output: Path) -> LabelJob:
    return LabelJob(
        config_file=str(TINY_CONFIG),
        output=str(output),
        images=(str(folder / "images"),),
        names=str(folder / "names.txt"),
    )


@pytest.fixture(scope="module")
def one_rank(folder) -> Path:
    output = folder / "one_rank"
    assert generate_pseudo_labels.main(arguments(folder, output, "--report")) == 0
    assert (output / "report.html").exists()
    return output


def results(output: Path) -> int:
    lines = (line for path in output.glob("run/shards/*") for line in path.open("rb"))
    return sum(decode(line) is not None for line in lines)


def wait_for(process: BaseProcess, output: Path, count: int) -> None:
    while results(output) < count and process.is_alive():
        time.sleep(0.02)


def fork_ranks(words: list[str], log: Path, environment: dict[str, str]) -> None:
    """Runs a command line in this process; its ranks are forked from it, not spawned."""
    start = distributed.start_processes
    distributed.start_processes = lambda *args, start_method: start(*args, start_method="fork")
    run_command(words, log, environment)


def test_killed_and_stopped_on_the_command_line(folder, one_rank, tmp_path):
    """Two ranks stopped by SIGTERM to the launcher, two of which one is killed, then one."""
    output, log = tmp_path / "run", tmp_path / "run.log"
    words = ["label", *arguments(folder, output, "--num-ranks", "2")]
    process = command(words, log, **LOOPBACK)
    wait_for(process, output, 3)
    process.terminate()
    process.join()
    assert process.exitcode == REQUEUE
    assert results(output) < IMAGES
    process = SERVER.Process(target=fork_ranks, args=(words, log, LOOPBACK))
    process.start()
    wait_for(process, output, results(output) + 2)  # the first run may have saved any number
    ranks = psutil.Process(process.pid).children()
    assert len(ranks) == 2
    ranks[1].kill()
    process.join()
    assert process.exitcode == REQUEUE
    assert results(output) < IMAGES
    assert generate_pseudo_labels.main(arguments(folder, output)) == 0
    assert content(output) == content(one_rank)
    text = log.read_text()
    assert "start the same command again" in text
    assert "labelling: " in text
    assert "Traceback" not in text


def as_rank(job: LabelJob, environment: dict[str, str]) -> None:
    distributed._SHARE_SECONDS = 1
    os.environ.update(LOOPBACK, **environment)
    with run_or_explain():
        sys.exit(distributed.run(job))


def run_ranks(jobs: list[LabelJob], environments: list[dict[str, str]]) -> list[int]:
    pairs = zip(jobs, environments, strict=True)
    return run_all([SERVER.Process(target=as_rank, args=pair) for pair in pairs])


def run_all(processes: list[BaseProcess]) -> list[int]:
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def torchrun_environment(rank: int, port: int) -> dict[str, str]:
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def slurm_environment(rank: int, port: int) -> dict[str, str]:
    return {
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_JOB_ID": str(port - 20000),
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
    }


@pytest.mark.parametrize("environment", [torchrun_environment, slurm_environment])
def test_under_a_launcher(environment, folder, one_rank, tmp_path):
    port = distributed._free_port()
    environments = [environment(rank, port) for rank in range(2)]
    assert run_ranks([job(folder, tmp_path)] * 2, environments) == [0, 0]
    assert content(tmp_path) == content(one_rank)


def test_ranks_that_do_not_share_the_folder(folder, tmp_path):
    port = distributed._free_port()
    environments = [torchrun_environment(rank, port) for rank in range(2)]
    jobs = [job(folder, tmp_path / "a"), job(folder, tmp_path / "b")]
    assert run_ranks(jobs, environments) == [2, 2]
    assert not list(tmp_path.glob("*/labels.json"))


class Interrupted(LabelJob):
    def __call__(self, quiet: bool) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the process goes on")


def test_sigterm_while_the_model_is_loaded_asks_for_requeueing(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        distributed.run(Interrupted(str(TINY_CONFIG), str(tmp_path)))
    assert end.value.code == REQUEUE
    assert signal.getsignal(signal.SIGTERM) is before


def test_ranks_that_cannot_write_or_do_not_meet(folder, tmp_path):
    (tmp_path / "file").write_text("")
    port = distributed._free_port()
    environments = [torchrun_environment(rank, port) for rank in range(2)]
    assert (
        run_ranks([job(folder, tmp_path / "file")] * 2, environments) == [CannotWrite.exit_code] * 2
    )
    with pytest.raises(LabelingError, match="--dist-url nowhere: the ranks do not meet"):
        distributed._as_rank(job(folder, tmp_path), False, 0, 2, 0, "nowhere")


@pytest.mark.parametrize(
    ("nodes", "host"),
    [("n7", "n7"), ("n7,n9", "n7"), ("gpu[012-014,020],login1", "gpu012"), ("a-b[3,5]", "a-b3")],
)
def test_the_first_host_of_a_slurm_step(nodes, host, monkeypatch):
    for key, value in slurm_environment(1, 20007).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("SLURM_STEP_NODELIST", nodes)
    assert distributed._launched_rank() == (1, 2, 1, f"tcp://{host}:20007")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # an array task is a run of its own rank
    assert distributed._launched_rank() is None


def test_an_array_of_submitit(folder, one_rank, tmp_path):
    pytest.importorskip("submitit")
    jobs = distributed.submit(job(folder, tmp_path), 2, "local", ["timeout_min=5"])
    assert [x.result() for x in jobs] == [0, 0]
    assert content(tmp_path) == content(one_rank)
    again = distributed.Requeued(job(folder, tmp_path)).checkpoint()
    assert type(again.function) is distributed.Requeued


def test_debug_runs_here_and_now(folder, one_rank, tmp_path, capsys):
    pytest.importorskip("submitit")
    more = ("--submitit", "2", "--cluster", "debug", "--report")
    assert generate_pseudo_labels.main(arguments(folder, tmp_path, *more)) == 0
    assert content(tmp_path) == content(one_rank)
    out = capsys.readouterr().out
    assert "labels on" in out
    assert f"{tmp_path / 'report.html'}: open it" in out


@pytest.mark.parametrize(
    ("cluster", "parameters", "reason"),
    [
        ("slurm", [], "submitit"),
        ("local", ["no_such_parameter=3"], "no_such_parameter"),
        ("local", ["timeout_min"], "--submitit"),
    ],
)
def test_what_submitit_cannot_do(cluster, parameters, reason, folder, tmp_path):
    pytest.importorskip("submitit")
    with pytest.raises(LabelingError, match=reason):
        distributed.submit(job(folder, tmp_path), 2, cluster, parameters)


@contextlib.contextmanager
def two_hosts():
    """Two network namespaces joined by a cable, as two machines would be."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    names = [f"zipseg{os.getpid()}{side}" for side in "ab"]
    try:
        one, two = (f"v{name[-1]}{os.getpid()} netns {name}" for name in names)
        for command in (
            f"ip netns add {names[0]}",
            f"ip netns add {names[1]}",
            f"ip link add {one} type veth peer {two}",
        ):
            done = subprocess.run(command.split(), capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {done.stderr.strip()}")
        for name, side, address in zip(names, "ab", ("10.77.0.1", "10.77.0.2"), strict=True):
            device = f"v{side}{os.getpid()}"
            for command in (
                f"addr add {address}/24 dev {device}",
                f"link set {device} up",
                "link set lo up",
            ):
                subprocess.run(["ip", "-n", name, *command.split()], check=True)
        yield names
    except FileNotFoundError:
        pytest.skip("no ip command on this machine")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


CLONE_NEWNET = 0x40000000  # of sched.h


def on_host(name: str, words: list[str], log: Path, environment: dict[str, str]) -> None:
    """The command within a network namespace."""
    with Path("/run/netns", name).open() as namespace:
        assert ctypes.CDLL(None).setns(namespace.fileno(), CLONE_NEWNET) == 0
    fork_ranks(words, log, environment)


def test_two_machines(folder, one_rank, tmp_path):
    with two_hosts() as names:
        processes = []
        for rank, (name, side) in enumerate(zip(names, "ab", strict=True)):
            where = ["--num-machines", "2", "--machine-rank", str(rank)]
            where += ["--dist-url", "tcp://10.77.0.1:29777"]
            words = ["label", *arguments(folder, tmp_path, *where)]
            device = {"GLOO_SOCKET_IFNAME": f"v{side}{os.getpid()}"}
            there = (name, words, tmp_path / "log", device)
            processes.append(SERVER.Process(target=on_host, args=there))
        exit_codes = run_all(processes)
    assert exit_codes == [0, 0]
    assert content(tmp_path) == content(one_rank)
