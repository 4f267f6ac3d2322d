"""Detections that SAM turns into masks."""

from dataclasses import replace

import pytest
import torch
from detectron2.modeling import build_model
from tests.pseudo_labels import CONFIGS

from zipseg.engine.setup import load_config
from zipseg.modeling.stages.scoring import suppress
from zipseg.structures import mask_ious

CONFIG = str(CONFIGS / "SelfTraining" / "zipworld_mask_rcnn.yaml")
OPTIONS = ["MODEL.META_ARCHITECTURE", "PromptedRCNN", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0]
OPTIONS += ["MODEL.ZIP.SEGMENTER.ROUNDS", 1, "MODEL.ZIP.SEGMENTER.SAME_BOX", 1.0]
OPTIONS += ["MODEL.ZIP.RATING.PREDICTED_IOU", 2.0, "MODEL.ZIP.SCORING.NMS_THRESH", 1.0]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(load_config(CONFIG, [*OPTIONS, "TEST.DETECTIONS_PER_IMAGE", 9])).eval()


@pytest.fixture(scope="module")
def entry():
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (3, 128, 128), generator=generator, dtype=torch.uint8)
    return {"image": image, "height": 64, "width": 96}


@torch.no_grad()
def test_masks_are_the_segmenters_for_the_detectors_boxes(model, entry):
    found = model([entry])[0]["instances"]
    plain = model.inference([entry], do_postprocess=False)[0]
    assert found.image_size == (64, 96)
    assert 0 < len(found) <= len(plain) == 9
    segmenter = model._parts[0]
    again = segmenter.decode(
        segmenter.encode([entry["image"]])[0], plain.pred_boxes.tensor, None, (64, 96)
    )
    _, order = (plain.scores * again.iou**2).sqrt().sort(descending=True, stable=True)
    order = order[again.mask[order].flatten(1).any(dim=1)]
    assert torch.equal(found.pred_masks, again.mask[order])
    assert found.pred_classes.tolist() == plain.pred_classes[order].tolist()
    assert (found.scores[:-1] >= found.scores[1:]).all()
    for mask, box in zip(found.pred_masks, found.pred_boxes.tensor.long(), strict=True):
        rows, columns = mask.nonzero().T
        extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == torch.stack(extent).tolist()


@torch.no_grad()
def test_of_masks_alike_of_a_class_the_best_stays(model, entry, monkeypatch):
    every = model([entry])[0]["instances"]
    stage = replace(model._to_instances, nms_thresh=0.3)
    monkeypatch.setattr(model, "_to_instances", stage)
    found = model([entry])[0]["instances"]
    iou = mask_ious(every.pred_masks) * (every.pred_classes == every.pred_classes[:, None])
    kept = suppress(iou, every.scores, 0.3)
    assert 0 < len(kept) < len(every)
    assert torch.equal(found.pred_masks, every.pred_masks[kept])


def test_checkpoints_and_optimizers_know_the_detector_alone(model):
    torch.manual_seed(0)
    plain = build_model(load_config(CONFIG, []))
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert len(list(model.parameters())) == len(list(plain.parameters()))


def test_an_image_without_detections_is_not_segmented(model, entry):
    model.roi_heads.box_predictor.test_score_thresh = 2.0
    try:
        found = model([entry])[0]["instances"]
    finally:
        model.roi_heads.box_predictor.test_score_thresh = 0.0
    assert len(found) == 0
    assert found.pred_masks.shape == (0, 64, 96)
