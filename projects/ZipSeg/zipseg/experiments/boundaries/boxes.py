"""Box recall and precision of discovered objects, by the evaluator's own matching."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torchvision.ops import box_iou

from ...data.coco_format import Detections, GroundTruth
from ...evaluation.bootstrap import resample_images
from ...evaluation.matching import MatchingRules, match
from ...structures import Proposals
from .oracle import ProbedImage

EVERY = 1_000_000  # no cap on the detections of an image


class FoundBoxes(NamedTuple):
    """The boxes found in one image, each with its best IoU with an object of its category."""

    image: int
    category: NDArray  # int64 [N], category ids
    box: NDArray  # float64 [N, 4], XYWH in pixels
    iou: NDArray  # float64 [N]


class BoxScore(NamedTuple):
    """Box recall and precision in 0..1 at IoU 0.5, class-aware, one object a box."""

    recall: float
    precision: float

    @property
    def f1(self) -> float:
        return 2 * self.recall * self.precision / max(self.recall + self.precision, 1e-12)

    def percent(self) -> dict[str, float]:
        """``recall``, ``precision`` and ``f1``."""
        return {key: 100 * getattr(self, key) for key in ("recall", "precision", "f1")}


def found_boxes(scene: ProbedImage, objects: Proposals) -> FoundBoxes:
    """The boxes of objects, ready to be matched."""
    box, plane = objects.box.double(), objects.category.numpy()
    iou = box_iou(box, box.new_tensor(scene.box)).numpy()
    iou[plane[:, None] != scene.plane] = 0
    box = box.numpy()
    xywh = np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1)
    return FoundBoxes(scene.image_id, scene.category[plane], xywh, iou.max(axis=1, initial=0))


def score_boxes(truth: GroundTruth, found: list[FoundBoxes]) -> BoxScore:
    """Recall and precision over the images of ``found``; see ``count_boxes``."""
    return _score(count_boxes(truth, found).sum(axis=0))


def count_boxes(truth: GroundTruth, found: list[FoundBoxes]) -> NDArray:
    """Hits, objects and boxes of each image, int64 [I, 3]; boxes claim objects best IoU first.

    Args:
        truth: of a data set that holds these images; its crowds count for nothing.
    """
    detections = Detections(
        np.repeat([each.image for each in found], [len(each.box) for each in found]),
        np.concatenate([each.category for each in found]),
        np.concatenate([each.iou for each in found]),
        np.concatenate([each.box for each in found]),
        None,
    )
    truth = truth.select_images([each.image for each in found])
    matches = match(truth, detections, "bbox", MatchingRules(caps=(EVERY,), ap_cap=EVERY))
    counted = (
        matches.image[matches.hit[0, 0]],
        matches.truth_image[~matches.truth_ignored[0]],
        matches.image[~matches.ignored[0, 0]],
    )
    return np.stack([np.bincount(each, minlength=len(found)) for each in counted], axis=1)


def intervals(counts: NDArray, samples: int = 1000, seed: int = 0) -> dict[str, str]:
    """95 % intervals of ``recall``, ``precision`` and ``f1`` in percent, as texts, by a bootstrap
    over the images of ``counts``, int64 [I, 3]."""
    drawn = [
        _score(each).percent() for each in resample_images(len(counts), samples, seed) @ counts
    ]
    found = {}
    for key in drawn[0]:
        low, high = np.quantile([each[key] for each in drawn], (0.025, 0.975))
        found[key] = f"{low:.1f} to {high:.1f}"
    return found


def _score(counts: NDArray) -> BoxScore:
    hits, objects, judged = counts.tolist()
    return BoxScore(hits / max(objects, 1), hits / max(judged, 1))
