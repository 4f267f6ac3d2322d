import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import build_backbone
from tests.pseudo_labels import CONFIGS
from torch import nn

from zipseg.engine.setup import load_config
from zipseg.modeling.detectors.clip_backbone import ClipResNet
from zipseg.modeling.networks.weights import load_clip
from zipseg.utils.errors import ConfigError

NAMES = ["stem", "res2", "res3", "res4", "res5"]


@pytest.fixture(scope="module")
def visual() -> nn.Module:
    return load_clip("zipworld-rn", "embedded", "KEY")[0].visual


def test_outputs_are_the_towers_layers_with_the_shapes_it_promises(visual):
    backbone = ClipResNet(visual, NAMES).eval()
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = backbone(images)
        expected = visual.stem(images)
        for name, layer in zip(NAMES, (None, 1, 2, 3, 4), strict=True):
            expected = getattr(visual, f"layer{layer}")(expected) if layer else expected
            torch.testing.assert_close(outputs[name], expected)
            shape = backbone.output_shape()[name]
            sides = (64 // shape.stride, 96 // shape.stride)
            assert outputs[name].shape == (2, shape.channels, *sides)


@pytest.mark.parametrize("freeze_at", [0, 2])
def test_the_first_parts_are_frozen(freeze_at):
    tower = load_clip("zipworld-rn", "embedded", "KEY")[0].visual
    backbone = ClipResNet(tower, ["res5"], freeze_at)
    for place, part in enumerate(backbone.parts.values()):
        frozen = place < freeze_at
        assert all(p.requires_grad != frozen for p in part.parameters())
        assert any(isinstance(m, FrozenBatchNorm2d) for m in part.modules()) == frozen


def test_the_config_builds_it_with_a_pyramid():
    cfg = load_config(str(CONFIGS / "SelfTraining" / "zipworld_mask_rcnn.yaml"), [])
    backbone = build_backbone(cfg, ShapeSpec(channels=3))
    assert set(backbone.output_shape()) == {"p2", "p3", "p4", "p5", "p6", *NAMES[1:]}
    for key in ("MODEL.ZIP.BOUNDARY.ARCH", "zipworld-vit"), ("MODEL.ZIP.BOUNDARY.WEIGHTS", "no"):
        with pytest.raises(ConfigError, match="BOUNDARY"):
            build_backbone(
                load_config(str(CONFIGS / "SelfTraining" / "zipworld_mask_rcnn.yaml"), [*key]),
                ShapeSpec(channels=3),
            )
