"""Two rounds of the real commands on a few scenes, killed at random, against an unkilled run."""

import json
import os
import random
from pathlib import Path

import pytest
import torch
from tests.processes import SERVER

from zipseg.cli.main import main
from zipseg.self_training import runner
from zipseg.self_training.programs import PROGRAM
from zipseg.utils.errors import REQUEUE

TINY = str(Path(__file__).parents[1] / "labeling" / "tiny_mask_rcnn.yaml")
OPTIONS = {
    "DATASETS.TEST": "('zipworld_mini',)",
    "MODEL.ROI_HEADS.NUM_CLASSES": 36,
    "INPUT.MASK_FORMAT": "bitmask",
    "INPUT.MIN_SIZE_TRAIN": "(96,)",
    "DATALOADER.NUM_WORKERS": 0,
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.MAX_ITER": 4,
    "SOLVER.CHECKPOINT_PERIOD": 1,
    "EVALUATION.PROTOCOLS": "('class_agnostic',)",
}
WORDS = [str(word) for pair in OPTIONS.items() for word in pair]


def run_tool(argv: list[str], scenes: Path) -> None:
    """What ``zipseg COMMAND ARGUMENTS`` does, on four scenes."""
    from zipseg.zipworld.scenes import splits

    os.environ["DETECTRON2_DATASETS"] = str(scenes)
    splits.SPLITS["zipworld_mini"] = range(15_000_000, 15_000_004)
    name, *arguments = argv[len(PROGRAM) :]
    os._exit(main([name, *arguments]))


class Commands:
    """Takes the place of ``process.execute``; ``kills`` says after how many seconds to kill."""

    def __init__(self, scenes: Path, kills=lambda: None) -> None:
        self.scenes, self.kills, self.killed, self.started = scenes, kills, 0, 0

    def __call__(self, argv: list[str], lock: int, deadline: float | None) -> int:
        self.started += 1
        process = SERVER.Process(target=run_tool, args=(argv, self.scenes))
        process.start()
        process.join(self.kills())
        if process.is_alive():
            process.kill()
            process.join()
            self.killed += 1
        return process.exitcode if process.exitcode >= 0 else REQUEUE


def two_rounds(output: Path) -> int:
    what = ["--config-file", TINY, "--zip-config", TINY, "--dataset", "zipworld_mini"]
    more = ["--zip-opts", "MODEL.ROI_HEADS.NUM_CLASSES 36", "--rounds", "2", "--new-score", "0.03"]
    try:
        return main(["self-train", *what, *more, "--output", str(output), *WORDS])
    except SystemExit as end:
        return end.code


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scenes")


def test_kills_at_random_points_leave_the_same_rounds(scenes, tmp_path, monkeypatch):
    whole = Commands(scenes)
    monkeypatch.setattr(runner, "execute", whole)
    assert two_rounds(tmp_path / "whole") == 0
    assert whole.started == 9

    chance = random.Random(0)
    # Every other start: on a fast machine, too, some are still running then.
    killing = Commands(scenes, lambda: chance.uniform(0.1, 1.5) if killing.started % 2 else None)
    monkeypatch.setattr(runner, "execute", killing)
    while (code := two_rounds(tmp_path / "killed")) == REQUEUE:
        pass
    assert code == 0
    assert killing.killed > 0
    one, two = (json.loads((tmp_path / x / "rounds.json").read_text()) for x in ("whole", "killed"))
    assert one == two
    assert [row["round"] for row in one["rounds"]] == [0, 1, 2]
    assert one["rounds"][2]["labels"]["count"] > 0
    assert "AP" in one["rounds"][0]["metrics"]["zipworld_mini"]["segm_class_agnostic"]
    assert_same_work(tmp_path / "whole", tmp_path / "killed")


def assert_same_work(one: Path, two: Path) -> None:
    """The same merged labels and, to the last bit, the same final weights."""
    labels = [json.loads((x / "round2/merge/labels.json").read_text()) for x in (one, two)]
    assert labels[0]["annotations"] == labels[1]["annotations"]
    models = [
        torch.load(x / "round2/train/model_final.pth", weights_only=True)["model"]
        for x in (one, two)
    ]
    assert models[0].keys() == models[1].keys()
    for name, tensor in models[0].items():
        assert torch.equal(tensor, models[1][name]), name
