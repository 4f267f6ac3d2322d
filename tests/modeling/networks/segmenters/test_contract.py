"""Every segmenter against its package's own predictor: same boxes, same masks."""

import numpy as np
import pytest
import torch

from zipseg.modeling.networks.segmenters import (
    SEGMENTER_REGISTRY,
    Prompting,
    build_segmenter,
    contract,
)
from zipseg.modeling.networks.segmenters.contract import united
from zipseg.structures import Proposals, mask_boxes
from zipseg.utils.errors import ConfigError

BOXES = torch.tensor([[5.0, 4, 40, 30], [10, 10, 70, 55], [0, 0, 79, 59], [60, 3, 75, 20]])
POINTS = (BOXES[:, :2] + BOXES[:, 2:]) / 2
KEY = "MODEL.ZIP.SEGMENTER"


def sam2_sizes(predictor):
    """SAM 2's predictor has the grids of 1024 pixels written into it."""
    if hasattr(predictor, "_bb_feat_sizes"):
        predictor._bb_feat_sizes = [(predictor.model.image_size // s,) * 2 for s in (4, 8, 16)]
    return predictor


@pytest.fixture
def image(picture) -> torch.Tensor:
    return torch.as_tensor(picture).permute(2, 0, 1)


@pytest.mark.parametrize(("boxes", "points"), [(True, False), (False, True), (True, True)])
def test_masks_are_those_of_the_predictor(member, image, picture, boxes, points):
    segmenter = member.segmenter(member.model, prompt_batch=3)
    (encoded,) = segmenter.encode([image])
    masks = segmenter.decode(encoded, BOXES if boxes else None, POINTS if points else None)
    assert masks.mask.shape == (4, 60, 80)
    predictor = sam2_sizes(member.predictor(member.model))
    predictor.set_image(picture)
    for i in range(4):
        found, iou, _ = predictor.predict(
            box=BOXES[i].numpy() if boxes else None,
            point_coords=POINTS[i : i + 1].numpy() if points else None,
            point_labels=np.ones(1) if points else None,
        )
        best = iou.argmax()
        assert (masks.mask[i].numpy() == (found[best] > 0)).mean() > 0.999
        assert masks.iou[i] == pytest.approx(min(max(float(iou[best]), 0), 1), abs=1e-5)


def test_prompts_matter_and_images_in_a_batch_do_not(member, image):
    segmenter = member.segmenter(member.model)
    other = image.flip(2)[:, :50]
    first, second = segmenter.encode([image, other])
    alone = segmenter.encode([other])[0]
    for one, two in zip(second.features, alone.features, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
    assert second.image_size == (50, 80)
    logits, _ = segmenter.candidates(first, BOXES, None)
    assert (logits[0] - logits[1]).abs().max() > 1e-3
    moved, _ = segmenter.candidates(first, BOXES, POINTS)
    assert (logits - moved).abs().max() > 1e-4


def proposals(box: torch.Tensor, by_point: list[int] | None = None) -> Proposals:
    place = torch.zeros(len(box), dtype=torch.int64)
    alone = torch.zeros(len(box), dtype=torch.bool)
    alone[by_point or []] = True
    return Proposals(place, box, POINTS[: len(box)], place, alone)


def test_proposals_by_point_are_prompted_with_their_points_alone(member, image):
    segmenter = member.segmenter(member.model)
    (encoded,) = segmenter.encode([image])
    (masks,) = segmenter([image], [proposals(BOXES, [0, 2])], [(60, 80)])
    by_box, by_point = segmenter.decode(encoded, BOXES), segmenter.decode(encoded, None, POINTS)
    for place, expected in enumerate([by_point, by_box, by_point, by_box]):
        assert (masks.mask[place] == expected.mask[place]).float().mean() > 0.999
        torch.testing.assert_close(masks.iou[place], expected.iou[place], rtol=1e-3, atol=1e-4)


def test_a_second_round_prompts_with_the_boxes_of_the_first_masks(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    given, decode = [], segmenter.decode
    monkeypatch.setattr(
        segmenter, "decode", lambda *prompts: given.append(prompts[1]) or decode(*prompts)
    )
    size = (120, 160)  # twice the image's
    (masks,) = segmenter([image], [proposals(BOXES)], [size], Prompting(rounds=2))
    first = decode(segmenter.encode([image])[0], BOXES, None, size)
    assert len(given) == 2
    torch.testing.assert_close(given[1], mask_boxes(first.mask) / 2)
    assert masks.mask.shape == (4, *size)


def test_boxes_much_alike_are_one_prompt(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    near = BOXES.clone()
    near[1] = BOXES[0] + torch.tensor([0.0, 0.0, 1.0, 0.0])
    given, decode = [], segmenter.decode
    monkeypatch.setattr(
        segmenter, "decode", lambda *prompts: given.append(prompts[1]) or decode(*prompts)
    )
    (masks,) = segmenter([image], [proposals(near)], [(60, 80)], Prompting(same_box=0.9))
    assert torch.equal(given[0][1], BOXES[0])
    assert torch.equal(given[0][[0, 2, 3]], near[[0, 2, 3]])
    assert torch.equal(masks.mask[0], masks.mask[1])


def test_uniting_boxes_takes_the_first_that_is_near_enough():
    box = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8], [5, 5, 5, 5], [0, 0, 10, 10]])
    found = united(box.float(), 0.9)
    assert found.tolist() == box[[0, 0, 2, 3, 0]].tolist()
    assert united(box, 1.0) is box


def test_images_without_prompts_are_not_encoded(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    encoded, encode = [], segmenter.encode
    monkeypatch.setattr(segmenter, "encode", lambda x: encoded.append(len(x)) or encode(x))
    sizes = [(60, 80), (7, 9), (30, 40)]
    several = [proposals(BOXES), proposals(BOXES[:0]), proposals(BOXES[:2])]
    masks = segmenter([image] * 3, several, sizes)
    assert encoded == [2]
    assert [tuple(each.mask.shape) for each in masks] == [(4, 60, 80), (0, 7, 9), (2, 30, 40)]
    (alone,) = segmenter([image], [proposals(BOXES)], [(60, 80)], Prompting(use_points=True))
    expected = segmenter.decode(segmenter.encode([image])[0], BOXES, POINTS)
    assert torch.equal(alone.mask, expected.mask)
    assert not torch.equal(alone.iou, masks[0].iou)


def test_masks_of_another_size_are_enlarged_a_few_at_a_time(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    (encoded,) = segmenter.encode([image])
    at_once = segmenter.decode(encoded, BOXES, size=(300, 400))
    sizes, enlarge = [], segmenter.enlarge
    monkeypatch.setattr(
        segmenter, "enlarge", lambda x, *rest: sizes.append(len(x)) or enlarge(x, *rest)
    )
    monkeypatch.setattr(contract, "PIXELS_AT_ONCE", 3 * 300 * 400)
    in_parts = segmenter.decode(encoded, BOXES, size=(300, 400))
    assert sizes == [3, 1]
    assert torch.equal(at_once.mask, in_parts.mask)


def test_less_memory_makes_smaller_chunks(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    (encoded,) = segmenter.encode([image])
    expected = segmenter.decode(encoded, BOXES)
    sizes, candidates = [], segmenter.candidates
    monkeypatch.setattr(
        segmenter, "candidates", lambda e, b, p: sizes.append(len(b)) or candidates(e, b, p)
    )
    monkeypatch.setattr(contract, "free_memory", lambda _: 6 * contract.PROMPT_BYTES)
    in_chunks = segmenter.decode(encoded, BOXES)
    assert sizes == [3, 1]
    assert (in_chunks.mask == expected.mask).float().mean() > 0.999
    monkeypatch.setattr(contract, "free_memory", lambda _: 0)
    segmenter.decode(encoded, BOXES)
    assert sizes[2:] == [1, 1, 1, 1]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 2)])
def test_nothing_is_too_thin(member, size):
    segmenter = member.segmenter(member.model)
    (encoded,) = segmenter.encode([torch.full((3, *size), 90, dtype=torch.uint8)])
    whole = torch.tensor([[0.0, 0, size[1], size[0]]])
    masks = segmenter.decode(encoded, whole, whole[:, 2:] / 2)
    assert masks.mask.shape == (1, *size)
    assert masks.iou.isfinite().all()


def test_autocast_leaves_prompts_and_decoder_in_full_precision(member, image):
    segmenter = member.segmenter(member.model)
    with torch.autocast("cpu"):
        (encoded,) = segmenter.encode([image])
        reduced = segmenter.decode(encoded, BOXES, POINTS)
    full = segmenter.decode(encoded, BOXES, POINTS)
    assert not torch.equal(encoded.features[0], segmenter.encode([image])[0].features[0])
    assert torch.equal(reduced.mask, full.mask)
    assert torch.equal(reduced.iou, full.iou)


def test_no_images_no_prompts_and_prompts_that_do_not_fit(member, image):
    segmenter = member.segmenter(member.model)
    assert segmenter.encode([]) == []
    (encoded,) = segmenter.encode([image])
    none = segmenter.decode(encoded, BOXES[:0])
    assert none.mask.shape == (0, 60, 80)
    for prompts in ((None, None), (BOXES, POINTS[:2])):
        with pytest.raises(ValueError, match="as many of both"):
            segmenter.decode(encoded, *prompts)


def test_the_packages_generator_segments_everything(member, picture):
    segmenter = member.segmenter(member.model)
    generate = segmenter.mask_generator(
        points_per_side=3, points_per_batch=5, pred_iou_thresh=-9.0, stability_score_thresh=-9.0
    )
    sam2_sizes(generate.__self__.predictor)
    found = generate(picture)
    assert found
    for each in found:
        assert each["segmentation"].shape == (60, 80)
        assert "predicted_iou" in each


@pytest.mark.parametrize("name", [name for name, _ in SEGMENTER_REGISTRY])
def test_unknown_types_and_missing_packages_are_named(name, monkeypatch):
    kind = SEGMENTER_REGISTRY.get(name)
    with pytest.raises(
        ConfigError, match=rf"SEGMENTER\.TYPE: 'vit_q' is not one of: {kind.types()[0][:5]}"
    ):
        build_segmenter(name, "vit_q", "random", KEY)
    monkeypatch.setattr(kind, "package", ("no_such_module", "pip install this"))
    with pytest.raises(ConfigError, match=rf"SEGMENTER\.NAME: {name} needs .*pip install this"):
        build_segmenter(name, kind.types()[0], "random", KEY)


def test_unknown_names_list_those_there_are():
    with pytest.raises(ConfigError, match=r"NAME: 'SAM9' is not one of: HQSAM, MobileSAM, SAM2, S"):
        build_segmenter("SAM9", "vit_b", "random", KEY)


def test_a_cpu_decodes_what_fits_its_cache(member, image, monkeypatch):
    segmenter = member.segmenter(member.model)
    (encoded,) = segmenter.encode([image])
    tokens = encoded.features[0].shape[-2:].numel()
    sizes, candidates = [], segmenter.candidates
    monkeypatch.setattr(
        segmenter, "candidates", lambda e, b, p: sizes.append(len(b)) or candidates(e, b, p)
    )
    monkeypatch.setattr(contract, "CACHED_TOKENS", 3 * tokens)
    segmenter.decode(encoded, BOXES)
    assert sizes == [3, 1]
