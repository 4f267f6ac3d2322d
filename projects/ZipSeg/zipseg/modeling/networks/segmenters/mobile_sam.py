"""MobileSAM (Zhang et al., arXiv 2306.14289): SAM's decoder behind a TinyViT of 6 million weights.

TinyViT (Wu et al., arXiv 2207.10666) is timm's; what MobileSAM changed in it is done here.
"""

import re

from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import TinyVit
from torch import Tensor, nn

from .contract import SEGMENTER_REGISTRY
from .sam import SamFamily

DIMS = (64, 128, 160, 320)  # TinyViT-5M
STRIDE = 16
# A checkpoint's names -> timm's. There a stage ends with the downsampling, here it begins with it.
_NAMES = (
    (r"^image_encoder\.neck\.", "image_encoder.neck."),
    (r"^image_encoder\.patch_embed\.seq\.0\.", "image_encoder.trunk.patch_embed.conv1."),
    (r"^image_encoder\.patch_embed\.seq\.2\.", "image_encoder.trunk.patch_embed.conv2."),
    (
        r"^image_encoder\.layers\.(\d)\.downsample\.",
        lambda found: f"image_encoder.trunk.stages.{int(found[1]) + 1}.downsample.",
    ),
    (r"^image_encoder\.layers\.", "image_encoder.trunk.stages."),
)
# The classifier that TinyViT was distilled with, and tables that follow from the window's size.
_UNUSED = re.compile(r"^image_encoder\.(norm_head|head)\.|\.attn\.(attention_bias_idxs|ab)$")


class TinyVitEncoder(nn.Module):
    """TinyViT-5M as an image encoder with SAM's neck.

    Args:
        img_size: side of the square input, pixels.
        out_chans: channels of the features.
    """

    def __init__(self, img_size: int = 1024, out_chans: int = 256) -> None:
        super().__init__()
        self.img_size = img_size
        self.trunk = TinyVit(
            num_classes=0,
            embed_dims=DIMS,
            depths=(2, 2, 6, 2),
            num_heads=(2, 4, 5, 10),
            window_sizes=(7, 7, 14, 7),
            drop_path_rate=0.0,
        )
        self.trunk.head = nn.Identity()
        # The last stage keeps its resolution: stride 16 as SAM's ViT, not 32.
        self.trunk.stages[3].downsample.conv2.conv.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(DIMS[-1], out_chans, kernel_size=1, bias=False),
            LayerNorm2d(out_chans),
            nn.Conv2d(out_chans, out_chans, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, out_chans, S / 16, S / 16] of preprocessed images [B, 3, S, S]."""
        return self.neck(self.trunk.forward_features(images))


def mobile_sam(img_size: int = 1024, width: int = 256) -> Sam:
    """An untrained MobileSAM for inputs of ``img_size`` pixels, with ``width`` channels in the
    decoder; the defaults are the published model's."""
    grid = (img_size // STRIDE,) * 2
    return Sam(
        TinyVitEncoder(img_size, width),
        PromptEncoder(width, grid, (img_size, img_size), mask_in_chans=16),
        MaskDecoder(
            transformer_dim=width,
            transformer=TwoWayTransformer(2, width, 8, 2048),
            num_multimask_outputs=3,
            iou_head_hidden_dim=256,
        ),
    )


@SEGMENTER_REGISTRY.register()
class MobileSAM(SamFamily):
    """``vit_t`` takes the authors' checkpoint, ``mobile_sam.pt``."""

    package = ("timm.models.tiny_vit", "pip install 'timm>=0.9'")

    @classmethod
    def types(cls) -> tuple[str, ...]:
        return ("vit_t",)

    @classmethod
    def build(cls, model_type: str) -> nn.Module:
        return mobile_sam()

    @classmethod
    def renamed(cls, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            _timm_name(name): value for name, value in state.items() if not _UNUSED.search(name)
        }


def _timm_name(name: str) -> str:
    for pattern, replacement in _NAMES:
        name, found = re.subn(pattern, replacement, name)
        if found:
            break
    if name.startswith("image_encoder.trunk."):
        name = re.sub(r"\.c\.", ".conv.", name)  # of a convolution with its normalisation
    return name
