"""A small random model of every segmenter, with its package's own predictor."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import nn

from zipseg.modeling.networks.segmenters import HQSAM, SAM2, MobileSAM, SegmentAnything, Segmenter
from zipseg.modeling.networks.segmenters.mobile_sam import mobile_sam

NAMES = ("SegmentAnything", "MobileSAM", "SAM2", "HQSAM")


class Member(NamedTuple):
    """A kind of segmenter around a model, and the predictor of the same model."""

    segmenter: Callable[..., Segmenter]
    model: nn.Module
    predictor: Callable[[nn.Module], object]


def _random(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return build().eval().requires_grad_(False)


def _hq_sam() -> nn.Module:
    modeling = pytest.importorskip("segment_anything_hq.modeling")
    encoder = modeling.ImageEncoderViT(
        img_size=64, patch_size=8, embed_dim=16, depth=2, num_heads=2, out_chans=16,
        use_rel_pos=True, window_size=4, global_attn_indexes=(1,),
    )  # fmt: skip
    decoder = modeling.MaskDecoderHQ(
        transformer_dim=16,
        transformer=modeling.TwoWayTransformer(2, 16, 2, 32),
        iou_head_hidden_dim=16,
        vit_dim=16,
    )
    return modeling.Sam(encoder, modeling.PromptEncoder(16, (8, 8), (64, 64), 4), decoder)


@pytest.fixture(scope="session", params=NAMES)
def member(request, tiny_sam) -> Member:
    if request.param == "SegmentAnything":
        from segment_anything import SamPredictor

        return Member(SegmentAnything, tiny_sam, SamPredictor)
    if request.param == "MobileSAM":
        from segment_anything import SamPredictor

        return Member(MobileSAM, _random(lambda: mobile_sam(128, 32)), SamPredictor)
    if request.param == "SAM2":
        predictor = pytest.importorskip("sam2.sam2_image_predictor").SAM2ImagePredictor
        model = _random(lambda: SAM2.build("sam2.1_hiera_t", image_size=128))
        return Member(SAM2, model, predictor)
    model = _random(_hq_sam)
    from segment_anything_hq import SamPredictor

    return Member(HQSAM, model, SamPredictor)
