"""The boundary prior on images of several sizes, against the tower cut as the demo cuts it."""

import pytest
import torch
from torch import nn

from zipseg.modeling.networks import clip_boundary
from zipseg.modeling.networks.clip_boundary import ClipBoundary
from zipseg.modeling.networks.preprocess import normalise, resize_short_side
from zipseg.utils.errors import ConfigError


def test_layer3_is_the_tower_without_its_last_two_parts(resnet_clip):
    image = torch.randn((1, 3, 96, 128), generator=torch.Generator().manual_seed(0))
    cut = nn.Sequential(*list(resnet_clip.visual.children())[:-2])
    assert torch.equal(ClipBoundary(resnet_clip.visual)(image), cut(image))


def test_images_of_a_size_go_together_and_come_back_in_order(resnet_clip):
    boundary = ClipBoundary(resnet_clip.visual, "layer2", (64, 100))
    sizes = [(30, 40), (60, 20), (60, 80), (7, 300)]
    generator = torch.Generator().manual_seed(0)
    images = [
        torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in sizes
    ]
    batches = []
    handle = boundary.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    features = boundary.encode(images)
    handle.remove()
    assert sorted(batches) == [1, 1, 2]  # the first and the third are enlarged to one size
    for image, found in zip(images, features, strict=True):
        alone = boundary(normalise(resize_short_side(image, 64, 100))[None])[0]
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    assert boundary.encode([]) == []


def test_large_images_run_in_strips(resnet_clip, monkeypatch):
    image = torch.randn((1, 3, 160, 96), generator=torch.Generator().manual_seed(0))
    whole = ClipBoundary(resnet_clip.visual, strip_pixels=0)(image)
    called, strips = [], clip_boundary.run_in_strips
    monkeypatch.setattr(
        clip_boundary, "run_in_strips", lambda *args: called.append(1) or strips(*args)
    )
    small = ClipBoundary(resnet_clip.visual, strip_pixels=160 * 96 // 8)(image)
    assert not called
    assert torch.equal(small, whole)
    found = ClipBoundary(resnet_clip.visual, strip_pixels=1000)(image)
    assert called
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)


def test_wrong_layers_are_refused(resnet_clip):
    with pytest.raises(ConfigError, match=r"BOUNDARY\.LAYER: 'layer9'.*stem .*layer4"):
        ClipBoundary(resnet_clip.visual, "layer9")
