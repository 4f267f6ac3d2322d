"""The boundary prior against the tower cut as the demo cuts it."""

import pytest
import torch
from torch import nn

from zipseg.modeling.networks.clip_boundary import LAYERS, ClipBoundary
from zipseg.utils.errors import ConfigError


def test_layer3_is_the_tower_without_its_last_two_parts(resnet_clip):
    image = torch.randn((1, 3, 96, 128), generator=torch.Generator().manual_seed(0))
    cut = nn.Sequential(*list(resnet_clip.visual.children())[:-2])
    assert torch.equal(ClipBoundary(resnet_clip.visual)(image), cut(image))


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_has_its_stride(resnet_clip, layer):
    model = ClipBoundary(resnet_clip.visual, layer)
    height, width = model(torch.zeros(1, 3, 64, 96)).shape[-2:]
    assert (height, width) == (64 // model.stride, 96 // model.stride)


def test_other_towers_and_layers_are_refused(vit_clip, resnet_clip):
    with pytest.raises(ConfigError, match=r"BOUNDARY\.ARCH: .*VisionTransformer"):
        ClipBoundary(vit_clip.visual)
    with pytest.raises(ConfigError, match=r"BOUNDARY\.LAYER: 'layer9'"):
        ClipBoundary(resnet_clip.visual, "layer9")
