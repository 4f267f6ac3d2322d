"""What each stage costs, counted on the real architectures without weights, data or arithmetic:
``python -m benchmarks.costs`` prints it in seconds, without a GPU.

Everything is built on PyTorch's "meta" device, where tensors have shapes only, and its
``FlopCounterMode`` adds up the products: 2 FLOPs a multiply-add of convolutions, matrix products
and attention; element-wise work is not counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import open_clip
import torch
from detectron2 import model_zoo
from detectron2.modeling import build_model
from segment_anything import sam_model_registry
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zipseg.modeling.networks.clip_boundary import ClipBoundary
from zipseg.modeling.networks.clip_dense import ClipDense
from zipseg.utils.tables import markdown

META = torch.device("meta")
DETECTOR = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml"
# A forward and a backward pass: the gradients of inputs and of weights cost a forward each.
TRAINING_FACTOR = 3


class Cost(NamedTuple):
    """A part of the work on one image."""

    part: str
    how: str  # the architecture and its input
    flops: float


class Phase(NamedTuple):
    """A stage of the whole: so many images at so much each."""

    name: str
    images: int
    arithmetic: str  # how the number of images comes about
    flops: float  # per image

    def gpu_hours(self, teraflops: float) -> float:
        """At ``teraflops`` (10^12 FLOPs a second) that a GPU reaches."""
        return self.images * self.flops / (teraflops * 1e12) / 3600


def count(run: Callable[[], object]) -> int:
    """The FLOPs of a call on meta tensors."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops()


def label_costs(height: int, width: int, boxes: int) -> list[Cost]:
    """Zip with the paper's networks, for an image of ``height`` x ``width`` pixels with ``boxes``
    objects."""
    scale = 2048 / min(height, width)
    rows, columns = (round(side * scale / 16) * 16 for side in (height, width))
    boundary = ClipBoundary(_clip_tower("RN50x64"), "layer3", strip_pixels=0)
    surgery = ClipDense(_clip_tower("ViT-B-16"))
    with META:
        sam = sam_model_registry["vit_h"]().requires_grad_(False)
    cells, channels = rows // 16 * (columns // 16), boundary(_image(64, 64)).shape[1]
    kmeans = 2 * cells * 20 * channels * 100
    return [
        Cost("names and activation", "CLIP Surgery, ViT-B/16, 512 x 512",
             count(lambda: surgery(_image(512, 512)))),
        Cost("boundary features", f"RN50x64 to layer3, {rows} x {columns}",
             count(lambda: boundary(_image(rows, columns)))),
        Cost("clusters", f"K-Means, {cells:,} cells x 20 centres x {channels:,} channels x 100 "
             "iterations at most", kmeans),
        Cost("image embedding", "SAM ViT-H, 1024 x 1024",
             count(lambda: sam.image_encoder(_image(1024, 1024)))),
        Cost("masks", f"SAM's decoder, {boxes} boxes", boxes * count(lambda: _decode(sam))),
    ]  # fmt: skip


def detector_costs(height: int, width: int) -> list[Cost]:
    """Detectron2's Mask R-CNN R-50 FPN, inference, by its 1x config: ``height`` x ``width`` is the
    image as resized, a multiple of 32."""
    cfg = model_zoo.get_config(DETECTOR)
    cfg.MODEL.WEIGHTS, cfg.MODEL.DEVICE = "", "meta"
    with META:
        model = build_model(cfg).eval().requires_grad_(False)
    heads, features = model.roi_heads, model.backbone(_image(height, width))
    maps = [features[name] for name in cfg.MODEL.RPN.IN_FEATURES]
    proposals, found = cfg.MODEL.RPN.POST_NMS_TOPK_TEST, cfg.TEST.DETECTIONS_PER_IMAGE

    def box(number: int) -> object:
        return heads.box_predictor(heads.box_head(_regions(number, 7)))

    return [
        Cost("backbone", f"R-50 FPN, {height} x {width}",
             count(lambda: model.backbone(_image(height, width)))),
        Cost("proposals", "the RPN's head", count(lambda: model.proposal_generator.rpn_head(maps))),
        Cost("boxes", f"{proposals:,} proposals", count(lambda: box(proposals))),
        Cost("masks", f"{found} detections",
             count(lambda: heads.mask_head.layers(_regions(found, 14)))),
    ]  # fmt: skip


