import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zipseg.modeling.networks.clip_classifier import input_size
from zipseg.zipworld.pretraining.clip_training import ClipRecipe, ClipTask, Phase
from zipseg.zipworld.pretraining.monitors import (
    average_precision,
    boundary_auc,
    sam_metrics,
    surgery_iou,
)
from zipseg.zipworld.pretraining.scenes import SceneBank
from zipseg.zipworld.pretraining.towers import encode_anywhere, hide_patches


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    bank = SceneBank(tmp_path_factory.mktemp("scenes"), range(6_100_000, 6_100_003))
    bank.ensure(np.arange(3))
    return bank


def slow_average_precision(score: list[float], true: list[bool]) -> float:
    ranked = [t for _, t in sorted(zip(score, true, strict=True), key=lambda pair: -pair[0])]
    precisions = [sum(ranked[: i + 1]) / (i + 1) for i, hit in enumerate(ranked) if hit]
    return sum(precisions) / len(precisions)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30))
def test_average_precision_is_the_textbooks(seed, length):
    generator = torch.Generator().manual_seed(seed)
    score = torch.rand(length, 3, generator=generator)
    true = torch.rand(length, 3, generator=generator) < 0.3
    true[0] = True
    found = average_precision(score, true)
    for column in range(3):
        expected = slow_average_precision(score[:, column].tolist(), true[:, column].tolist())
        assert found[column].item() == pytest.approx(expected, rel=1e-5)


def test_boundary_auc_of_perfect_features_is_one(scenes):
    class Oracle(torch.nn.Module):
        """Features that are the object's number, one-hot, at stride 16 of 768 px."""

        def __init__(self):
            super().__init__()
            self.stem = self.layer1 = self.layer2 = torch.nn.Identity()
            self.turn = 0

        def layer3(self, image):
            owner = torch.from_numpy(scenes.owner[self.turn]).float()[None, None]
            self.turn += 1
            owner = torch.nn.functional.interpolate(owner, (48, 48), mode="nearest-exact")
            return torch.nn.functional.one_hot(owner[0, 0].long() + 1).movedim(-1, 0)[None].float()

    assert boundary_auc(Oracle(), scenes) == 1


def test_an_untrained_vit_localises_badly_but_validly(vit_clip, scenes):
    text = torch.randn(36, 24, generator=torch.Generator().manual_seed(0))
    assert 0 < surgery_iou(vit_clip.visual, text, scenes) < 0.6


def test_sam_metrics_of_an_untrained_sam(tiny_sam, scenes):
    metrics = sam_metrics(tiny_sam, scenes)
    assert set(metrics) == {
        "box_iou", "point_iou", "box_oracle_iou", "point_oracle_iou", "iou_error"
    }  # fmt: skip
    assert metrics["box_iou"] <= metrics["box_oracle_iou"] < 0.6


def test_few_objects_come_first(scenes):
    phases = (Phase(0.5, 32, most_objects=4), Phase(1, 32))
    task = ClipTask("vit", {"pretrain": scenes}, scenes, 0, ClipRecipe(2, 1, phases))
    few = (scenes.category >= 0).sum(1) <= 4
    assert 0 < few.sum() < 3
    assert [pool.tolist() for pool in task._pools] == [np.flatnonzero(few).tolist(), [0, 1, 2]]


@pytest.mark.parametrize(("part", "size"), [("vit", 16), ("resnet", 64)])
def test_clip_task_is_deterministic_and_learns_from_all_sizes(part, size, scenes):
    recipe = ClipRecipe(2, 1, (Phase(0.5, size), Phase(1, 2 * size)))
    task, same = (ClipTask(part, {"pretrain": scenes}, scenes, 3, recipe) for _ in range(2))
    assert task.loss(5, 0.0).item() == same.loss(5, 0.0).item()
    task.loss(5, 0.9).backward()
    assert all(p.grad is not None for p in task.model.parameters())


def test_hidden_patches_are_left_out_of_training_alone(vit_clip):
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = vit_clip.eval().encode_image(images)
    hide_patches(vit_clip.visual, 0.5)
    torch.testing.assert_close(vit_clip.encode_image(images), whole)
    tokens = vit_clip.train().visual.patch_dropout(torch.randn(2, 1 + 16, 8))
    assert tokens.shape == (2, 1 + 8, 8)
    vit_clip.eval()


def test_a_small_picture_takes_a_random_part_of_a_vits_positions(vit_clip):
    visual = vit_clip.visual.eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    own = input_size(visual)
    side, part = own // visual.patch_size[0], 16 // visual.patch_size[0]
    whole = torch.zeros(2, 3, own, own)
    torch.testing.assert_close(
        encode_anywhere(visual, whole, np.random.default_rng(0)), visual(whole)
    )
    places = {}
    for seed in range(20):
        top, left = np.random.default_rng(seed).integers(0, side - part + 1, 2)
        places[top, left] = encode_anywhere(visual, images, np.random.default_rng(seed))
    assert len(places) > 1
    for (top, left), encoded in places.items():
        grid = visual.positional_embedding[1:].reshape(side, side, -1)
        window = grid[top : top + part, left : left + part].flatten(0, 1)
        tokens = visual.conv1(images).flatten(2).transpose(1, 2) + window
        first = (visual.class_embedding + visual.positional_embedding[0]).expand(2, 1, -1)
        tokens = visual.transformer(visual.ln_pre(torch.cat([first, tokens], 1)))
        expected = visual.ln_post(tokens)[:, 0] @ visual.proj
        torch.testing.assert_close(encoded, expected, atol=1e-5, rtol=1e-4)
