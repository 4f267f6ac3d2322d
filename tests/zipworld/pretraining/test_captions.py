import numpy as np
import pytest
import torch

from zipseg.modeling.networks.clip_text import DEFAULT_TEMPLATES
from zipseg.zipworld.networks.architectures import build_tokenizer
from zipseg.zipworld.pretraining.captions import Vocabulary, caption_batch, present_names
from zipseg.zipworld.scenes import CATEGORY_NAMES, UNSEEN_NAMES
from zipseg.zipworld.scenes.captions import MOST_COUNTED, counted
from zipseg.zipworld.scenes.splits import COLOURS, MATERIALS


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary(build_tokenizer("zipworld-vit"))


def scenes(number: int, seed: int = 0) -> np.ndarray:
    """Categories of random scenes without unseen names, int8 [number, 16]."""
    rng = np.random.default_rng(seed)
    seen = [i for i, name in enumerate(CATEGORY_NAMES) if name not in UNSEEN_NAMES]
    category = np.full((number, 16), -1, np.int8)
    for row in category:
        objects = rng.integers(1, 15)
        row[:objects] = rng.choice(rng.choice(seen, 4), objects)
    return category


def test_present_names():
    present = present_names(np.array([[3, 3, 0, -1], [35, -1, -1, -1]], np.int8))
    assert [np.flatnonzero(row).tolist() for row in present] == [[0, 3], [35]]


def test_a_caption_is_true_of_the_scenes_that_hold_all_it_names():
    category = scenes(20)
    captions = caption_batch(category, 10, np.random.default_rng(1))
    assert captions.true.shape == (20, len(captions.text))
    assert captions.distinct == len(captions.text) - 10
    for column, text in enumerate(captions.text):
        if column < captions.distinct and told_number(text):
            continue  # see below
        # Longest match first; plurals start with their singular.
        named = [name for name in CATEGORY_NAMES if f" {name}" in f" {text}"]
        words = {w for w in (*COLOURS, *MATERIALS) if f" {w}" in f" {text}"}
        for scene, row in enumerate(category):
            held = {CATEGORY_NAMES[i] for i in row[row >= 0]}
            expected = set(named) <= held
            if not named:
                expected = words <= {word for name in held for word in name.split()}
            assert bool(captions.true[scene, column]) == expected, (text, held)


def told_number(text: str) -> tuple[int, int] | None:
    """Category and number that a caption of one name tells."""
    for number in range(2, MOST_COUNTED + 1):
        for category, name in enumerate(CATEGORY_NAMES):
            if f"{counted(name, number)}." in f"{text}." or f" {counted(name, number)} " in text:
                return category, number
    return None


def test_a_number_is_true_of_the_scenes_that_hold_just_as_many():
    category = scenes(60)
    captions = caption_batch(category, 20, np.random.default_rng(1))
    told = [told_number(text) for text in captions.text[: captions.distinct]]
    assert sum(pair is not None for pair in told) >= 20
    for column, pair in enumerate(told):
        if pair is not None:
            held = (category == pair[0]).sum(1) == pair[1]
            assert captions.true[:, column].tolist() == held.tolist()


def test_unseen_names_are_in_no_caption():
    for step in range(20):
        captions = caption_batch(scenes(8, step), 8, np.random.default_rng(step))
        spoken = [f" {text}" for text in captions.text]  # "embroidered" ends like a colour
        assert not any(f" {name}" in text for text in spoken for name in UNSEEN_NAMES)


def test_vocabulary_covers_captions_and_the_prompts_of_all_names(vocabulary):
    for step in range(30):
        vocabulary(caption_batch(scenes(32, step), 32, np.random.default_rng(step)).text)
    for name in CATEGORY_NAMES:
        vocabulary([template.format(name) for template in DEFAULT_TEMPLATES])


def test_vocabulary_keeps_the_end_of_text_the_largest_token(vocabulary):
    texts = ["a photo of a red cushion.", "a bad photo of the white dotted cushion."]
    tokens = build_tokenizer("zipworld-vit")(texts)
    numbers = vocabulary(texts)
    assert torch.equal(vocabulary.ids[numbers], tokens)
    assert torch.equal(numbers.argmax(1), tokens.argmax(1))


def test_vocabulary_refuses_other_words(vocabulary):
    with pytest.raises(ValueError, match="token"):
        vocabulary(["a photo of a giraffe"])
