"""Metrics on held-out scenes. They read masks; training never reads a metric."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from torch import Tensor, nn

from ...modeling.networks.clip_classifier import ClipClassifier
from ...modeling.networks.clip_dense import ClipDense
from ...modeling.networks.clip_text import TextEncoder
from ..scenes import CATEGORY_NAMES, UNSEEN_NAMES
from .augmentation import clip_batch
from .captions import present_names
from .losses import mask_iou
from .prompts import object_boxes
from .scenes import SceneBank

_SURGERY_SIZE, _SURGERY_SCENES = 256, 50
_BOUNDARY_SIZE, _BOUNDARY_SCENES = 768, 10
_SAM_SCENES = 50


class NamedFrom(NamedTuple):
    """The windows by which scenes are named."""

    size: int  # pixels of the network's input
    side: float  # of a window, as a share of the scene's


def naming_metrics(
    model: nn.Module, tokenizer: Callable, scenes: SceneBank, windows: NamedFrom
) -> dict[str, float]:
    """How well the prompt ensemble names what scenes hold, and how well features tell where.

    Returns:
        ``map_seen`` and ``map_unseen``, mean average precisions in 0..1, over the names that occur,
        of the best window's score, as Zip classifies; ``whole_map_seen`` and ``whole_map_unseen``
        of the score of the scene as one picture; for a ViT also ``surgery_iou``, for a ResNet
        ``boundary_auc`` (see below).
    """
    text = TextEncoder(model, tokenizer, "").encode(CATEGORY_NAMES)
    metrics = {}
    for prefix, size, side in (("", *windows), ("whole_", 0, 1.0)):
        classifier = ClipClassifier(model.visual, text, text.mean(0), size, (side,))
        score = torch.cat(
            [
                F.normalize(classifier([_channels_first(scenes.image[i])]), dim=-1) @ text.T
                for i in range(scenes.count)
            ]
        )
        found = _map_by_vocabulary(score.amax(dim=1), scenes)
        metrics |= {f"{prefix}{name}": value for name, value in found.items()}
    if hasattr(model.visual, "transformer"):
        metrics["surgery_iou"] = surgery_iou(model.visual, text, scenes)
    else:
        metrics["boundary_auc"] = boundary_auc(model.visual, scenes)
    return metrics


def _channels_first(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def _map_by_vocabulary(score: Tensor, scenes: SceneBank) -> dict[str, float]:
    """``map_seen`` and, where there are any, ``map_unseen`` of scores [B, C]."""
    present = torch.from_numpy(present_names(scenes.category))
    precision = average_precision(score, present)
    unseen = torch.tensor([name in UNSEEN_NAMES for name in CATEGORY_NAMES])
    occurs = present.any(0)
    groups = {"map_seen": ~unseen & occurs, "map_unseen": unseen & occurs}
    return {name: precision[g].mean().item() for name, g in groups.items() if g.any()}


def average_precision(score: Tensor, true: Tensor) -> Tensor:
    """Average precision of each column: mean over the positives of the precision at their rank.

    Args:
        score: float [B, C].
        true: bool [B, C].

    Returns:
        float [C], NaN without positives.
    """
    order = score.argsort(dim=0, descending=True, stable=True)
    hit = true.gather(0, order).double()
    rank = torch.arange(1, len(score) + 1)[:, None]
    return ((hit.cumsum(0) / rank * hit).sum(0) / hit.sum(0)).float()


def surgery_iou(visual: nn.Module, text: Tensor, scenes: SceneBank) -> float:
    """Mean over present names of the best IoU, over 50 thresholds, of CLIP Surgery's map at 256 px
    and the region of that name."""
    surgery = ClipDense(visual, surgery_blocks=min(6, len(visual.transformer.resblocks)))
    ious = []
    for index in range(min(_SURGERY_SCENES, scenes.count)):
        tokens = surgery(clip_batch(scenes.image[index : index + 1], _SURGERY_SIZE, None))
        patch = F.normalize(tokens.patch[0], dim=-1)
        similarity = (patch @ (text - text.mean(0)).T).T.reshape(1, -1, *tokens.grid)
        owner = torch.from_numpy(scenes.owner[index])
        similarity = F.interpolate(similarity, owner.shape, mode="bilinear")[0]
        category = torch.from_numpy(scenes.category[index])
        for name in category[category >= 0].unique().tolist():
            region = torch.isin(owner, torch.nonzero(category == name).flatten())
            ious.append(_best_iou(similarity[name], region))
    return float(np.mean(ious))


def _best_iou(similarity: Tensor, region: Tensor) -> float:
    thresholds = torch.linspace(similarity.min().item(), similarity.max().item(), 50)
    above = similarity[None] > thresholds[:, None, None]
    union = (above | region).sum((1, 2)).clamp(min=1)
    return ((above & region).sum((1, 2)) / union).max().item()


def boundary_auc(visual: nn.Module, scenes: SceneBank) -> float:
    """Chance that ``layer3``'s features (stride 16, 768 px) change more between two neighbouring
    cells of two touching objects than between two of one object (area under the ROC curve)."""
    change, border = [], []
    for index in range(min(_BOUNDARY_SCENES, scenes.count)):
        image = clip_batch(scenes.image[index : index + 1], _BOUNDARY_SIZE, None)
        x = visual.layer3(visual.layer2(visual.layer1(visual.stem(image))))
        x = F.normalize(x[0].float(), dim=0)
        owner = torch.from_numpy(scenes.owner[index]).float()[None, None]
        owner = F.interpolate(owner, x.shape[-2:], mode="nearest-exact")[0, 0]
        # Two cells apart, so that the rim itself lies between them.
        for a, b, p, q in (
            (x[:, 2:], x[:, :-2], owner[2:], owner[:-2]),
            (x[:, :, 2:], x[:, :, :-2], owner[:, 2:], owner[:, :-2]),
        ):
            both = (p >= 0) & (q >= 0)
            change.append((1 - (a * b).sum(0))[both])
            border.append((p != q)[both])
    change, border = torch.cat(change), torch.cat(border)
    rank = change.argsort().argsort().double() + 1
    positive, negative = int(border.sum()), int((~border).sum())
    return float((rank[border].sum() - positive * (positive + 1) / 2) / (positive * negative))


def sam_metrics(sam: Sam, scenes: SceneBank) -> dict[str, float]:
    """Mean IoU of the candidate of highest predicted IoU with the object that was prompted.

    Returns:
        ``box_iou`` for ground-truth boxes, ``point_iou`` for the innermost point of each object,
        ``box_oracle_iou`` and ``point_oracle_iou`` for the best of the three candidates, and
        ``iou_error``, the mean absolute error of the predicted IoU for boxes.
    """
    found = {"box": [], "point": []}
    oracle = {"box": [], "point": []}
    errors = []
    predictor = SamPredictor(sam)
    for index in range(min(_SAM_SCENES, scenes.count)):
        predictor.set_image(scenes.image[index])
        owner = scenes.owner[index]
        number = int((scenes.category[index] >= 0).sum())
        masks = torch.from_numpy(owner[None] == np.arange(number)[:, None, None])
        boxes = torch.from_numpy(object_boxes(owner, number))
        points = torch.from_numpy(np.stack([_innermost(mask) for mask in masks.numpy()]))
        for kind in found:
            prompt = _prompt(predictor, kind, boxes, points, owner.shape)
            predicted, score, _ = predictor.predict_torch(**prompt)
            iou = mask_iou(predicted, masks[:, None])
            best = score.argmax(1, keepdim=True)
            found[kind] += iou.gather(1, best).flatten().tolist()
            oracle[kind] += iou.amax(1).tolist()
            if kind == "box":
                errors += (score - iou).abs().flatten().tolist()
    means = {f"{kind}_iou": np.mean(values) for kind, values in found.items()}
    means |= {f"{kind}_oracle_iou": np.mean(values) for kind, values in oracle.items()}
    return {name: float(value) for name, value in means.items()} | {
        "iou_error": float(np.mean(errors))
    }


def _prompt(
    predictor: SamPredictor, kind: str, boxes: Tensor, points: Tensor, shape: tuple[int, int]
) -> dict[str, Tensor | None]:
    if kind == "box":
        boxes = predictor.transform.apply_boxes_torch(boxes, shape)
        return {"point_coords": None, "point_labels": None, "boxes": boxes}
    coords = predictor.transform.apply_coords_torch(points[:, None], shape)
    return {"point_coords": coords, "point_labels": torch.ones(len(points), 1)}


def _innermost(mask: np.ndarray) -> np.ndarray:
    """XY of the pixel farthest from a mask's outline, float32 [2]."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = divmod(int(distance.argmax()), mask.shape[1])
    return np.array([x, y], np.float32)
