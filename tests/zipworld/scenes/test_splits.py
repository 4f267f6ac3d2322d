from itertools import combinations

from zipseg.zipworld.scenes import CATEGORY_NAMES, EVALUATION_SPLITS, SPLITS, UNSEEN_NAMES
from zipseg.zipworld.scenes.splits import is_pretraining


def test_splits_are_disjoint():
    for first, second in combinations(SPLITS.values(), 2):
        assert first.stop <= second.start or second.stop <= first.start


def test_splits_have_the_documented_sizes():
    assert [len(SPLITS[name]) for name in EVALUATION_SPLITS] == [2000, 400, 200, 80, 40]


def test_evaluation_seeds_are_no_pretraining_seeds():
    assert not any(is_pretraining(seed) for name in EVALUATION_SPLITS for seed in SPLITS[name])
    assert all(is_pretraining(seed) for seed in SPLITS["zipworld_pretrain_val"])


def test_unseen_names_take_each_colour_and_each_material_once():
    assert len(set(CATEGORY_NAMES)) == 36
    assert set(CATEGORY_NAMES) > UNSEEN_NAMES
    colours, materials, _ = zip(*(name.split() for name in UNSEEN_NAMES), strict=True)
    assert len(set(colours)) == len(set(materials)) == 6
