"""Layers of every kind of CLIP tower against the tower's own forward pass, whole and in strips."""

import open_clip
import pytest
import torch
from torch import nn

from zipseg.modeling.networks.pyramid import find_layer
from zipseg.modeling.networks.strips import run_in_strips
from zipseg.utils.errors import ConfigError

KEY = "MODEL.ZIP.BOUNDARY"


def images(height: int, width: int) -> torch.Tensor:
    return torch.randn((2, 3, height, width), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def convnext() -> nn.Module:
    torch.manual_seed(4)
    tower = open_clip.timm_model.TimmModel("convnext_atto", 24, 64, pool="", proj="linear").eval()
    for name, value in tower.named_parameters():
        if name.endswith("gamma"):  # layer scales begin at 1e-6, where blocks do nothing
            nn.init.constant_(value, 0.5)
    return tower.requires_grad_(False)


@pytest.fixture(params=["resnet", "convnext"])
def tower(request, resnet_clip, convnext) -> nn.Module:
    return resnet_clip.visual if request.param == "resnet" else convnext


def run(steps, x):
    for step in steps:
        x = step.module(x)
    return x


def test_resnet_layers_are_the_towers(resnet_clip):
    tower = resnet_clip.visual
    expected = tower.stem(images(96, 128))
    assert torch.equal(run(find_layer(tower, "stem", KEY).steps, images(96, 128)), expected)
    for name, stride in (("layer1", 4), ("layer2", 8), ("layer3", 16), ("layer4", 32)):
        expected = getattr(tower, name)(expected)
        layer = find_layer(tower, name, KEY)
        assert layer.stride == stride
        assert torch.equal(run(layer.steps, images(96, 128)), expected)


def test_convnext_layers_are_timms(convnext):
    expected = convnext.trunk.forward_intermediates(images(96, 128), intermediates_only=True)
    for i, (each, stride) in enumerate(zip(expected, (4, 8, 16, 32), strict=True), start=1):
        layer = find_layer(convnext, f"stage{i}", KEY)
        assert layer.stride == stride
        torch.testing.assert_close(run(layer.steps, images(96, 128)), each)


def test_vit_layers_are_open_clips(vit_clip):
    tower = vit_clip.visual
    found = tower.forward_intermediates(images(32, 32), intermediates_only=True)
    for i, each in enumerate(found["image_intermediates"], start=1):
        layer = find_layer(tower, f"block{i}", KEY)
        assert layer.stride == 8
        torch.testing.assert_close(run(layer.steps, images(32, 32)), each)
    assert run(find_layer(tower, "block2", KEY).steps, images(40, 72)).shape[-2:] == (5, 9)


def test_a_stride_names_its_last_layer(resnet_clip, convnext, vit_clip):
    assert find_layer(resnet_clip.visual, "stride4", KEY).name == "layer1"
    assert find_layer(convnext, "stride16", KEY).name == "stage3"
    assert find_layer(vit_clip.visual, "stride8", KEY).name == "block4"


def test_wrong_layers_and_towers_list_those_there_are(resnet_clip, convnext):
    with pytest.raises(
        ConfigError, match=r"BOUNDARY\.LAYER: 'layer9' .*stem \(stride 4\), .*layer4 \(stride 32\)"
    ):
        find_layer(resnet_clip.visual, "layer9", KEY)
    with pytest.raises(ConfigError, match=r"'layer3' .*stage1 \(stride 4\), stage2 \(stride 8\)"):
        find_layer(convnext, "layer3", KEY)
    with pytest.raises(ConfigError, match=r"BOUNDARY\.ARCH: .* Linear; take for example RN50x64"):
        find_layer(nn.Linear(3, 3), "layer3", KEY)


@pytest.mark.parametrize("size", [(96, 128), (257, 70), (131, 64), (95, 33), (40, 40)])
@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_strips_give_the_features_of_the_whole(tower, size, stride):
    layer = find_layer(tower, f"stride{stride}", KEY)
    expected = run(layer.steps, images(*size))
    for pixels in (1, 1500, 10**9):
        found = run_in_strips(layer.steps, images(*size), pixels)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_no_map_finer_than_stride_8_is_ever_whole(resnet_clip):
    layer = find_layer(resnet_clip.visual, "layer3", KEY)
    rows = []
    for step in layer.steps:
        step.module.register_forward_hook(lambda _m, _i, out: rows.append(out.shape[-2:].numel()))
    whole = run(layer.steps, images(512, 64))
    most = max(rows)
    rows.clear()
    torch.testing.assert_close(
        run_in_strips(layer.steps, images(512, 64), 64 * 64), whole, rtol=1e-5, atol=1e-5
    )
    assert max(rows) < most / 3


@pytest.mark.parametrize("name", ["ViT", "ConvNeXt V2"])
def test_what_looks_at_everything_is_run_whole(name, vit_clip):
    if name == "ViT":
        layer = find_layer(vit_clip.visual, "block3", KEY)
    else:
        tower = open_clip.timm_model.TimmModel("convnextv2_atto", 24, 64, pool="").eval()
        layer = find_layer(tower.requires_grad_(False), "stage2", KEY)
    expected = run(layer.steps, images(64, 48))
    assert torch.equal(run_in_strips(layer.steps, images(64, 48), 100), expected)
