"""Weights and weighted losses against plain loops and against Detectron2's own losses."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import ShapeSpec
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.roi_heads.mask_head import mask_rcnn_loss
from detectron2.structures import BitMasks, Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage
from hypothesis import given
from hypothesis import strategies as st

from zipseg.modeling.detectors.box_losses import WeightedOutputLayers
from zipseg.modeling.detectors.mask_head import weighted_mask_loss
from zipseg.modeling.detectors.targets import LossRules, loss_weights, split_ignored

CLASSES = 3


def boxes(generator: torch.Generator, count: int) -> Boxes:
    corner = 40 * torch.rand((count, 2), generator=generator)
    side = 4 + 20 * torch.rand((count, 2), generator=generator)
    return Boxes(torch.cat([corner, corner + side], dim=1))


def scene(seed: int, proposals: int, labels: int) -> tuple[Instances, Instances]:
    """Proposals matched to labels at random, and the labels."""
    generator = torch.Generator().manual_seed(seed)
    targets = Instances((64, 64), gt_boxes=boxes(generator, labels))
    targets.gt_scores = torch.rand(labels, generator=generator)
    found = Instances((64, 64), proposal_boxes=boxes(generator, proposals))
    found.gt_classes = torch.randint(0, CLASSES + 1, (proposals,), generator=generator)
    found.gt_boxes = boxes(generator, proposals)
    found.loss_weights = torch.rand(proposals, generator=generator)
    masks = torch.rand((proposals, 64, 64), generator=generator) > 0.5
    found.gt_masks = BitMasks(masks)
    return found, targets


@given(st.integers(0, 99), st.integers(0, 6), st.integers(0, 4), st.booleans(), st.booleans())
def test_weights_follow_their_definition(seed, proposals, labels, drop, by_score):
    found, targets = scene(seed, proposals, labels)
    rules = LossRules(0.01 if drop else None, by_score)
    weights = loss_weights(found, targets, rules, CLASSES)
    overlap = pairwise_iou(targets.gt_boxes, found.proposal_boxes)
    for i in range(proposals):
        best = float(overlap[:, i].max()) if labels else 0.0
        expected = 1.0
        if by_score and labels and found.gt_classes[i] < CLASSES:
            expected = float(targets.gt_scores[overlap[:, i].argmax()])
        if drop and best <= 0.01:
            expected = 0.0
        assert float(weights[i]) == pytest.approx(expected)


def layers(kind, agnostic=False, loss="smooth_l1"):
    return kind(
        ShapeSpec(channels=5),
        box2box_transform=Box2BoxTransform((10.0, 10.0, 5.0, 5.0)),
        num_classes=CLASSES,
        cls_agnostic_bbox_reg=agnostic,
        smooth_l1_beta=0.5,
        box_reg_loss_type=loss,
        loss_weight={"loss_box_reg": 2.0},
    )


@pytest.mark.parametrize("loss", ["smooth_l1", "giou"])
@pytest.mark.parametrize("agnostic", [False, True])
def test_box_losses_with_equal_weights_are_detectron2s(agnostic, loss):
    plain = layers(FastRCNNOutputLayers, agnostic, loss)
    weighted = layers(WeightedOutputLayers, agnostic, loss)
    weighted.load_state_dict(plain.state_dict())
    proposals = [scene(seed, 6, 2)[0] for seed in range(3)]
    predictions = plain(torch.randn(18, 5))
    with EventStorage():
        expected = plain.losses(predictions, proposals)
        for weight in (1.0, 0.25, 0.0):
            for each in proposals:
                each.loss_weights = torch.full((6,), weight)
            losses = weighted.losses(predictions, proposals)
            for name, value in expected.items():
                assert losses[name].item() == pytest.approx(weight * value.item(), rel=1e-5)


def test_each_proposal_counts_by_its_weight():
    weighted = layers(WeightedOutputLayers)
    proposals = [scene(seed, 6, 2)[0] for seed in range(2)]
    predictions = weighted(torch.randn(12, 5))
    weights = torch.cat([each.loss_weights for each in proposals])
    classes = torch.cat([each.gt_classes for each in proposals])
    with EventStorage():
        losses = weighted.losses(predictions, proposals)
        each = F.cross_entropy(predictions[0], classes, reduction="none")
        assert losses["loss_cls"].item() == pytest.approx(((each * weights).sum() / 12).item())
        parts = []
        for i in range(12):
            single = proposals[i // 6][i % 6 : i % 6 + 1]
            single.loss_weights = torch.ones(1)
            one = weighted.losses((predictions[0][i : i + 1], predictions[1][i : i + 1]), [single])
            parts.append(one["loss_box_reg"].item() * weights[i].item() / 12)
    assert losses["loss_box_reg"].item() == pytest.approx(sum(parts), rel=1e-4)


@pytest.mark.parametrize("channels", [1, CLASSES])
def test_mask_loss_is_a_weighted_mean(channels):
    found = [scene(seed, 5, 2)[0] for seed in range(2)]
    found = [each[each.gt_classes < CLASSES] for each in found]
    count = sum(map(len, found))
    logits = torch.randn(count, channels, 7, 7)
    weights = torch.cat([each.loss_weights for each in found])
    parts = []
    with EventStorage():
        start = 0
        for each in found:
            for i in range(len(each)):
                own = mask_rcnn_loss(logits[start + i : start + i + 1], [each[i : i + 1]])
                parts.append(own.item() * weights[start + i].item())
            start += len(each)
    loss = weighted_mask_loss(logits, found)
    assert loss.item() == pytest.approx(sum(parts) / count, rel=1e-5)


def test_no_matched_proposal_is_no_mask_loss():
    logits = torch.zeros((0, 1, 7, 7), requires_grad=True)
    loss = weighted_mask_loss(logits, [scene(0, 3, 1)[0][:0]])
    loss.backward()
    assert loss.item() == 0


def test_ignored_labels_are_split_off():
    target = scene(1, 4, 3)[1]
    assert split_ignored([target]) == ([target], None)
    target.gt_ignore = torch.tensor([False, True, False])
    (kept,), (ignored,) = split_ignored([target])
    assert len(kept) == 2
    assert not kept.has("gt_ignore")
    assert torch.equal(ignored.gt_boxes.tensor, target.gt_boxes.tensor[1:2])
