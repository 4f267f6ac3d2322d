"""The baseline under Detectron2's contract, with and without masks to name."""

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

from zipseg.engine.setup import load_config

TINY = str(Path(__file__).parents[2] / "configs" / "Test" / "zip_tiny_random.yaml")


@pytest.mark.parametrize("threshold", [-1.0, 2.0])
def test_masks_are_named_or_there_are_none(picture, threshold):
    options = ["MODEL.META_ARCHITECTURE", "SamAlone"]
    options += ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["a", "b"]]
    options += ["MODEL.SAM_ALONE.POINTS_PER_SIDE", 2, "MODEL.SAM_ALONE.PRED_IOU_THRESH", threshold]
    options += ["MODEL.SAM_ALONE.STABILITY_SCORE_THRESH", -1.0]
    model = build_model(load_config(TINY, options)).eval()
    entry = {"image": torch.as_tensor(picture.transpose(2, 0, 1).copy()), "height": 30, "width": 40}
    instances = model([entry])[0]["instances"]
    assert instances.pred_masks.shape[1:] == (30, 40)
    assert (len(instances) == 0) == (threshold > 1)
    assert set(instances.pred_classes.tolist()) <= {0, 1}
