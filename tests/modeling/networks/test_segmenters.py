"""The batched segmenter against segment_anything's own predictor."""

import pytest
import torch
from segment_anything import SamPredictor

from zipseg.modeling.networks import segmenters as module
from zipseg.modeling.networks.segmenters import SamSegmenter
from zipseg.structures import Proposals

BOXES = torch.tensor([[5.0, 4, 40, 30], [10, 10, 70, 55], [0, 0, 79, 59], [60, 3, 75, 20]])
NONE = torch.zeros(4, dtype=torch.int64)
OBJECTS = Proposals(NONE, BOXES, (BOXES[:, :2] + BOXES[:, 2:]) / 2, NONE)


@pytest.mark.parametrize("use_points", [False, True])
def test_masks_are_those_of_the_predictor(tiny_sam, picture, use_points):
    image = torch.as_tensor(picture).permute(2, 0, 1)
    (masks,) = SamSegmenter(tiny_sam, prompt_batch=3, use_points=use_points)(
        [image], [OBJECTS], [(60, 80)]
    )
    predictor = SamPredictor(tiny_sam)
    predictor.set_image(picture)
    for i in range(4):
        mask, iou, _ = predictor.predict(
            box=BOXES[i].numpy(),
            point_coords=OBJECTS.point[i : i + 1].numpy() if use_points else None,
            point_labels=torch.ones(1).numpy() if use_points else None,
        )
        best = iou.argmax()
        assert (masks.mask[i].numpy() == mask[best]).mean() > 0.9999
        assert masks.iou[i] == pytest.approx(max(0.0, min(1.0, float(iou[best]))), abs=1e-5)


def test_images_without_objects_are_not_encoded(tiny_sam, picture, monkeypatch):
    image = torch.as_tensor(picture).permute(2, 0, 1)
    nothing = OBJECTS[:0]
    calls = []
    segmenter = SamSegmenter(tiny_sam)
    encode = tiny_sam.image_encoder.forward
    monkeypatch.setattr(
        tiny_sam.image_encoder, "forward", lambda x: calls.append(len(x)) or encode(x)
    )
    results = segmenter([image] * 3, [OBJECTS, nothing, OBJECTS], [(60, 80), (7, 9), (30, 40)])
    assert calls == [2]
    assert [tuple(r.mask.shape) for r in results] == [(4, 60, 80), (0, 7, 9), (4, 30, 40)]
    calls.clear()
    segmenter([image], [nothing], [(60, 80)])
    assert calls == []


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 2)])
def test_nothing_is_too_thin(tiny_sam, size):
    image = torch.full((3, *size), 90, dtype=torch.uint8)
    whole = torch.tensor([[0.0, 0, size[1], size[0]]])
    objects = Proposals(NONE[:1], whole, whole[:, 2:] / 2, NONE[:1])
    (masks,) = SamSegmenter(tiny_sam, use_points=True)([image], [objects], [size])
    assert masks.mask.shape == (1, *size)
    assert masks.iou.isfinite().all()


def test_large_masks_are_enlarged_a_few_at_a_time(tiny_sam, picture, monkeypatch):
    image = torch.as_tensor(picture).permute(2, 0, 1)
    (at_once,) = SamSegmenter(tiny_sam)([image], [OBJECTS], [(300, 400)])
    enlarged = []
    enlarge = tiny_sam.postprocess_masks
    monkeypatch.setattr(
        tiny_sam, "postprocess_masks", lambda x, *size: enlarged.append(len(x)) or enlarge(x, *size)
    )
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 3 * 300 * 400)
    (in_parts,) = SamSegmenter(tiny_sam)([image], [OBJECTS], [(300, 400)])
    assert enlarged == [3, 1]
    assert torch.equal(at_once.mask, in_parts.mask)


def test_autocast_leaves_prompts_and_decoder_in_full_precision(tiny_sam, picture):
    image = torch.as_tensor(picture).permute(2, 0, 1)
    segmenter = SamSegmenter(tiny_sam, use_points=True)
    with torch.autocast("cpu"):
        (embedding,) = segmenter.embed([image])
        reduced = segmenter.segment(embedding, OBJECTS, (60, 80))
    full = segmenter.segment(embedding, OBJECTS, (60, 80))
    assert not torch.equal(embedding.feature, segmenter.embed([image])[0].feature)
    assert torch.equal(reduced.mask, full.mask)
    assert torch.equal(reduced.iou, full.iou)