def stages(label: float, detect: float) -> list[Phase]:
    """COCO's whole protocol.

    Args:
        label, detect: FLOPs an image of labelling with Zip and of the detector's inference.
    """
    train, iterations = TRAINING_FACTOR * detect, 90_000
    return [
        Phase("Zip labels COCO train2017", 118_287, "118,287 images", label),
        Phase("Zip labels COCO val2017", 5_000, "5,000 images", label),
        Phase("training, 1x", 16 * iterations, "16 x 90,000 iterations", train),
        Phase("training, 1 or 2 %", 16 * 3_600, "16 x 3,600 iterations", train),
        Phase("a later round, half of 1x", 8 * iterations, "16 x 45,000 iterations", train),
        Phase("relabelling COCO train2017", 118_287, "118,287 images", detect),
        Phase("evaluation on COCO val2017", 5_000, "5,000 images", detect),
    ]


def to_markdown(
    label: list[Cost], detector: list[Cost], whole: list[Phase], teraflops: float
) -> str:
    """Three tables: Zip and the detector for an image, then the stages."""
    head = ["stage", "how many", "images", "GFLOPs an image"]
    rows = [
        [
            *(s.name, s.arithmetic, f"{s.images:,}", f"{s.flops / 1e9:,.0f}"),
            f"{s.gpu_hours(teraflops):,.1f}",
        ]
        for s in whole
    ]
    return "\n".join(
        [
            _table("Zip, an image", label),
            _table("Mask R-CNN R-50 FPN, an image", detector),
            markdown([*head, f"GPU-hours at {teraflops:g} TFLOP/s"], rows, 2),
        ]
    )


def _table(title: str, costs: list[Cost]) -> str:
    rows = [[cost.part, cost.how, f"{cost.flops / 1e9:,.1f}"] for cost in costs]
    total = sum(cost.flops for cost in costs)
    rows.append(["**all**", None, f"{total / 1e9:,.1f}"])
    return markdown([title, "", "GFLOPs"], rows, numbers_from=2)


def _clip_tower(name: str) -> nn.Module:
    known = open_clip.get_model_config(name)
    sizes = {key: known[key] for key in ("embed_dim", "vision_cfg", "text_cfg")}
    with META:
        return open_clip.CLIP(**sizes).visual.eval().requires_grad_(False)


def _decode(sam: nn.Module) -> object:
    """One box, two prompt tokens, against one image embedding."""
    width, side = sam.prompt_encoder.embed_dim, sam.image_encoder.img_size // 16
    embedding = torch.empty(1, width, side, side, device=META)
    return sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=embedding,
        sparse_prompt_embeddings=torch.empty(1, 2, width, device=META),
        dense_prompt_embeddings=embedding,
        multimask_output=True,
    )


def _image(height: int, width: int) -> Tensor:
    return torch.empty(1, 3, height, width, device=META)


def _regions(count: int, side: int) -> Tensor:
    return torch.empty(count, 256, side, side, device=META)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = {"nargs": 2, "type": int, "metavar": ("HEIGHT", "WIDTH")}
    parser.add_argument("--image", **size, default=[480, 640], help="for Zip, pixels")
    parser.add_argument("--resized", **size, default=[800, 1088], help="for the detector, pixels")
    parser.add_argument("--boxes", type=int, default=20, help="objects that Zip finds in an image")
    parser.add_argument(
        "--teraflops", type=float, default=10.0, help="that a GPU reaches, not its maximum"
    )
    args = parser.parse_args(arguments)
    label, detector = label_costs(*args.image, args.boxes), detector_costs(*args.resized)
    totals = [sum(cost.flops for cost in costs) for costs in (label, detector)]
    print(to_markdown(label, detector, stages(*totals), args.teraflops))


if __name__ == "__main__":
    main()
