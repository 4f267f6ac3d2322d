import numpy as np
import pytest
import torch
import torch.nn.functional as F

from zipseg.modeling.networks.clip_dense import ClipDense
from zipseg.zipworld.pretraining.clip_training import ClipRecipe, ClipTask, Regions, View
from zipseg.zipworld.pretraining.precision import Precision
from zipseg.zipworld.pretraining.scenes import SceneBank
from zipseg.zipworld.pretraining.towers import encode_windows

SCENES = range(16_100_010, 16_100_013)


def test_a_window_is_the_mean_of_its_pixels_tokens(vit_clip):
    visual = vit_clip.visual.eval()
    scenes = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    place = torch.tensor(
        [[[0, 0, 48], [8, 16, 24], [3, 21, 5]], [[31, 30, 17], [7, 9, 2], [1] * 3]]
    )
    patch = visual.patch_size[0]
    with torch.no_grad():
        found = encode_windows(visual, scenes, place, 1)
        tokens = ClipDense(visual, surgery_blocks=1)(scenes)
    for row, scene in enumerate(found.unflatten(0, (2, 3))):
        unit = F.normalize(tokens.patch[row], dim=-1).unflatten(0, tokens.grid)
        pixels = unit.repeat_interleave(patch, 0).repeat_interleave(patch, 1)
        for embedding, (top, left, side) in zip(scene, place[row].tolist(), strict=True):
            mean = pixels[top : top + side, left : left + side].mean((0, 1))
            torch.testing.assert_close(embedding, mean)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    bank = SceneBank(tmp_path_factory.mktemp("scenes"), SCENES)
    bank.ensure(np.arange(len(SCENES)))
    return bank


def test_steps_of_regions_reach_the_tower_after_the_first_lesson(bank):
    view = View(1.0, 64, (60, 90))
    plain = ClipRecipe(6, 2, 0.5, (view,))
    recipe = plain._replace(regions=Regions(1.0, 2, 1, (32, 96)))
    task, same, other = (ClipTask("vit", bank, bank, 3, r) for r in (recipe, recipe, plain))
    precision = Precision()
    assert task.loss(5, 0.2, precision).item() == other.loss(5, 0.2, precision).item()
    loss = task.loss(5, 0.9, precision)
    assert loss.item() == same.loss(5, 0.9, precision).item()
    assert loss.item() != other.loss(5, 0.9, precision).item()
    loss.backward()
    patches = task.model.visual.conv1.weight.grad
    assert patches is not None
    assert patches.abs().sum() > 0


def test_pictures_of_regions_are_the_windows_of_the_scenes_shown(bank):
    recipe = ClipRecipe(6, 2, 0.0, (), recoloured=0.5, regions=Regions(1.0, 2, 1, (32, 96)))
    task = ClipTask("vit", bank, bank, 3, recipe)
    batch = task._regions(5, np.random.default_rng(0), Precision())
    assert batch.images.shape == (6, 3, 64, 64)
    assert batch.seen.scenes.shape == (2, 3, 256, 256)
    assert batch.coloured == 3  # the windows of one scene of two
    for row, image in enumerate(batch.images):
        top, left, side = batch.seen.place.flatten(0, 1)[row].tolist()
        shown = batch.seen.scenes[row // 3, :, top : top + side, left : left + side]
        mean = F.interpolate(shown[None], (4, 4), mode="area")
        torch.testing.assert_close(F.adaptive_avg_pool2d(image[None], 4), mean, atol=0.3, rtol=0)
