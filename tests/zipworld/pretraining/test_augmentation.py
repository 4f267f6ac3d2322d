import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zipseg.zipworld.pretraining.augmentation import clip_batch, turned

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]


def test_without_a_generator_pictures_are_only_resized_and_normalised():
    image = np.full((2, 256, 256, 3), (10, 128, 250), np.uint8)
    expected = (torch.tensor([10, 128, 250])[:, None, None] / 255 - MEAN) / STD
    for size in (96, 256, 400):
        batch = clip_batch(image, size, None)
        assert batch.shape == (2, 3, size, size)
        torch.testing.assert_close(batch, expected.expand_as(batch))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_leaves_the_picture_and_no_colour_changes_its_name(seed):
    """A red square in each corner of a blue picture stays red and in sight."""
    image = np.full((1, 256, 256, 3), (40, 90, 210), np.uint8)
    for y in (0, 216):
        for x in (0, 216):
            image[0, y : y + 40, x : x + 40] = (205, 40, 40)
    picture = clip_batch(image, 96, np.random.default_rng(seed))[0] * STD + MEAN
    red = picture[0] > picture[2] + 0.25
    for rows in (slice(0, 48), slice(48, 96)):
        for columns in (slice(0, 48), slice(48, 96)):
            assert red[rows, columns].sum() >= 80  # 15 x 15 cells, smaller after shrinking
    blue = picture[2] > picture[0] + 0.25
    assert (red | blue).float().mean() > 0.9


def test_the_same_generator_gives_the_same_batch():
    image = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    a, b = (clip_batch(image, 32, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, clip_batch(image, 32, np.random.default_rng(8)))


def test_the_eight_turns_are_different():
    image = np.arange(9).reshape(3, 3)
    assert len({turned(image, which).tobytes() for which in range(8)}) == 8
    assert turned(image, 0) == pytest.approx(image)
