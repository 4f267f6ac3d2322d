"""The small foundation models of ZipWorld, of open_clip's and segment_anything's own classes."""

import json
from pathlib import Path

import open_clip
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from torch import Tensor, nn

FOLDER = Path(__file__).parent
# open_clip model configs; the file's stem is the architecture's name.
ARCHITECTURES = (FOLDER / "zipworld-vit.json", FOLDER / "zipworld-rn.json")
PARTS = {"vit": "zipworld-vit", "resnet": "zipworld-rn", "sam": "zipworld-sam"}

SAM_SIZE = 256  # pixels of the input's side
SAM_STRIDE = 8  # of the image embedding


def build_clip(
    arch: str, vocabulary: int | None = None, image_size: int | None = None
) -> open_clip.CLIP:
    """A CLIP of one of ``ARCHITECTURES`` with random weights.

    Args:
        arch: its name.
        vocabulary: rows of the token embedding; None for the tokenizer's own number.
        image_size: another input size in pixels than the architecture's.
    """
    # The package's own file, not a COCO file.
    config = json.loads((FOLDER / f"{arch}.json").read_text())
    if vocabulary is not None:
        config["text_cfg"]["vocab_size"] = vocabulary
    if image_size is not None:
        config["vision_cfg"]["image_size"] = image_size
    return open_clip.CLIP(**config)


def build_tokenizer(arch: str) -> open_clip.SimpleTokenizer:
    """CLIP's byte-pair tokenizer with the context length of an architecture."""
    # The package's own file, not a COCO file.
    config = json.loads((FOLDER / f"{arch}.json").read_text())
    return open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"])


class ConvEncoder(nn.Module):
    """SAM's image encoder made of ConvNeXt blocks (arXiv 2201.03545): rims are local, and a small
    network learns them from far fewer pictures than a vision transformer does.

    Args:
        size: side of the input in pixels.
        dim: channels of the embedding, of stride 8.
        widths: channels at strides 2, 4 and 8.
        depths: blocks there.
    """

    def __init__(
        self,
        size: int,
        dim: int,
        widths: tuple[int, int, int] = (32, 64, 128),
        depths: tuple[int, int, int] = (1, 1, 6),
    ) -> None:
        super().__init__()
        self.img_size = size  # what SAM asks of its encoder
        layers: list[nn.Module] = []
        before = 3
        for width, depth in zip(widths, depths, strict=True):
            layers += [LayerNorm2d(before)] if layers else []
            layers.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            layers += [ConvNeXtBlock(width, ls_init_value=None) for _ in range(depth)]
            before = width
        self.blocks = nn.Sequential(*layers)
        self.neck = nn.Sequential(
            nn.Conv2d(before, dim, 1, bias=False),
            LayerNorm2d(dim),
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            LayerNorm2d(dim),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Embedding [B, dim, size / 8, size / 8] of normalised images [B, 3, size, size]."""
        return self.neck(self.blocks(images))


def build_sam(size: int = SAM_SIZE) -> Sam:
    """The small SAM with random weights: a convolutional encoder of stride 8, and masks at half the
    resolution of the input.

    Args:
        size: side of the input in pixels, a multiple of 64.
    """
    grid, dim = size // SAM_STRIDE, 96
    return Sam(
        image_encoder=ConvEncoder(size, dim),
        prompt_encoder=PromptEncoder(
            embed_dim=dim,
            image_embedding_size=(grid, grid),
            input_image_size=(size, size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=dim,
            transformer=TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=384, num_heads=4),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=128,
        ),
    )
