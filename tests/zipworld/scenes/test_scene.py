import hashlib

import numpy as np
import pytest
from scipy import ndimage

from zipseg.zipworld.scenes import CATEGORY_NAMES, SPLITS, UNSEEN_NAMES, render_scene, scene_for

# Of picture, masks and categories. Never to change: the embedded weights were trained on these.
CHECKSUMS = {
    11_000_000: "da28dbd2214d92a6",
    11_000_001: "087b6b2d837a918f",
    11_054_321: "d275427be1a2d6bc",
    12_000_007: "c07d9ca305f1e1b9",
    13_000_000: "8a942cdc4e547120",
    13_001_999: "55f101c179c1c4fc",
    14_000_000: "a357f4ec35f62381",
    14_000_123: "e6e0106cd2b3f5dc",
    15_000_000: "4c14959b4134f1b4",
    15_000_039: "16d0bddffcbb366c",
}


def checksum(seed: int) -> str:
    digest = hashlib.sha256()
    for array in render_scene(seed):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="module")
def scenes():
    return [scene_for("zipworld_train", index) for index in range(100)]


@pytest.mark.parametrize("seed", CHECKSUMS)
def test_scene_has_the_same_bytes_everywhere(seed):
    assert checksum(seed) == CHECKSUMS[seed]


def test_scene_has_the_documented_types(scenes):
    for scene in scenes:
        assert scene.image.shape == (256, 256, 3)
        assert scene.image.dtype == np.uint8
        assert scene.image.flags.c_contiguous
        assert scene.masks.shape == (len(scene.categories), 256, 256)
        assert scene.masks.dtype == bool
        assert scene.categories.dtype == np.int64
        assert 1 <= len(scene.categories) <= 15
        assert 1 <= len(set(scene.categories.tolist())) <= 4


def test_visible_parts_are_disjoint_and_large_enough(scenes):
    for scene in scenes:
        assert scene.masks.sum(0).max() == 1
        assert scene.masks.sum((1, 2)).min() >= 250


def test_most_scenes_have_touching_objects_of_one_name(scenes):
    def touching(scene):
        for category in set(scene.categories.tolist()):
            masks = scene.masks[scene.categories == category]
            grown = [ndimage.binary_dilation(mask) for mask in masks]
            if sum(map(np.sum, grown)) > 0 and any(
                (grown[i] & masks[j]).any() for i in range(len(masks)) for j in range(i)
            ):
                return True
        return False

    assert np.mean([touching(scene) for scene in scenes]) > 0.8


def test_objects_are_small_and_large(scenes):
    sides = [
        max(np.ptp(np.nonzero(mask.any(axis))[0]) + 1 for axis in (0, 1))
        for scene in scenes
        for mask in scene.masks
    ]
    assert min(sides) < 36
    assert max(sides) > 120


@pytest.mark.parametrize("split", ["zipworld_pretrain", "zipworld_pretrain_val"])
def test_pretraining_never_shows_an_unseen_name(split):
    unseen = [CATEGORY_NAMES.index(name) for name in UNSEEN_NAMES]
    for index in range(0, len(SPLITS[split]), len(SPLITS[split]) // 100):
        assert not np.isin(scene_for(split, index).categories, unseen).any()


def test_evaluation_shows_every_name(scenes):
    more = [scene_for("zipworld_train", index) for index in range(100, 200)]
    shown = np.unique(np.concatenate([scene.categories for scene in scenes + more]))
    assert len(shown) == len(CATEGORY_NAMES)


def test_inner_edges_are_stronger_than_borders_between_neighbours(scenes):
    """Contrast between pixels side by side: within an object, and across two of one name."""
    inner, border = [], []
    for scene in scenes:
        owner = np.where(scene.masks.any(0), scene.masks.argmax(0), -1)
        kind = np.where(owner >= 0, scene.categories[owner], -1)
        contrast = np.abs(np.diff(scene.image.astype(int), axis=1)).sum(2)
        same = (kind[:, 1:] == kind[:, :-1]) & (kind[:, 1:] >= 0)
        inside = owner[:, 1:] == owner[:, :-1]
        inner.append(contrast[same & inside])
        border.append(contrast[same & ~inside])
    inner, border = np.concatenate(inner), np.concatenate(border)
    strong = np.median(border)
    assert (inner > strong).sum() > 3 * (border > strong).sum()


def test_scene_for_refuses_what_does_not_exist():
    with pytest.raises(KeyError):
        scene_for("zipworld_test", 0)
    with pytest.raises(IndexError):
        scene_for("zipworld_mini", 40)
