"""Pictures are drawn for whatever the stages hand on."""

from pathlib import Path

import cv2
import pytest
import torch
from detectron2.data import Metadata
from detectron2.modeling import build_model

from zipseg.engine.setup import load_config
from zipseg.visualization.overlays import draw_instances
from zipseg.visualization.stage_panel import save_stage_panel

TINY = str(Path(__file__).parents[2] / "configs" / "Test" / "zip_tiny_random.yaml")


@pytest.mark.parametrize("method", ["Clusters", "Watershed"])
@pytest.mark.parametrize("least_score", [0.0, 2.0])
def test_stage_panels(tmp_path, picture, method, least_score):
    names = ["a cat", "$x_y$"]
    cfg = load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", names,
                             "MODEL.ZIP.DISCOVERY.NAME", method,
                             "MODEL.ZIP.CLASSIFICATION.MIN_SCORE", least_score])  # fmt: skip
    model = build_model(cfg).eval()
    (trace,) = model.trace([{"image": torch.as_tensor(picture.transpose(2, 0, 1).copy())}])
    assert (len(trace.proposals) == 0) == (least_score > 1)
    save_stage_panel(tmp_path / "panel.png", picture, trace, model.names)
    panel = cv2.imread(str(tmp_path / "panel.png"))
    assert panel.shape == (700, 1200, 3)
    assert panel.std() > 20


def test_overlays_mark_the_instances(picture):
    cfg = load_config(TINY, ["DATASETS.TEST", (), "MODEL.ZIP.CLASS_NAMES", ["a", "b"]])
    model = build_model(cfg).eval()
    entry = {"image": torch.as_tensor(picture.transpose(2, 0, 1).copy())}
    instances = model([entry])[0]["instances"]
    metadata = Metadata(thing_classes=list(model.names))
    empty = draw_instances(picture, instances[:0], metadata)
    assert min(empty.shape[:2]) >= 320
    assert (draw_instances(picture, instances, metadata) != empty).any()
