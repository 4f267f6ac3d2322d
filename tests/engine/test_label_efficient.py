"""``zipseg train --percent``: the split and the protocol's schedule, without training."""

import json

import pytest
from tests.pseudo_labels import CONFIGS

from zipseg.data.splits import make_split
from zipseg.engine.label_efficient import share_options
from zipseg.engine.setup import load_config
from zipseg.utils.errors import ConfigError

COCO = str(CONFIGS / "LabelEfficient" / "COCO_mask_rcnn_R50_FPN.yaml")
ZIPWORLD = str(CONFIGS / "LabelEfficient" / "zipworld_mask_rcnn.yaml")


@pytest.fixture
def labels(tmp_path):
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 8, "width": 8} for i in range(40)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16}
            for i in range(40)
        ],
        "categories": [{"id": 1, "name": "a"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path / "truth.json"


@pytest.mark.parametrize(
    ("percent", "solver"),
    [
        (1, (0.04, (2400, 3200), 3600)),
        (10, (0.04, (6000, 8000), 9000)),
        (100, (0.02, (60000, 80000), 90000)),
    ],
)
def test_the_protocols_schedules(percent, solver, labels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(COCO, share_options(COCO, ["DATASETS.TRAIN", f"('{labels}',)"], percent))
    assert solver == (cfg.SOLVER.BASE_LR, cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER)
    assert f"output/LabelEfficient/COCO_mask_rcnn_R50_FPN_{percent}perc" == cfg.OUTPUT_DIR
    (split,) = cfg.DATASETS.TRAIN
    whole = json.loads(labels.read_text())
    assert json.loads((tmp_path / split).read_text()) == make_split(whole, percent)
    assert str(tmp_path) == cfg.TRAINING.IMAGE_ROOT


def test_options_win_and_the_seed_chooses_other_labels(labels, tmp_path):
    opts = ["DATASETS.TRAIN", f"('{labels}',)", "OUTPUT_DIR", str(tmp_path), "SOLVER.MAX_ITER", "7"]
    cfg = load_config(ZIPWORLD, share_options(ZIPWORLD, opts, 10, seed=1))
    assert (7, str(tmp_path)) == (cfg.SOLVER.MAX_ITER, cfg.OUTPUT_DIR)
    assert (f"{tmp_path}/10perc_seed1_truth.json",) == cfg.DATASETS.TRAIN


def test_a_registered_data_set_brings_its_images_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    monkeypatch.setattr(
        "zipseg.engine.label_efficient.annotation_file", lambda name: tmp_path / f"{name}.json"
    )
    image = {"id": 1, "file_name": "1.png", "height": 8, "width": 8}
    (tmp_path / "zipworld_train.json").write_text(
        json.dumps({"images": [image], "annotations": [], "categories": []})
    )
    cfg = load_config(ZIPWORLD, share_options(ZIPWORLD, ["OUTPUT_DIR", str(tmp_path / "out")], 100))
    assert cfg.TRAINING.IMAGE_ROOT.endswith("zipworld/train")
    assert cfg.SOLVER.MAX_ITER == 400


@pytest.mark.parametrize(
    ("percent", "train", "message"),
    [
        (3, "('a.json',)", "--percent: 3 has no schedule; TRAINING.SHARES has 1, 2, 5, 10, 20"),
        (10, "('a.json', 'b.json')", "DATASETS.TRAIN: .*--percent splits one data set"),
        (10, "('nothing',)", "'nothing' is not registered"),
    ],
)
def test_mistakes(percent, train, message):
    with pytest.raises(ConfigError, match=message):
        share_options(COCO, ["DATASETS.TRAIN", train], percent)
