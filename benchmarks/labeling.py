"""The labelling run: memory over the number of images, ranks against threads, and its overhead."""

import multiprocessing
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances
from torch import nn

from zipseg.engine.inference import load_model
from zipseg.engine.setup import load_config
from zipseg.labeling import distributed
from zipseg.labeling.assembly import LABELS, read_summary
from zipseg.labeling.job import LabelJob
from zipseg.labeling.labeler import Labeler
from zipseg.labeling.provenance import describe
from zipseg.labeling.runner import Rules, label_source
from zipseg.labeling.sources import images_source, use_vocabulary
from zipseg.zipworld.scenes import CATEGORY_NAMES, render_scene

from .forward import NETWORKS, stopwatch
from .memory import peak_mib


def memory_benchmark(counts: tuple[int, int] = (1000, 20000)) -> dict:
    """Peak memory of runs over few and many small images, each in a fresh process.

    Returns:
        ``mib`` by count, and ``growth``, the ratio of the second to the first.
    """
    fresh = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, fresh.Pool(1, maxtasksperchild=1) as pool:
        mib = pool.map(_run_over_squares, [(folder, count) for count in counts], chunksize=1)
    return {"mib": dict(zip(map(str, counts), mib, strict=True)), "growth": mib[1] / mib[0]}


def ranks_benchmark(config_file: str, images: int = 60) -> dict:
    """Two CPU ranks of one thread against one rank of two, over ZipWorld's scenes.

    Returns:
        ``images_per_second`` by ranks x threads, ``throughput`` of 2 x 1 over that of 1 x 2, and
        whether 2 x 1 writes the ``same_bytes`` as 1 x 1, the date aside.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_scenes(folder / "images", images)
        rates, files = {}, {}
        for ranks, threads in ((1, 1), (1, 2), (2, 1)):
            key = f"{ranks} x {threads}"
            output = folder / key
            names = ",".join(CATEGORY_NAMES)
            opts = ("MODEL.DEVICE", "cpu")
            where = str(folder / "images")
            job = LabelJob(
                config_file,
                str(output),
                images=where,
                names=names,
                opts=opts,
                threads=threads,
                modules=("zipseg.zipworld",),
            )
            fresh = multiprocessing.get_context("spawn").Process(target=_run, args=(job, ranks))
            fresh.start()
            fresh.join()
            rates[key] = read_summary(output)["throughput"]["images_per_second"]
            files[key] = (output / LABELS).read_bytes().partition(b"\n")[2]
    return {
        "images_per_second": rates,
        "throughput": rates["2 x 1"] / rates["1 x 2"],
        "same_bytes": files["2 x 1"] == files["1 x 1"],
    }


def overhead_benchmark(config_file: str, images: int = 60) -> dict:
    """A whole run of Zip over ZipWorld's scenes, from listing to the merged file.

    Returns:
        ``wall_s``; ``networks_s`` and ``model_s``, the summed times of the networks and of the
        whole model; and the ratios of the wall time to each.
    """
    cfg = load_config(config_file, ["MODEL.DEVICE", "cpu"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_scenes(folder / "images", images)
        source = images_source([str(folder / "images")], ",".join(CATEGORY_NAMES))
        use_vocabulary(cfg, source)
        model = load_model(cfg)
        provenance = describe(cfg, model, source, [])
        labeler = Labeler(cfg, model, source.categories)
        with stopwatch(model) as seconds:
            start = time.perf_counter()
            label_source(labeler, source, provenance, folder / "out", Rules(), quiet=True)
            wall = time.perf_counter() - start
        model_s = read_summary(folder / "out")["throughput"]["model_seconds"]
    networks = sum(seconds[name] for name in NETWORKS)
    return {
        "wall_s": wall,
        "networks_s": networks,
        "model_s": model_s,
        "wall_over_networks": wall / networks,
        "wall_over_model": wall / model_s,
    }


class _OneBox(nn.Module):
    """The cheapest model there is: every image shows one square."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        result = Instances((32, 32))
        result.pred_boxes = Boxes(torch.tensor([[4.0, 4.0, 20.0, 20.0]]))
        result.scores = torch.ones(1)
        result.pred_classes = torch.zeros(1, dtype=torch.int64)
        result.pred_masks = torch.zeros(1, 32, 32, dtype=torch.bool)
        result.pred_masks[0, 4:20, 4:20] = True
        return [{"instances": result} for _ in batched_inputs]


def _run_over_squares(arguments: tuple[str, int]) -> float:
    folder, count = arguments
    images, output = Path(folder) / f"images{count}", Path(folder) / f"out{count}"
    images.mkdir()
    pixels = np.zeros((32, 32, 3), np.uint8)
    for i in range(count):
        pixels[0, 0] = i & 255, i >> 8 & 255, i >> 16
        cv2.imwrite(str(images / f"{i:06d}.png"), pixels)
    cfg: CfgNode = load_config("")
    cfg.INPUT.MIN_SIZE_TEST = 0
    source, model = images_source([str(images)], "square"), _OneBox()
    provenance = describe(cfg, model, source, [])
    labeler = Labeler(cfg, model, source.categories)
    label_source(labeler, source, provenance, output, Rules(), quiet=True)
    assert read_summary(output)["images"] == count
    return peak_mib()


def _run(job: LabelJob, ranks: int) -> None:
    raise SystemExit(distributed.run(job, ranks))


def _write_scenes(folder: Path, count: int) -> None:
    folder.mkdir()
    for i in range(count):
        cv2.imwrite(str(folder / f"{i:05d}.png"), render_scene(i).image[:, :, ::-1])
