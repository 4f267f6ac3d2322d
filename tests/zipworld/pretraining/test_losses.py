"""The losses against loops that follow the papers' formulas literally."""

import math

import pytest
import torch

from zipseg.zipworld.pretraining.losses import (
    best_candidate_loss,
    mask_iou,
    mask_losses,
    outline_weight,
    sigmoid_contrastive_loss,
    spread_loss,
)


def slow_sigmoid_loss(logits, true):
    total = 0.0
    for row, truths in zip(logits.tolist(), true.tolist(), strict=True):
        for logit, truth in zip(row, truths, strict=True):
            z = 1 if truth else -1
            total -= math.log(1 / (1 + math.exp(-z * logit)))
    return total / len(logits)


def slow_mask_loss(logits, target):
    """20 x focal (gamma 2) + dice of one candidate, pixel by pixel."""
    focal = intersection = total = 0.0
    for x, t in zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-x))
        focal -= abs(t - p) ** 2 * (t * math.log(p) + (1 - t) * math.log(1 - p))
        intersection += p * t
        total += p + t
    return 20 * focal / logits.numel() + 1 - (2 * intersection + 1) / (total + 1)


def test_sigmoid_loss_is_the_papers():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)) * 3
    true = logits.roll(1) > 0.5
    assert sigmoid_contrastive_loss(logits, true).item() == pytest.approx(
        slow_sigmoid_loss(logits, true), rel=1e-5
    )


def test_mask_loss_is_focal_and_dice():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 4, 5, 6, generator=generator) * 2
    target = torch.rand(3, 5, 6, generator=generator)
    target[0] = (target[0] > 0.5).float()
    predicted = torch.rand(3, 4, generator=generator)
    losses = mask_losses(logits, target, predicted)
    for n in range(3):
        for m in range(4):
            expected = slow_mask_loss(logits[n, m], target[n])
            assert losses.mask[n, m].item() == pytest.approx(expected, rel=1e-4)
            inside, object_ = logits[n, m] > 0, target[n] >= 0.5
            iou = (inside & object_).sum() / (inside | object_).sum()
            assert losses.iou[n, m].item() == pytest.approx(((predicted[n, m] - iou) ** 2).item())


def test_the_rim_weighs_more_by_its_share():
    target = torch.zeros(2, 12, 12)
    target[:, 4:9, 3:10] = 1
    target[1] = 1  # nothing but object: no outline
    weight = outline_weight(target, 3.0, 3)
    assert weight.mean((1, 2)).tolist() == pytest.approx([1, 1])
    near = torch.zeros(12, 12, dtype=torch.bool)
    near[3:10, 2:11] = True
    near[5:8, 4:9] = False
    assert weight[0][near].unique().numel() == weight[0][~near].unique().numel() == 1
    assert (weight[0][near][0] / weight[0][~near][0]).item() == pytest.approx(3)
    logits = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    iou = torch.zeros(2, 1)
    plain, even = (mask_losses(logits, target, iou, w).mask for w in (None, torch.ones(2, 12, 12)))
    torch.testing.assert_close(plain, even)
    wrong = logits[:1] - 4 * (near & (target[0] > 0))  # the object's own rim is missed
    heavy = mask_losses(wrong, target[:1], iou[:1], weight[:1]).mask
    assert heavy > mask_losses(wrong, target[:1], iou[:1]).mask


def test_only_the_single_mask_and_the_best_candidate_learn_the_mask():
    logits = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    target = torch.zeros(1, 6, 6)
    target[:, 2:4, 1:5] = 1
    logits[:, 2] += 8 * target - 4  # clearly the best
    logits.requires_grad_()
    iou = torch.full((1, 4), 0.5, requires_grad=True)
    best_candidate_loss(mask_losses(logits, target, iou)).backward()
    moved = logits.grad.abs().sum((0, 2, 3)) > 0
    assert moved.tolist() == [True, False, True, False]
    assert (iou.grad != 0).all()


def test_mask_iou_of_two_empty_masks_is_zero():
    empty = torch.zeros(2, 3, 3, dtype=torch.bool)
    assert mask_iou(empty, empty).tolist() == [0, 0]


def test_spread_loss_is_the_mean_squared_excess_over_pairs():
    text = torch.nn.functional.normalize(
        torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    )
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    excess = [max(0.0, (text[i] @ text[j]).item() - 0.5) ** 2 for i, j in pairs]
    assert max(excess) > 0
    assert spread_loss(text).item() == pytest.approx(sum(excess) / len(pairs), rel=1e-4)


def test_spread_loss_leaves_captions_that_differ_alone():
    assert spread_loss(torch.eye(4)).item() == 0
