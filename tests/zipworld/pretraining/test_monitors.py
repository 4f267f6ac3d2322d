import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zipseg.modeling.networks.clip_classifier import input_size
from zipseg.zipworld.networks.architectures import build_clip
from zipseg.zipworld.pretraining.captions import Vocabulary
from zipseg.zipworld.pretraining.clip_training import ClipRecipe, ClipTask, View
from zipseg.zipworld.pretraining.monitors import (
    average_precision,
    boundary_auc,
    sam_metrics,
    surgery_iou,
)
from zipseg.zipworld.pretraining.precision import PRECISIONS, Precision
from zipseg.zipworld.pretraining.scenes import SceneBank
from zipseg.zipworld.pretraining.towers import encode_anywhere, hide_patches

RECIPE = ClipRecipe(2, 1, 0.5, (View(1.0, 64, (60, 90)),))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    bank = SceneBank(tmp_path_factory.mktemp("scenes"), range(16_100_000, 16_100_003))
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


@pytest.mark.parametrize(("part", "size"), [("vit", 16), ("resnet", 64)])
@pytest.mark.parametrize("precision", PRECISIONS.values(), ids=PRECISIONS)
def test_clip_task_is_deterministic_and_learns_from_all_sizes(part, size, precision, scenes):
    recipe = ClipRecipe(2, 1, 0.5, (View(0.5, size, (60, 90)), View(0.5, 2 * size, (256, 256), 2)))
    task, same = (ClipTask(part, scenes, scenes, 3, recipe) for _ in range(2))
    assert task.loss(5, 0.0, precision).item() == same.loss(5, 0.0, precision).item()
    views = {task._view(0.9, np.random.default_rng(step)) for step in range(20)}
    assert views == set(recipe.views)
    assert task._view(0.2, np.random.default_rng(0)) == recipe.views[0]
    task.loss(5, 0.9, precision).backward()
    assert all(p.grad is not None for p in task.model.parameters())


def test_a_vit_learns_with_the_teachers_text_as_it_is(scenes):
    resnet = "zipworld-rn"
    ids = Vocabulary(ClipTask("vit", scenes, scenes, 0, RECIPE).vocabulary._tokenizer).ids
    teacher = build_clip(resnet, len(ids))
    tasks = [
        ClipTask("vit", scenes, scenes, 3, RECIPE._replace(distilled=weight), teacher)
        for weight in (0.0, 10.0)
    ]
    losses = [task.loss(5, 0.0, Precision()) for task in tasks]
    assert 0 < (losses[1] - losses[0]).item() <= 20  # 10 x (1 - cosine)
    losses[1].backward()
    for name, parameter in tasks[1].model.named_parameters():
        learns = name.startswith(("visual.", "logit_"))
        assert (parameter.grad is not None) == learns, name
        if not learns:
            assert torch.equal(parameter, teacher.get_parameter(name))
    assert all(parameter.grad is None for parameter in teacher.parameters())


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
