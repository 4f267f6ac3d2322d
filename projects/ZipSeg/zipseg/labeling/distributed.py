"""Processes for a job: Detectron2's launch on GPUs, gloo ranks on CPUs, torchrun, SLURM, submitit.

The ranks divide their work through the run's folder (``work.py``), so a process group serves only
to make sure, before anything starts, that all of them see the same folder.
"""

import logging
import multiprocessing
import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from detectron2.engine import launch as launch_on_gpus
from detectron2.utils import comm
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException, start_processes

from ..utils.errors import REQUEUE, CannotWrite, run_or_explain
from ..utils.signals import handled, requeued_at_once
from .errors import LabelingError
from .job import LabelJob

logger = logging.getLogger(__name__)
_START_TIMEOUT = timedelta(minutes=30)
_SHARE_SECONDS = 30  # network file systems may cache for a while


def run(
    job: LabelJob,
    ranks: int | None = None,
    machines: int = 1,
    machine_rank: int = 0,
    url: str = "auto",
) -> int:
    """Runs a job in ``ranks`` processes on this machine and returns the exit code.

    Within torchrun or a SLURM step of several tasks this process is one of the ranks and the
    numbers are the launcher's. When one rank dies the others finish their images, and the exit code
    asks to start the same command again.

    Args:
        job: what every rank does; its config says whether each has a GPU.
        ranks: None for one on each GPU, or one.
        machines, machine_rank, url: as for Detectron2's ``launch``.

    Raises:
        ZipSegError: the job cannot start, or, if this process is its only rank, cannot go on.
    """
    gpu = job.config().MODEL.DEVICE.startswith("cuda")
    launched = _launched_rank()
    if launched is not None:
        with requeued_at_once():  # while a model is loaded
            return _as_rank(job, gpu, *launched)
    ranks = ranks or (torch.cuda.device_count() if gpu else 1)
    cores = len(os.sched_getaffinity(0))
    if not gpu and ranks * job.threads < cores:
        logger.warning(
            "%d of %d cores are in use: --num-ranks %d is the fastest, if the memory holds as many "
            "models; --threads N gives each rank more cores",
            *(ranks * job.threads, cores, cores // job.threads),
        )
    if ranks * machines == 1:
        with requeued_at_once():
            return job(quiet=False)
    if url == "auto":
        if machines > 1:
            raise LabelingError("--dist-url: 'auto' is for one machine; name tcp://HOST:PORT")
        url = f"tcp://127.0.0.1:{_free_port()}"
    try:
        with _signals_to_children():
            if gpu:
                launch_on_gpus(_gpu_rank, ranks, machines, machine_rank, url, (job,))
            else:
                arguments = (job, machine_rank * ranks, ranks * machines, url)
                start_processes(_cpu_rank, arguments, ranks, start_method="spawn")
    except ProcessExitedException as end:
        if end.exit_code < 0:
            logger.error("%s; start the same command again to go on", end)
        return end.exit_code if end.exit_code > 0 else REQUEUE
    except ProcessRaisedException as error:
        logger.error("a rank failed:\n%s", error)
        return 1
    return 0


def submit(job: LabelJob, tasks: int, cluster: str, parameters: list[str]) -> list:
    """Queues ``tasks`` independent array tasks of one rank each; the last to finish merges.

    Args:
        job: what every task does; the logs go to its output's ``submitit`` folder.
        tasks: how many.
        cluster: "slurm"; "local" for processes on this machine; "debug" for this very process,
            which then does the work before it returns.
        parameters: submitit's as KEY=VALUE, e.g. ``slurm_partition=gpu``, ``timeout_min=600``.

    Returns:
        submitit's jobs.

    Raises:
        ZipSegError: the job or a parameter is unusable, or submitit is missing.
    """
    job.config()
    try:
        import submitit

        executor = submitit.AutoExecutor(Path(job.output) / "submitit", cluster=cluster)
        pairs = (parameter.partition("=") for parameter in parameters)
        executor.update_parameters(**{key: _number(value) for key, _, value in pairs})
    except ImportError as error:
        raise LabelingError("--submitit needs a package: pip install submitit") from error
    except Exception as error:  # no SLURM; its parameters raise NameError, AssertionError, ...
        raise LabelingError(f"--submitit: {error}") from error
    with executor.batch():
        jobs = [executor.submit(Requeued(job)) for _ in range(tasks)]
    if cluster == "debug":  # nothing else would run them: they are tried here and now, in turn
        for queued in jobs:
            error = queued.exception()
            if error is not None:
                raise error
    return jobs


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


class Requeued:
    """A job that submitit starts again when SLURM preempts it or its time is over."""

    def __init__(self, job: LabelJob) -> None:
        self.job = job

    def __call__(self) -> int:
        return self.job(quiet=False)

    def checkpoint(self) -> object:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def check_shared(output: Path) -> None:
    """Checks within a process group that all ranks see the same folder.

    Raises:
        CannotWrite: on every rank, the first one cannot write there.
        LabelingError: on every rank, naming the hosts that do not.
    """
    token = output / "run" / f".shared-{comm.all_gather(uuid.uuid4().hex)[0]}"
    failure = None
    if comm.get_rank() == 0:
        try:
            token.parent.mkdir(parents=True, exist_ok=True)
            token.touch()
        except OSError as error:
            failure = error
    failure = comm.all_gather(failure)[0]
    if failure:
        raise CannotWrite(token.parent, failure)
    deadline = time.monotonic() + _SHARE_SECONDS
    while not token.exists() and time.monotonic() < deadline:
        time.sleep(1)
    seen = comm.all_gather((socket.gethostname(), token.exists()))
    if comm.get_rank() == 0:
        token.unlink()
    blind = sorted({host for host, sees in seen if not sees})
    if blind:
        raise LabelingError(
            f"--output {output}: {', '.join(blind)} do not see the folder of {seen[0][0]}; choose "
            "one on a file system that all machines share"
        )


def _gpu_rank(job: LabelJob) -> None:
    with run_or_explain():
        sys.exit(_in_group(job, comm.get_local_rank()))


def _cpu_rank(local: int, job: LabelJob, first: int, world: int, url: str) -> None:
    with run_or_explain():
        sys.exit(_as_rank(job, False, first + local, world, local, url))


def _as_rank(job: LabelJob, gpu: bool, rank: int, world: int, local: int, url: str) -> int:
    if gpu:
        torch.cuda.set_device(local)
    backend = "nccl" if gpu else "gloo"
    try:
        dist.init_process_group(backend, url, _START_TIMEOUT, world_size=world, rank=rank)
    except (RuntimeError, ValueError) as error:
        raise LabelingError(f"--dist-url {url}: the ranks do not meet there ({error})") from error
    return _in_group(job, local)


def _in_group(job: LabelJob, local: int) -> int:
    try:
        check_shared(Path(job.output))
    finally:
        dist.destroy_process_group()  # from here on the death of a rank must not hang another
    return job(quiet=local != 0)


def _launched_rank() -> tuple[int, int, int, str] | None:
    """Rank, world size, local rank and rendezvous where a launcher has started this process."""
    env = os.environ
    if {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= env.keys():
        return int(env["RANK"]), int(env["WORLD_SIZE"]), int(env["LOCAL_RANK"]), "env://"
    if int(env.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        # The first host of "node7,node9" or "gpu[012-014,020],login1".
        first = re.match(r"([^,\[]+)(?:\[(\w+))?", env["SLURM_STEP_NODELIST"])
        host = env.get("MASTER_ADDR", "".join(filter(None, first.groups())))
        port = env.get("MASTER_PORT", 20000 + int(env["SLURM_JOB_ID"]) % 40000)
        numbers = (int(env[f"SLURM_{x}"]) for x in ("PROCID", "STEP_NUM_TASKS", "LOCALID"))
        return *numbers, f"tcp://{host}:{port}"
    return None


@contextmanager
def _signals_to_children() -> Iterator[None]:
    """Hands SIGTERM and SIGINT on to the ranks, whose exit codes then end the run."""

    def hand_on(number: int, frame: object) -> None:
        for child in multiprocessing.active_children():
            child.terminate()

    with handled(hand_on):
        yield


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
