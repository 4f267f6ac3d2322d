"""The small foundation models of ZipWorld, of open_clip's and segment_anything's own classes."""

import json
from functools import partial
from pathlib import Path

import open_clip
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import nn

FOLDER = Path(__file__).parent
# open_clip model configs; the file's stem is the architecture's name.
ARCHITECTURES = (FOLDER / "zipworld-vit.json", FOLDER / "zipworld-rn.json")
PARTS = {"vit": "zipworld-vit", "resnet": "zipworld-rn", "sam": "zipworld-sam"}

SAM_SIZE = 256  # pixels of the input's side
SAM_PATCH = 8


def build_clip(
    arch: str, vocabulary: int | None = None, image_size: int | None = None
) -> open_clip.CLIP:
    """A CLIP of one of ``ARCHITECTURES`` with random weights.

    Args:
        arch: its name.
        vocabulary: rows of the token embedding; None for the tokenizer's own number.
        image_size: another input size in pixels than the architecture's.
    """
    config = json.loads((FOLDER / f"{arch}.json").read_text())
    if vocabulary is not None:
        config["text_cfg"]["vocab_size"] = vocabulary
    if image_size is not None:
        config["vision_cfg"]["image_size"] = image_size
    return open_clip.CLIP(**config)


def build_tokenizer(arch: str) -> open_clip.SimpleTokenizer:
    """CLIP's byte-pair tokenizer with the context length of an architecture."""
    config = json.loads((FOLDER / f"{arch}.json").read_text())
    return open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"])


def build_sam(size: int = SAM_SIZE) -> Sam:
    """The small SAM with random weights: patches of 8 px, six blocks of width 160, of which the
    third and sixth attend globally, and masks at half the resolution of the input.

    Args:
        size: side of the input in pixels, a multiple of 64.
    """
    grid, width, dim = size // SAM_PATCH, 160, 96
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=size,
            patch_size=SAM_PATCH,
            embed_dim=width,
            depth=6,
            num_heads=4,
            mlp_ratio=4,
            out_chans=dim,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            window_size=8,
            global_attn_indexes=(2, 5),
        ),
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
