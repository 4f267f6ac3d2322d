import numpy as np
import torch

from zipseg.zipworld.pretraining.precision import Precision
from zipseg.zipworld.pretraining.prompts import draw_prompts, object_boxes
from zipseg.zipworld.pretraining.sam_training import decode


def owners() -> np.ndarray:
    owner = np.full((64, 64), -1, np.int8)
    owner[4:20, 10:30] = 0
    owner[15:40, 28:50] = 1
    owner[60:, 60:] = 2
    return owner


def test_boxes_enclose_the_objects_exactly():
    assert object_boxes(owners(), 4).tolist() == [
        [10, 4, 30, 20],
        [28, 15, 50, 40],
        [60, 60, 64, 64],
        [0, 0, 0, 0],
    ]


def test_prompts_mean_what_they_say():
    owner, boxes = owners(), object_boxes(owners(), 3)
    kinds = set()
    for seed in range(30):
        for prompts in draw_prompts(owner, 3, np.random.default_rng(seed)):
            kinds.add((prompts.box is not None, prompts.point is not None))
            for n, target in enumerate(prompts.target.tolist()):
                if prompts.point is not None:
                    x, y = prompts.point[n, 0].long().tolist()
                    assert owner[y, x] == target
                if prompts.box is not None and target >= 0:
                    sides = np.tile(boxes[target, 2:] - boxes[target, :2], 2)
                    off = np.abs(prompts.box[n].numpy() - boxes[target]) / sides
                    assert (off < 0.06 * 5).all()
                    assert prompts.box[n].min() >= 0
                    assert prompts.box[n].max() <= 64
    assert kinds == {(True, False), (False, True), (True, True)}


def test_every_object_is_prompted_before_one_is_prompted_twice():
    for seed in range(10):
        prompts = draw_prompts(owners(), 2, np.random.default_rng(seed))
        targets = torch.cat([p.target for p in prompts])
        assert set(targets[targets >= 0].tolist()) == {0, 1, 2}


def test_a_scene_full_of_objects_still_has_prompts():
    prompts = draw_prompts(np.zeros((64, 64), np.int8), 2, np.random.default_rng(3))
    assert sum(len(p.target) for p in prompts) in (4, 6)


def test_decode_agrees_with_the_predictors_way(tiny_sam):
    prompts = draw_prompts(owners(), 2, np.random.default_rng(0))
    assert len(prompts) == 2
    feature = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    logits, iou = decode(tiny_sam, feature, prompts, Precision())
    assert logits.shape == (6, 4, 32, 32)
    point = (prompts[1].point, torch.ones(3, 1))
    sparse, dense = tiny_sam.prompt_encoder(points=point, boxes=None, masks=None)
    masks, scores = tiny_sam.mask_decoder(
        feature, tiny_sam.prompt_encoder.get_dense_pe(), sparse, dense, multimask_output=True
    )
    torch.testing.assert_close(logits[3:, 1:], masks)
    torch.testing.assert_close(iou[3:, 1:], scores)


def test_a_window_is_decoded_at_its_own_place_in_the_whole(tiny_sam):
    """A prompt in a window means the pixel of the whole input that it means there."""
    prompts = draw_prompts(owners()[:32, :32], 2, np.random.default_rng(1))
    feature = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    logits, iou = decode(tiny_sam, feature, prompts, Precision(), corner=(16, 8))
    point = (prompts[1].point + torch.tensor([8, 16]), torch.ones(3, 1))
    sparse, dense = tiny_sam.prompt_encoder(points=point, boxes=None, masks=None)
    positions = tiny_sam.prompt_encoder.get_dense_pe()[..., 2:6, 1:5]
    masks, scores = tiny_sam.mask_decoder(
        feature, positions, sparse, dense[..., :4, :4], multimask_output=True
    )
    torch.testing.assert_close(logits[3:, 1:], masks)
    torch.testing.assert_close(iou[3:, 1:], scores)
