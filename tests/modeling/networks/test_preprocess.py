"""Preprocessing against Pillow, which the released demo resizes with."""

import numpy as np
import pytest
import torch
from PIL import Image

from zipseg.modeling.networks.preprocess import normalise, resize_short_side, resize_square, to_rgb


@pytest.mark.parametrize("size", [24, 131])
def test_square_resizing_is_pillows_bicubic(picture, size):
    expected = np.asarray(Image.fromarray(picture).resize((size, size), Image.BICUBIC))
    actual = resize_square(torch.as_tensor(picture).permute(2, 0, 1), size).permute(1, 2, 0)
    assert np.abs(actual.numpy().astype(int) - expected.astype(int)).max() <= 1


def test_short_side_and_limit_of_the_long_side():
    assert resize_short_side(torch.zeros(3, 60, 80, dtype=torch.uint8), 120, 999).shape == (
        3,
        120,
        160,
    )
    assert resize_short_side(torch.zeros(3, 10, 1000, dtype=torch.uint8), 64, 800).shape == (
        3,
        32,
        800,
    )
    assert resize_short_side(torch.zeros(3, 1, 1, dtype=torch.uint8), 64, 800).shape == (3, 64, 64)


def test_channels_and_values():
    image = torch.tensor([10.4, 300.0, -3.0]).reshape(3, 1, 1)
    assert to_rgb(image, "BGR").flatten().tolist() == [0, 255, 10]
    assert to_rgb(image, "RGB").flatten().tolist() == [10, 255, 0]
    white = normalise(torch.full((3, 1, 1), 255, dtype=torch.uint8)).flatten()
    torch.testing.assert_close(white[0], torch.tensor((1 - 0.48145466) / 0.26862954))
