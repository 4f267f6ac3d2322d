"""Classification first: which names are present in an image (paper, image-level S_img)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...structures import Present


def score_names(
    image: Tensor,
    text: Tensor,
    empty_text: Tensor,
    scale: float,
    bias: float | None = None,
    rule: str = "softmax",
) -> Tensor:
    """Image-level scores S_img in 0..1, float32 [B, C].

    Args:
        image: image embeddings [B, D], any norm.
        text: unit embeddings of C names [C, D].
        empty_text: the empty string's [D].
        scale: the CLIP's logit scale (the inverse of its temperature).
        bias: the CLIP's logit bias, if it has one.
        rule: "softmax" lets all names compete; "sigmoid" scores each on its own against the bias,
            or without one against the empty string.
    """
    image = F.normalize(image.float(), dim=-1)
    logits = scale * image @ text.T
    if rule == "softmax":
        return logits.softmax(dim=-1)
    threshold = scale * image @ empty_text if bias is None else image.new_tensor(-bias)
    return (logits - threshold.reshape(-1, 1)).sigmoid()


def pool_views(scores: Tensor, counts: Sequence[int]) -> Tensor:
    """Scores [B, C] of images from those of their views [B, V, C]: the best of each size of view,
    where a name may be seen from near, and the mean over the sizes.

    Args:
        counts: how many views there are of each size, V in all.
    """
    return torch.stack([size.amax(dim=1) for size in scores.split(list(counts), dim=1)]).mean(dim=0)


def choose_present(
    scores: Tensor, relative_threshold: float, min_score: float, max_names: int
) -> Present:
    """The names whose score is at least ``min_score`` and ``relative_threshold`` of the best one's.

    The relative rule means the same for 4 names and for 1,203, where a softmax has little left for
    each. At most ``max_names`` go on; ties are broken by the order of the names.

    Args:
        scores: S_img of one image [C].
    """
    if not len(scores):
        return Present(scores.new_zeros(0, dtype=torch.int64), scores)
    ordered, category = scores.sort(descending=True, stable=True)
    keep = (ordered >= relative_threshold * ordered[0]) & (ordered >= min_score)
    keep[max_names:] = False
    return Present(category[keep], ordered[keep])
