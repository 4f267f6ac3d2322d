import pytest
import torch

from zipseg.experiments.boundaries import sources
from zipseg.experiments.boundaries.sources import Networks, build_source, lab
from zipseg.modeling.networks.clip_boundary import ClipBoundary
from zipseg.modeling.networks.preprocess import normalise
from zipseg.modeling.networks.segmenters import SegmentAnything
from zipseg.modeling.networks.weights import load_clip
from zipseg.utils.errors import ConfigError, ZipSegError

RANDOM = Networks(
    resnet_weights="random",
    vit_weights="random",
    sam_weights="random",
    dino="vit_tiny_patch16_224",
    dino_weights="random",
    max_side=256,
    max_tokens=64,
)
NAMES = ["stem", "layer2", "layer4", "untrained.layer3", "vit.3", "sam", "dino.2", "lab", "none"]


@pytest.mark.parametrize("name", NAMES)
def test_sources_give_finite_features_on_the_grid(name):
    source = build_source(name, RANDOM)
    image = torch.randint(0, 256, (3, 60, 90), dtype=torch.uint8)
    with torch.no_grad():
        features = source.extract(image, (10, 15))
        again = source.extract(image, (10, 15))
    assert features.shape[1:] == (10, 15)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert torch.equal(features, again)
    assert source.note


def test_a_layer_is_what_zip_uses():
    clip, _ = load_clip("zipworld-rn", "random", "test")
    image = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        expected = ClipBoundary(clip.visual, "layer3")(normalise(image)[None])[0]
        features = build_source("layer3", RANDOM).extract(image, (4, 6))
    assert torch.allclose(features, expected, atol=1e-5)


def test_sam_without_its_padding(tiny_sam, monkeypatch):
    monkeypatch.setattr(sources, "build_segmenter", lambda *_: SegmentAnything(tiny_sam))
    image = torch.randint(0, 256, (3, 32, 64), dtype=torch.uint8)
    with torch.no_grad():
        features = build_source("sam", RANDOM).extract(image, (4, 8))
        padded = torch.nn.functional.pad(image, (0, 0, 0, 32))[None].float()
        mean, std = tiny_sam.pixel_mean, tiny_sam.pixel_std
        padded = torch.where(torch.arange(64)[:, None] < 32, (padded - mean) / std, 0)
        expected = tiny_sam.image_encoder(padded)[0, :, :4]
    assert torch.allclose(features, expected, atol=1e-5)


def test_cosine_distance_of_colours_is_half_their_squared_distance():
    image = torch.zeros((3, 8, 8), dtype=torch.uint8)
    image[0, :, 4:] = 80
    features = lab(image, (2, 2))
    assert torch.allclose(features.norm(dim=0), torch.ones(2, 2))
    a, b = features[:, 0, 0], features[:, 0, 1]
    assert (1 - a @ b).item() == pytest.approx((a - b).square().sum().item() / 2, rel=1e-3)


@pytest.mark.parametrize("name", ["layer5", "vit.99", "vit.x", "vit.0", "nothing", "untrained.x"])
def test_unknown_sources(name):
    with pytest.raises(ZipSegError, match=name.split(".")[0]):
        build_source(name, RANDOM)


def test_unknown_dino():
    with pytest.raises(ConfigError, match="no_such_model"):
        build_source("dino.2", Networks(dino="no_such_model", dino_weights="random"))


def test_dino_says_when_its_weights_are_random(monkeypatch):
    import timm

    create = timm.create_model

    def offline(arch, pretrained=False, **options):
        if pretrained:
            raise OSError("no network")
        return create(arch, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    networks = Networks(dino="vit_tiny_patch16_224", dino_weights="pretrained")
    assert "RANDOM weights" in build_source("dino.2", networks).note
