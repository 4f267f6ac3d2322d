import itertools

import numpy as np

from zipseg.zipworld.pretraining.pretraining import FRESH_SEEDS, Run, training_seeds
from zipseg.zipworld.pretraining.scenes import SceneBank, sample
from zipseg.zipworld.scenes import CATEGORY_NAMES, SPLITS, UNSEEN_NAMES, render_scene


def test_training_scenes_are_disjoint_from_all_scenes_measured_on(tmp_path):
    scenes = Run("vit", tmp_path, tmp_path).scenes
    used = set(training_seeds(scenes))
    assert len(used) == scenes
    measured = [split for name, split in SPLITS.items() if name != "zipworld_pretrain"]
    for seeds in [*measured, FRESH_SEEDS]:
        assert used.isdisjoint(seeds)
    for a, b in itertools.combinations([*SPLITS.values(), FRESH_SEEDS], 2):
        assert set(a).isdisjoint(b)


def test_bank_holds_the_rendered_scenes_without_unseen_names(tmp_path, monkeypatch):
    monkeypatch.setattr("zipseg.zipworld.pretraining.scenes._CHUNK", 2)
    seeds = SPLITS["zipworld_pretrain"][:5]
    SceneBank(tmp_path, seeds).ensure(np.array([1, 4]))
    bank = SceneBank(tmp_path, seeds)
    for index in (0, 1, 4):
        scene = render_scene(seeds[index])
        assert np.array_equal(bank.image[index], scene.image)
        number = len(scene.categories)
        assert np.array_equal(bank.owner[index] == np.arange(number)[:, None, None], scene.masks)
        assert bank.category[index].tolist() == [*scene.categories, *[-1] * (16 - number)]
        assert not {CATEGORY_NAMES[i] for i in scene.categories} & UNSEEN_NAMES
    assert not bank.image[2].any()  # not asked for, not rendered


def test_a_rendered_chunk_is_not_rendered_again(tmp_path, monkeypatch):
    monkeypatch.setattr("zipseg.zipworld.pretraining.scenes._CHUNK", 2)
    SceneBank(tmp_path, range(2)).ensure(np.array([0]))
    monkeypatch.setattr("zipseg.zipworld.pretraining.scenes.render_scene", None)
    SceneBank(tmp_path, range(2)).ensure(np.array([1]))


def test_every_scene_comes_once_an_epoch():
    drawn = np.concatenate([sample(step, 7, 21, 5) for step in range(9)]).reshape(3, 21)
    assert drawn[0].tolist() == list(range(21))
    assert (np.sort(drawn) == np.arange(21)).all()
    assert (drawn[1] != drawn[2]).any()
    assert (sample(4, 7, 21, 5) == drawn.reshape(-1, 7)[4]).all()
