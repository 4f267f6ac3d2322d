"""MobileSAM's checkpoint format against its authors' own code."""

import pytest
import torch

from zipseg.modeling.networks.segmenters import build_segmenter
from zipseg.utils.errors import ConfigError

KEY = "MODEL.ZIP.SEGMENTER"


@pytest.fixture(scope="module")
def theirs():
    """The authors' model with random weights and normalisations that do something."""
    package = pytest.importorskip("mobilesam_lite.mobile_sam")
    generator = torch.Generator().manual_seed(0)
    model = package.sam_model_registry["vit_t"]().eval().requires_grad_(False)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            near_one = name.endswith(("running_var", "bn.weight"))
            value.copy_(0.5 + noise if near_one else value + 0.1 * (noise - 0.5))
    return model.train().eval()  # which keeps a table made of the weights


@pytest.fixture(scope="module")
def checkpoint(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobile_sam.pt"
    torch.save(theirs.state_dict(), path)
    return path


def test_the_authors_checkpoint_gives_the_authors_features(theirs, checkpoint):
    ours = build_segmenter("MobileSAM", "vit_t", str(checkpoint), KEY).model
    image = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))
    expected = theirs.image_encoder(image)
    assert expected.std() > 0.1
    torch.testing.assert_close(ours.image_encoder(image), expected, rtol=1e-3, atol=1e-4)
    rest = {k: v for k, v in theirs.state_dict().items() if not k.startswith("image_encoder")}
    for name, value in rest.items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_every_parameter_comes_from_the_checkpoint(theirs, tmp_path):
    state = theirs.state_dict()
    state.pop("image_encoder.layers.2.downsample.conv2.bn.running_mean")
    torch.save(state, tmp_path / "part.pt")
    with pytest.raises(
        ConfigError, match=r"part\.pt does not hold .*MobileSAM vit_t.*running_mean"
    ):
        build_segmenter("MobileSAM", "vit_t", str(tmp_path / "part.pt"), KEY)
