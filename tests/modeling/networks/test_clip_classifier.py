import pytest
import torch

from zipseg.modeling.networks.clip_classifier import ClipClassifier, encode_image, input_size
from zipseg.modeling.networks.clip_dense import ClipDense
from zipseg.modeling.networks.preprocess import normalise


def test_images_of_another_size_get_interpolated_positions(vit_clip):
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    expected = ClipDense(vit_clip.visual, surgery_blocks=1)(images).image
    found = encode_image(vit_clip.visual, images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert input_size(vit_clip.visual) == 32


@pytest.mark.parametrize("fixture", ["vit_clip", "resnet_clip"])
def test_whole_images_are_embedded_as_by_the_model_itself(fixture, request):
    clip = request.getfixturevalue(fixture)
    classifier = ClipClassifier(clip.visual, torch.eye(3), torch.zeros(3))
    size = input_size(clip.visual)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    expected = clip.encode_image(normalise(images))
    torch.testing.assert_close(classifier(list(images)), expected[:, None])
    other = ClipClassifier(clip.visual, torch.eye(3), torch.zeros(3), 2 * size)
    assert other(list(images)).shape == (2, 1, expected.shape[1])


def test_windows_are_crops_that_cover_the_image(resnet_clip):
    size = input_size(resnet_clip.visual)
    text = (torch.eye(3), torch.zeros(3))
    classifier = ClipClassifier(resnet_clip.visual, *text, windows=(1, 0.75, 0.5))
    assert classifier.counts == (1, 4, 9)
    side = 4 * size
    images = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    whole = ClipClassifier(resnet_clip.visual, *text)
    crops = [images]
    for window in (3 * size, 2 * size):
        starts = range(0, side - window + 1, size)
        crops += [images[:, :, y : y + window, x : x + window] for y in starts for x in starts]
    expected = torch.stack([whole(list(crop))[:, 0] for crop in crops], dim=1)
    torch.testing.assert_close(classifier(list(images)), expected, rtol=1e-4, atol=1e-5)
    assert classifier([torch.zeros(3, 1, 7, dtype=torch.uint8)]).shape[1] == 14
