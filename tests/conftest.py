"""Tiny random networks that every part of the tests shares."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import settings
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from tests.logs import warnings_of
from tests.pseudo_labels import tiny_config, write_label_file

import zipseg.zipworld  # noqa: F401 - registers its data sets and weights
from zipseg.data.coco_format import rules

# A busy machine is no error, and the same examples run everywhere.
settings.register_profile("zipseg", deadline=None, derandomize=True)
settings.load_profile("zipseg")

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}


def _clip(vision: dict, seed: int) -> open_clip.CLIP:
    torch.manual_seed(seed)
    model = open_clip.CLIP(
        24, open_clip.CLIPVisionCfg(**vision), open_clip.CLIPTextCfg(**TEXT)
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.requires_grad_(False)


@pytest.fixture(scope="session")
def vit_clip() -> open_clip.CLIP:
    vision = {"layers": 4, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    return _clip(vision, 1)


@pytest.fixture(scope="session")
def resnet_clip() -> open_clip.CLIP:
    return _clip({"layers": [1, 1, 2, 1], "width": 8, "image_size": 64}, 2)


@pytest.fixture(scope="session")
def tokenizer():
    return open_clip.get_tokenizer("ViT-B-16")


@pytest.fixture(scope="session")
def tiny_sam() -> Sam:
    torch.manual_seed(3)
    encoder = ImageEncoderViT(
        img_size=64, patch_size=8, embed_dim=16, depth=2, num_heads=2, out_chans=16,
        use_rel_pos=True, window_size=4, global_attn_indexes=(1,),
    )  # fmt: skip
    prompts = PromptEncoder(16, (8, 8), (64, 64), mask_in_chans=4)
    decoder = MaskDecoder(
        transformer_dim=16,
        transformer=TwoWayTransformer(2, 16, 2, 32),
        num_multimask_outputs=3,
        iou_head_hidden_dim=16,
    )
    return Sam(encoder, prompts, decoder).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder of COCO's photographs and annotations, where there is one."""
    root = os.environ.get("DETECTRON2_DATASETS")
    if not root or not (Path(root) / "coco" / "val2017").is_dir():
        pytest.skip("DETECTRON2_DATASETS names no folder with coco/val2017")
    return Path(root) / "coco"


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What the reader of COCO-format files has warned of."""
    with warnings_of(rules.logger.name) as lines:
        yield lines


@pytest.fixture
def picture() -> np.ndarray:
    """A smooth random RGB picture, uint8 [60, 80, 3]."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand((1, 3, 6, 8), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (60, 80), mode="bicubic").clamp(0, 1)
    return (smooth[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="there is no GPU"))


@pytest.fixture(autouse=True)
def no_closed_log_streams():
    """Commands run within a test may have left log handlers that write to its captured output,
    which is closed since; a later test would find their complaints in its own."""
    named = logging.root.manager.loggerDict.values()
    for logger in [logging.root, *(each for each in named if isinstance(each, logging.Logger))]:
        for handler in list(logger.handlers):
            if getattr(getattr(handler, "stream", None), "closed", False):
                logger.removeHandler(handler)


@pytest.fixture
def label_file(tmp_path) -> Path:
    return write_label_file(tmp_path / "labels")


@pytest.fixture
def tiny(label_file, tmp_path):
    """``tiny_config`` for the label file."""
    return lambda *options, **more: tiny_config(label_file, tmp_path / "out", *options, **more)
