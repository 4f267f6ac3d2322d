import re
from collections import Counter

import numpy as np
import pytest

from zipseg.zipworld.scenes import CATEGORY_NAMES, scene_for
from zipseg.zipworld.scenes.captions import caption

NUMBERS = {"a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
NAME = re.compile(rf"(\w+) ({'|'.join(CATEGORY_NAMES)})(s)?\b")


@pytest.fixture(scope="module")
def scenes():
    return [scene_for("zipworld_pretrain", index) for index in range(40)]


def present(scene):
    return Counter(CATEGORY_NAMES[i] for i in scene.categories.tolist())


def test_captions_tell_the_names_and_counts_of_the_scene(scenes):
    rng = np.random.default_rng(0)
    for scene in scenes:
        for _ in range(5):
            found = NAME.findall(caption(scene, rng))
            counts = present(scene)
            assert sorted(name for _, name, _ in found) == sorted(counts)
            for word, name, plural in found:
                assert bool(plural) == (counts[name] > 1)
                assert NUMBERS.get(word, counts[name]) == counts[name]
                assert word in NUMBERS or (word in ("some", "several") and plural)


def test_prompts_name_everything_once(scenes):
    rng = np.random.default_rng(1)
    texts = [(scene, caption(scene, rng, ["graffiti: {}!"])) for scene in scenes]
    prompted = [(scene, text) for scene, text in texts if text.startswith("graffiti: ")]
    assert 10 < len(prompted) < 30
    for scene, text in prompted:
        found = [name for name in CATEGORY_NAMES if re.search(rf"\b{name}\b", text)]
        assert sorted(found) == sorted(present(scene))


def test_order_of_mention_is_random_and_follows_the_generator(scenes):
    scene = next(scene for scene in scenes if len(present(scene)) > 1)
    firsts = {
        NAME.search(caption(scene, np.random.default_rng(seed))).group(2) for seed in range(20)
    }
    assert len(firsts) > 1
    assert caption(scene, np.random.default_rng(3)) == caption(scene, np.random.default_rng(3))
