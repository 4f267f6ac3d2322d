"""Classification first: which categories are present in an image (paper, image-level S_img)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...structures import Present
from .stage import Stage


@dataclass(frozen=True)
class ScoreCategories(Stage):
    """Image-level scores S_img from CLIP's embeddings.

    Args:
        scale: the CLIP's logit scale (the inverse of its temperature).
        bias: the CLIP's logit bias, if it has one.
        score: "softmax" lets all categories compete; "sigmoid" scores each on its own against the
            bias, or without one against the empty string.
    """

    SECTIONS: ClassVar = ("CLASSIFICATION",)
    scale: float
    bias: float | None = None
    score: str = "softmax"

    def __post_init__(self) -> None:
        self._check_one_of("score", ("softmax", "sigmoid"))

    def __call__(self, image: Tensor, text: Tensor, empty_text: Tensor) -> Tensor:
        """Scores in 0..1, float32 [B, C].

        Args:
            image: image embeddings [B, D], any norm.
            text: unit embeddings of C names [C, D].
            empty_text: the empty string's [D].
        """
        image = F.normalize(image.float(), dim=-1)
        logits = self.scale * image @ text.T
        if self.score == "softmax":
            return logits.softmax(dim=-1)
        if self.bias is None:
            threshold = self.scale * image @ empty_text
        else:
            threshold = image.new_tensor(-self.bias)
        return (logits - threshold.reshape(-1, 1)).sigmoid()


def pool_views(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Scores [B, C] of images from those of their views [B, V, C]: the best of each size of view,
    where a category may be seen from near, and the mean over the sizes.

    Args:
        counts: how many views there are of each size, V in all.
    """
    return torch.stack([size.amax(dim=1) for size in scores.split(list(counts), dim=1)]).mean(dim=0)


@dataclass(frozen=True)
class SelectPresent(Stage):
    """The categories whose score is high enough in itself and beside the best one's.

    The relative rule means the same for 4 categories and for 1,203, where a softmax has little left
    for each.

    Args:
        relative_thresh: least score, as a share of the best category's.
        min_score: least score.
        max_categories: at most so many go on.
    """

    SECTIONS: ClassVar = ("CLASSIFICATION",)
    relative_thresh: float = 0.1
    min_score: float = 0.0
    max_categories: int = 20

    def __post_init__(self) -> None:
        self._check_least("max_categories", 1)

    def __call__(self, scores: Tensor) -> Present:
        """The present of C categories by S_img of one image [C]; ties keep their order."""
        if not len(scores):
            return Present(scores.new_zeros(0, dtype=torch.int64), scores)
        ordered, category = scores.sort(descending=True, stable=True)
        keep = (ordered >= self.relative_thresh * ordered[0]) & (ordered >= self.min_score)
        keep[self.max_categories :] = False
        return Present(category[keep], ordered[keep])
